package ending_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

func TestOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		reason error
		state  signaling.TaskState
		told   string
	}{
		"finished": {ending.ErrFinished, signaling.TaskFinished, "finished by the terminal"},
		"expired":  {fmt.Errorf("%w: no input for 1 min", ending.ErrExpired), signaling.TaskExpired, "expired: no input for 1 min"},
		"problem":  {fmt.Errorf("load: %w", &signaling.Problem{Title: "Unreadable", Detail: "names a file"}), signaling.TaskFailed, "Unreadable"},
		"other":    {errors.New("the broker ended it"), signaling.TaskFailed, "the broker ended it"},
	} {
		if state, told := ending.Outcome(c.reason); state != c.state || told != c.told {
			t.Errorf("%s: %s, %q", name, state, told)
		}
	}
}
