package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/signaling"
)

type submitInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Names this request: sent again with the same key, it gives the same task."`
	Body signaling.TaskRequest
}

type grantOutput struct{ Body signaling.Grant }

// placeOutput is a Grant (201) or a Pending (202).
type placeOutput struct {
	Status   int
	Location string `header:"Location" doc:"The task."`
	Body     any
}

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

func (s *server) taskOperations(a huma.API) {
	submit := operation("submit-task", http.MethodPost, "/tasks", "Ask for a task's place",
		"Finds a node for the task, nearest first, and answers with a grant when that node waits for the terminal. Where nothing is free and "+
			"the request or the site says that it may wait (whenFull), it is answered that it waits: follow its events, or lose its place in the queue. "+
			"A rendering task is a session.",
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	submit.DefaultStatus = http.StatusCreated
	submit.Responses = map[string]*huma.Response{
		"201": {Description: "The task has a place: the node waits for the terminal.", Content: jsonOf[signaling.Grant](a)},
		"202": {Description: "The task waits for a place. Its grant comes with its events.", Content: jsonOf[signaling.Pending](a)},
	}
	huma.Register(a, submit, s.submit)
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
			g, err := s.Dispatcher.Resume(ctx, terminal(ctx, ""), signaling.TaskID(in.Task), n)
			return answer(&grantOutput{Body: g}, err)
		})
}

// submit answers POST /tasks.
func (s *server) submit(ctx context.Context, in *submitInput) (*placeOutput, error) {
	if err := in.Body.Validate(); err != nil {
		return nil, invalid("The request cannot be served as it is.", err)
	}
	got, err := s.Dispatcher.Request(ctx, terminal(ctx, in.Body.Zone), in.Key, in.Body)
	if err != nil {
		return nil, problemOf(err)
	}
	if g := got.Grant; g != nil {
		return &placeOutput{Status: http.StatusCreated, Location: taskPath(g.Task), Body: g}, nil
	}
	return &placeOutput{Status: http.StatusAccepted, Location: taskPath(got.Pending.Task), Body: got.Pending}, nil
}

func taskPath(id signaling.TaskID) string { return "/api/v1/tasks/" + url.PathEscape(string(id)) }

// jsonOf describes an answer of type T.
func jsonOf[T any](a huma.API) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: schemaOf[T](a)}}
}

func schemaOf[T any](a huma.API) *huma.Schema {
	return a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// answer gives out, or the problem of err.
func answer[T any](out *T, err error) (*T, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return out, nil
}
