package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

type submitInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Names this request: sent again with the same key, it gives the same task."`
	Body signaling.TaskRequest
}

type grantOutput struct{ Body signaling.Grant }

type taskInput struct {
	Task string `path:"task" maxLength:"63" doc:"Id of the task."`
}

type taskOutput struct{ Body signaling.Task }

type pageInput struct {
	Offset int `query:"offset" minimum:"0" maximum:"2000" default:"0" doc:"How many are left out."`
	Limit  int `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many are returned at most."`
}

type tasksOutput struct {
	Body struct {
		Tasks []signaling.Task `json:"tasks" nullable:"false" doc:"The newest first."`
	}
}

type renewInput struct {
	Task string `path:"task" maxLength:"63" doc:"Id of the task."`
	Body *struct {
		Lost       bool            `json:"lost,omitempty" doc:"The terminal's own connection to the edge is gone too: seek a new place at once where the edge is out of reach."`
		Parameters json.RawMessage `json:"parameters,omitempty" doc:"Take the place of the request's parameters where the task gets a new place, for example with the view as it is now."`
	} `required:"false"`
}

type historyInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many are returned at most."`
}

type historyOutput struct {
	Body struct {
		Tasks []pool.HistoryEntry `json:"tasks" nullable:"false" doc:"The last ended first."`
	}
}

func (s *server) taskOperations(a huma.API) {
	submit := operation("submit-task", http.MethodPost, "/tasks", "Ask for a task's place",
		"Finds a node for the task, nearest first, and answers when that node waits for the terminal. A rendering task is a session.",
		http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	submit.DefaultStatus = http.StatusCreated
	huma.Register(a, submit, func(ctx context.Context, in *submitInput) (*grantOutput, error) {
		g, err := s.Dispatcher.Submit(ctx, principal(ctx), in.Key, in.Body)
		return answer(&grantOutput{Body: g}, err)
	})
	huma.Register(a, operation("list-tasks", http.MethodGet, "/tasks", "List tasks",
		"Your own tasks; an operator sees everyone's. The newest first.", http.StatusServiceUnavailable),
		func(ctx context.Context, in *pageInput) (*tasksOutput, error) {
			tasks, err := s.Dispatcher.Tasks(ctx, principal(ctx), in.Offset, in.Limit)
			out := &tasksOutput{}
			out.Body.Tasks = tasks
			return answer(out, err)
		})
	huma.Register(a, operation("get-task", http.MethodGet, "/tasks/{task}", "Look at a task", "", http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *taskInput) (*taskOutput, error) {
			t, err := s.Dispatcher.Task(ctx, principal(ctx), signaling.TaskID(in.Task))
			return answer(&taskOutput{Body: t}, err)
		})
	huma.Register(a, operation("finish-task", http.MethodDelete, "/tasks/{task}", "Finish a task",
		"Ends it and releases what it holds. It is safe on one that has ended.", http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *taskInput) (*taskOutput, error) {
			t, err := s.Dispatcher.Finish(ctx, principal(ctx), signaling.TaskID(in.Task))
			return answer(&taskOutput{Body: t}, err)
		})
	huma.Register(a, operation("renew-grant", http.MethodPost, "/tasks/{task}/grant", "Come back to a task",
		"A fresh token for the same attempt; where its edge is lost, a new attempt on another node. For the task's creator only.",
		http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *renewInput) (*grantOutput, error) {
			var n dispatch.Renewal
			if in.Body != nil {
				n = dispatch.Renewal{Lost: in.Body.Lost, Parameters: in.Body.Parameters}
			}
			g, err := s.Dispatcher.Renew(ctx, principal(ctx), signaling.TaskID(in.Task), n)
			return answer(&grantOutput{Body: g}, err)
		})
	huma.Register(a, operation("list-history", http.MethodGet, "/history", "List what ended tasks asked for and used",
		"For operators. Creators and studies are hashes.", http.StatusForbidden, http.StatusServiceUnavailable),
		func(ctx context.Context, in *historyInput) (*historyOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			h, err := s.Dispatcher.History(ctx, in.Limit)
			out := &historyOutput{}
			out.Body.Tasks = h
			return answer(out, err)
		})
}

// answer gives out, or the problem of err.
func answer[T any](out *T, err error) (*T, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return out, nil
}
