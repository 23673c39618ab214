package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/signaling"
)

// Mover moves running tasks (B8).
type Mover interface {
	// Move moves a task to a node, or to the best one where to is empty. What it answers is how the move begins.
	Move(ctx context.Context, task signaling.TaskID, to signaling.NodeID, why signaling.MoveReason) (signaling.Moving, error)
	// Moves are those under way, and the last ones that ended, of all brokers.
	Moves(ctx context.Context) []signaling.Moving
}

// moveWish is where a task is to move.
type moveWish struct {
	To signaling.NodeID `json:"to,omitempty" maxLength:"63" doc:"Node to move to; the best one where it is left out."`
}

type moveInput struct {
	Task string `path:"task" maxLength:"63" doc:"Id of the task."`
	Body moveWish
}

type moveOutput struct{ Body signaling.Moving }

// moveList are moves of tasks.
type moveList struct {
	Moves []signaling.Moving `json:"moves" nullable:"false" doc:"Those under way first, then the last that ended, the newest first."`
}

type movesOutput struct{ Body moveList }

// move begins a move; one that has ended already without moving is refused with why.
func (s *server) move(ctx context.Context, task signaling.TaskID, to signaling.NodeID) (*moveOutput, error) {
	began := time.Now()
	m, err := s.Mover.Move(ctx, task, to, signaling.MoveByHand)
	if err != nil {
		return nil, err
	}
	if m.State == "waiting" {
		for _, mv := range s.Mover.Moves(ctx) {
			if mv.Task == task && mv.EndedAt != nil && !mv.EndedAt.Before(began) {
				m = mv
				break
			}
		}
	}
	if m.EndedAt != nil && m.State == "stays" {
		return nil, &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "The task stays where it is.", Detail: m.Why}
	}
	return &moveOutput{Body: m}, nil
}

func (s *server) moveOperations(a huma.API) {
	move := operation("move-task", http.MethodPost, "/tasks/{task}/move", "Move a running task to another node",
		"Its terminal goes over while the task goes on: follow the moves to see how it ends. A move that fails leaves the task where it was. For operators.",
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable)
	move.DefaultStatus = http.StatusAccepted
	huma.Register(a, worked(move, moveWish{To: "edge-8"}, exampleMoving), func(ctx context.Context, in *moveInput) (*moveOutput, error) {
		if err := operatorsOnly(ctx); err != nil {
			return nil, problemOf(err)
		}
		if in.Body.To != "" && !signaling.ValidName(string(in.Body.To)) {
			return nil, invalid("The task cannot be moved there.", fmt.Errorf("to %.70q: the id of a node", string(in.Body.To)))
		}
		if !signaling.ValidName(in.Task) {
			return nil, problemOf(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such task.",
				Detail: "A task's id is letters, digits, '.', '-' and '_', at most 63."})
		}
		return answer(s.move(ctx, signaling.TaskID(in.Task), in.Body.To))
	})
	huma.Register(a, worked(operation("list-moves", http.MethodGet, "/moves", "List moves of tasks",
		"Those that the brokers of the pool make, and the last that have ended. For operators.", http.StatusForbidden),
		nil, moveList{[]signaling.Moving{exampleMoving, exampleMoved}}),
		func(ctx context.Context, _ *struct{}) (*movesOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			out := &movesOutput{}
			if out.Body.Moves = s.Mover.Moves(ctx); out.Body.Moves == nil {
				out.Body.Moves = []signaling.Moving{}
			}
			return out, nil
		})
}
