// Package ending has the reasons for which a task ends on an edge, and what becomes of it then.
package ending

import (
	"context"
	"errors"

	"github.com/tomocast/tomocast/signaling"
)

// ErrFinished ends a task as its terminal asked, or because the work is done.
var ErrFinished = errors.New("finished by the terminal")

// ErrExpired ends a task because nobody uses it.
var ErrExpired = errors.New("expired")

// Outcome is what a reason makes of a task, for the broker and the log. Of a problem it has the title alone: the detail,
// which may name instances of the patient's, is for the terminal.
func Outcome(reason error) (signaling.TaskState, string) {
	var problem *signaling.Problem
	switch {
	case errors.Is(reason, ErrFinished):
		return signaling.TaskFinished, reason.Error()
	case errors.Is(reason, ErrExpired):
		return signaling.TaskExpired, reason.Error()
	case errors.As(reason, &problem) && problem.Code == signaling.ProblemMoved:
		return signaling.TaskFinished, problem.Title // here; it goes on elsewhere
	case errors.As(reason, &problem):
		return signaling.TaskFailed, problem.Title
	}
	return signaling.TaskFailed, reason.Error()
}

// Problem is what a user is told of a reason, or of any other error on the edge.
func Problem(err error) *signaling.Problem {
	var p *signaling.Problem
	if errors.As(err, &p) {
		return p
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &signaling.Problem{Code: signaling.ProblemCancelled, Title: "Cancelled"}
	case errors.Is(err, ErrExpired), errors.Is(err, ErrFinished):
		return &signaling.Problem{Code: signaling.ProblemCancelled, Title: "The session has ended", Detail: err.Error()}
	}
	return &signaling.Problem{Code: signaling.ProblemInternal, Title: "Something failed on the edge", Detail: err.Error()}
}
