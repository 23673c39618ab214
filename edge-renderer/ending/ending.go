// Package ending has the reasons for which a task ends on an edge, and what becomes of it then.
package ending

import (
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
	case errors.As(reason, &problem):
		return signaling.TaskFailed, problem.Title
	}
	return signaling.TaskFailed, reason.Error()
}
