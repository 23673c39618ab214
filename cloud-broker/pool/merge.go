package pool

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

const (
	// mergeFlights is how many commands or pipelines are on their way at a time: Redis does one at a time, so the
	// second is there when the first is done, and more would only be smaller.
	mergeFlights = 2
	// mergeMost bounds a pipeline, so that who comes next waits no longer than some milliseconds.
	mergeMost = 128
)

// merger sends commands. One that comes while others are on their way waits and goes with all that wait by then, as one
// pipeline: under load most of the cost of a short script is in its packet, not in its work. A lone command is sent as
// it is. Each pipeline is sent by one of those who wait for it, so there is nothing to start or to close.
type merger struct {
	rdb redis.UniversalClient

	mu      sync.Mutex
	flights int
	waiting []*flight
}

// flight is a command that waits. next has the commands that its owner is to send, its own among them, or nil when
// another has sent it.
type flight struct {
	cmd  redis.Cmder
	next chan []*flight
}

// do sends a command and returns when it is answered; the result is in cmd. Where ctx ends before, cmd may still be sent
// and must not be looked at.
func (m *merger) do(ctx context.Context, cmd redis.Cmder) error {
	m.mu.Lock()
	if m.flights < mergeFlights {
		m.flights++
		m.mu.Unlock()
		err := m.rdb.Process(ctx, cmd)
		m.land()
		return err
	}
	f := &flight{cmd, make(chan []*flight, 1)}
	m.waiting = append(m.waiting, f)
	m.mu.Unlock()
	select {
	case batch := <-f.next:
		if batch == nil {
			return cmd.Err()
		}
		m.send(ctx, batch)
		return cmd.Err()
	case <-ctx.Done():
	}
	if batch := m.leave(f); batch != nil {
		m.send(ctx, batch)
	}
	return ctx.Err()
}

// leave takes f out of those who wait. Where it has been chosen to send others' commands it returns them.
func (m *merger) leave(f *flight) []*flight {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.waiting {
		if m.waiting[i] == f {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			return nil
		}
	}
	select {
	case batch := <-f.next:
		return batch
	default: // another is sending it
		return nil
	}
}

// send sends commands as one pipeline, also for others: it does not end with the context of who sends it, but by the
// client's time limits.
func (m *merger) send(ctx context.Context, batch []*flight) {
	ctx = context.WithoutCancel(ctx)
	if len(batch) == 1 {
		_ = m.rdb.Process(ctx, batch[0].cmd) // each command keeps its own error
	} else {
		pipe := m.rdb.Pipeline()
		for _, f := range batch {
			_ = pipe.Process(ctx, f.cmd) // it only notes the command
		}
		_, _ = pipe.Exec(ctx)
	}
	for _, f := range batch[1:] {
		f.next <- nil
	}
	m.land()
}

// land lets the next go: one of those who wait sends what waits.
func (m *merger) land() {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(len(m.waiting), mergeMost)
	if n == 0 {
		m.flights--
		return
	}
	batch := make([]*flight, n)
	copy(batch, m.waiting)
	rest := copy(m.waiting, m.waiting[n:])
	clear(m.waiting[rest:])
	m.waiting = m.waiting[:rest]
	batch[0].next <- batch
}
