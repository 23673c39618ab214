package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

type scheduleInput struct {
	Node signaling.NodeID `path:"node" maxLength:"63" doc:"Id of the node."`
	Body signaling.Schedule
}

func (in *scheduleInput) node() signaling.NodeID { return in.Node }

// setSchedule is a schedule, and who has set it.
type setSchedule struct {
	signaling.Schedule
	From string `json:"from" enum:"operator,configuration,none" doc:"Who has set it. An operator's counts in place of the configuration's. none: nobody has, the node is always open."`
	// GoesAt is the machine's own word, which no schedule changes.
	GoesAt *time.Time `json:"goesAt,omitempty" doc:"When the machine goes, as it says itself. Absent where it does not."`
}

type scheduleOutput struct{ Body setSchedule }

type timeInput struct {
	Node  signaling.NodeID `path:"node" maxLength:"63" doc:"Id of the node."`
	Hours int              `query:"hours" minimum:"1" maximum:"336" default:"24" doc:"How far the time line reaches ahead."`
}

type timeOutput struct{ Body signaling.NodeTime }

// timeOperations are about when nodes are open, and what is free on them when (B3).
func (s *server) timeOperations(a huma.API) {
	huma.Register(a, worked(operation("get-schedule", http.MethodGet, "/nodes/{node}/schedule", "See when a node is open",
		"As an operator has set it, else as the configuration of sites has it; of a node of which neither says anything, an empty one from none. For operators.",
		http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable), nil, setSchedule{Schedule: exampleSchedule, From: "operator"}),
		func(ctx context.Context, in *nodeInput) (*scheduleOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			return s.schedule(ctx, in.Node)
		})
	change(a, "schedule-node", http.MethodPut, "/schedule", "Say when a node is open",
		"In place of what the configuration of sites says, until it is taken back. Nothing new comes to a node while it is closed, and what runs there "+
			"when it closes is moved away before. The node is one of the pool, or one that the configuration of sites names.",
		func(ctx context.Context, in *scheduleInput) error {
			if _, err := nodetime.FromContract(in.Body); err != nil {
				return invalid("The schedule cannot be used.", err)
			}
			if err := s.scheduled(ctx, in.Node); err != nil {
				return err
			}
			return s.timeProblem(in.Node, s.Times.Set(ctx, in.Node, &in.Body))
		}, exampleSchedule)
	change(a, "unschedule-node", http.MethodDelete, "/schedule", "Take back when a node is open",
		"What the configuration of sites says counts again.",
		func(ctx context.Context, in *nodeInput) error {
			return s.timeProblem(in.Node, s.Times.Set(ctx, in.Node, nil))
		})
	huma.Register(a, worked(operation("get-node-time", http.MethodGet, "/nodes/{node}/time", "See a node's time",
		"For how long it and what is free on it can be used, what runs there, and what will be free when, by the predicted ends. For operators.",
		http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable), nil, exampleTime),
		func(ctx context.Context, in *timeInput) (*timeOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			t, err := s.Times.Of(ctx, in.Node, time.Now().Add(time.Duration(in.Hours)*time.Hour))
			return answer(&timeOutput{Body: t}, s.timeProblem(in.Node, err))
		})
}

func (s *server) schedule(ctx context.Context, id signaling.NodeID) (*scheduleOutput, error) {
	if !signaling.ValidName(string(id)) {
		return nil, problemOf(s.timeProblem(id, pool.ErrUnknownNode))
	}
	set, operator, ok, err := s.Times.Schedule(ctx, id)
	if err != nil {
		return nil, problemOf(s.timeProblem(id, err))
	}
	out := &scheduleOutput{setSchedule{Schedule: set, From: "none"}}
	switch {
	case operator:
		out.Body.From = "operator"
	case ok:
		out.Body.From = "configuration"
	}
	n, err := s.Dispatcher.Node(ctx, id)
	switch {
	case err == nil:
		out.Body.GoesAt = n.Expires
	case !ok: // what is scheduled may not have come yet
		return nil, problemOf(err)
	}
	return out, nil
}

// scheduled says whether a node may be scheduled: a wrong name would be kept without a word.
func (s *server) scheduled(ctx context.Context, id signaling.NodeID) error {
	_, _, ok, err := s.Times.Schedule(ctx, id)
	if err != nil {
		return s.timeProblem(id, err)
	}
	if sites := s.Dispatcher.Sites; sites != nil && !ok {
		_, ok = sites.Nodes[id]
	}
	if ok {
		return nil
	}
	_, err = s.Dispatcher.Node(ctx, id)
	return err
}

// timeProblem is what an error about a node's time means to the one who asked.
func (s *server) timeProblem(id signaling.NodeID, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pool.ErrUnknownNode):
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such node.",
			Detail: fmt.Sprintf("No node %.70q has registered, or it was lost long ago.", string(id))}
	case errors.Is(err, pool.ErrFull):
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "Too many nodes have a schedule of their own.",
			Detail: "Take back those that are not needed any more, or write schedules into the configuration of sites."}
	}
	s.Log.Warn("the pool did not answer", "what", "time of a node", "error", err)
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker cannot reach Redis.",
		Detail: "What runs goes on. Try again in a few seconds."}
}
