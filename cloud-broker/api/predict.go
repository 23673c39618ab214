package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

type forecastInput struct{ Body signaling.TaskRequest }

type forecastOutput struct{ Body signaling.Forecast }

// scoreList says how good predictions are.
type scoreList struct {
	Scores []foresight.Score `json:"scores" nullable:"false" doc:"Of each type of task that has ended."`
}

type predictionsOutput struct{ Body scoreList }

type historyInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many are returned at most."`
	Format string `query:"format" enum:"json,jsonl" default:"json" doc:"jsonl: one task a line, for cloud-broker simulate and predict."`
}

type historyOutput struct {
	ContentType string `header:"Content-Type"`
	Body        any
}

// historyPage is the history as one document.
type historyPage struct {
	Tasks []pool.HistoryEntry `json:"tasks" nullable:"false" doc:"The last ended first."`
}

// jsonLines is the type of a document with a JSON value on each line.
const jsonLines = "application/jsonl"

// predictOperations are about how long tasks run (B2).
func (s *server) predictOperations(a huma.API) {
	huma.Register(a, worked(operation("forecast", http.MethodPost, "/forecast", "See how long a task would run",
		"What is predicted of a task that you would ask for, from the tasks that have ended. Nothing is claimed.", http.StatusBadRequest), exampleRequest, exampleForecast),
		func(ctx context.Context, in *forecastInput) (*forecastOutput, error) {
			if err := in.Body.Validate(); err != nil {
				return nil, invalid("The request cannot be served as it is.", err)
			}
			f, err := s.Dispatcher.Forecast(ctx, terminal(ctx, in.Body.Zone), in.Body)
			return answer(&forecastOutput{Body: f}, err)
		})
	huma.Register(a, worked(operation("list-predictions", http.MethodGet, "/predictions", "See how good predictions are",
		"By type of task, over the last ones that have ended. For operators.", http.StatusForbidden), nil, scoreList{[]foresight.Score{exampleScore}}),
		func(ctx context.Context, _ *struct{}) (*predictionsOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			out := &predictionsOutput{}
			if out.Body.Scores = s.Foresight.Errors(); out.Body.Scores == nil {
				out.Body.Scores = []foresight.Score{}
			}
			return out, nil
		})
	history := operation("list-history", http.MethodGet, "/history", "List what ended tasks asked for and used",
		"For operators. Creators and studies are hashes.", http.StatusForbidden, http.StatusServiceUnavailable)
	history.Responses = map[string]*huma.Response{"200": {Description: "What has ended, the last first.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemaOf[historyPage](a)}, jsonLines: {Schema: schemaOf[pool.HistoryEntry](a)},
	}}}
	huma.Register(a, history, s.history)
}

func (s *server) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	if err := operatorsOnly(ctx); err != nil {
		return nil, problemOf(err)
	}
	tasks, err := s.Dispatcher.History(ctx, in.Limit)
	if err != nil {
		return nil, problemOf(err)
	}
	if in.Format != "jsonl" {
		if tasks == nil {
			tasks = []pool.HistoryEntry{}
		}
		return &historyOutput{ContentType: "application/json", Body: historyPage{Tasks: tasks}}, nil
	}
	var lines bytes.Buffer
	e := json.NewEncoder(&lines)
	for i := range tasks {
		if err := e.Encode(&tasks[i]); err != nil {
			return nil, problemOf(err)
		}
	}
	return &historyOutput{ContentType: jsonLines, Body: lines.Bytes()}, nil
}
