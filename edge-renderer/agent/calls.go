package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// callPrefix leads the names of what an edge asks the broker, which tells them from the names of what the broker asks.
const callPrefix = "edge"

// errNoAnswer says that the broker could not be asked, or did not answer in time.
var errNoAnswer = errors.New("the broker cannot be reached")

// calls are what this edge has asked the broker and waits for.
type calls struct {
	mu      sync.Mutex
	waiting map[string]chan signaling.Control
}

// call asks the broker over the link and waits for its answer. The error wraps errNoAnswer.
func (a *Agent) call(ctx context.Context, c signaling.Control) (signaling.Control, error) {
	a.mu.Lock()
	link := a.link
	a.mu.Unlock()
	if link == nil {
		return signaling.Control{}, fmt.Errorf("%w: there is no link", errNoAnswer)
	}
	c.ID = signaling.NewID(callPrefix)
	answer := make(chan signaling.Control, 1)
	a.calls.mu.Lock()
	a.calls.waiting[c.ID] = answer
	a.calls.mu.Unlock()
	defer func() {
		a.calls.mu.Lock()
		delete(a.calls.waiting, c.ID)
		a.calls.mu.Unlock()
	}()
	if err := link.Send(c); err != nil {
		return signaling.Control{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	select {
	case m := <-answer:
		return m, nil
	case <-link.Done():
		return signaling.Control{}, fmt.Errorf("%w: the link was cut", errNoAnswer)
	case <-ctx.Done():
		return signaling.Control{}, fmt.Errorf("%w: no answer to %s in time", errNoAnswer, c.Type)
	}
}

// answered hands an answer of the broker's to whoever waits for it. It says whether the message is an answer, also where
// nobody waits any more; that one may want to know of it is late.
func (a *Agent) answered(m *signaling.Control) (answer, late bool) {
	if !strings.HasPrefix(m.ID, callPrefix+"-") {
		return false, false
	}
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	waiting, ok := a.calls.waiting[m.ID]
	if !ok {
		return true, true
	}
	delete(a.calls.waiting, m.ID)
	waiting <- *m
	return true, false
}
