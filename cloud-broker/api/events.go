package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tomocast/tomocast/internal/sse"
	"github.com/tomocast/tomocast/signaling"
)

// Limits of streams of events.
const (
	// beatEvery keeps what stands between from closing a connection on which nothing happens.
	beatEvery = 10 * time.Second
	// eventWithin is how long one event may take to be sent: a peer that takes nothing is gone.
	eventWithin = 15 * time.Second
	// streamMost is how long a stream lasts, so that a credential that has expired, or a right that was taken, does not
	// last for ever. Whoever still listens comes back.
	streamMost = 15 * time.Minute
	// retryAfter is what a browser waits before it comes back.
	retryAfter = 2 * time.Second

	followsEach, followsAll = 32, 4096
	watchesEach, watchesAll = 8, 64
)

// events are server-sent events on their way to one who listens (WHATWG HTML section 9.2). Its methods may be called by
// several goroutines.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController

	mu   sync.Mutex
	open bool
}

// send sends an event; the first one begins the answer.
func (e *events) send(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("event %s: %w", name, err)
	}
	return e.write(sse.Append(nil, name, data))
}

func (e *events) write(text []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open {
		e.open = true
		h := e.w.Header()
		h.Set("Content-Type", sse.ContentType)
		h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold events back
		h.Set("X-Accel-Buffering", "no")                 // and so would nginx
		text = append(fmt.Appendf(nil, "retry: %d\n\n", retryAfter.Milliseconds()), text...)
	}
	// A server of a test may know no deadlines.
	if err := e.control.SetWriteDeadline(time.Now().Add(eventWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("send an event: %w", err)
	}
	if _, err := e.w.Write(text); err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	if err := e.control.Flush(); err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	return nil
}

// begun says whether something was sent: from then on an error is an event and no status.
func (e *events) begun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// stream makes the answer of an operation of what work sends. Where work fails before it has sent anything, the answer is
// the problem of its error. While it lasts, a comment is sent now and then.
func (s *server) stream(open *slots, work func(ctx context.Context, e *events) error) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		called := callOf(r.Context())
		free, ok := open.take(name(called.principal))
		if !ok {
			Refuse(w, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many streams of events are open.",
				Detail: "Close some, or wait a moment and try again."})
			return
		}
		defer free()
		called.streamed = true
		e := &events{w: w, control: http.NewResponseController(w)}
		ctx, cancel := context.WithTimeout(r.Context(), streamMost)
		defer cancel()
		var beats sync.WaitGroup
		beats.Go(func() { s.beat(ctx, cancel, e) })
		err := work(ctx, e)
		cancel()
		beats.Wait()
		if err != nil && !e.begun() && r.Context().Err() == nil {
			Refuse(w, err)
		}
	}}, nil
}

// beat sends comments until ctx ends, and ends it where nobody takes them.
func (s *server) beat(ctx context.Context, cancel context.CancelFunc, e *events) {
	tick := time.NewTicker(s.beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.begun() && e.write([]byte(":\n\n")) != nil {
			cancel()
			return
		}
	}
}

// streamOperation describes an operation that answers with events, each with the type of its data.
func streamOperation(a huma.API, o huma.Operation, data map[string]*huma.Schema) huma.Operation {
	names := make([]string, 0, len(data))
	kinds := make([]*huma.Schema, 0, len(data))
	for name := range data {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		kinds = append(kinds, &huma.Schema{
			Type: huma.TypeObject, Title: name, Required: []string{"event", "data"},
			Properties: map[string]*huma.Schema{"event": {Type: huma.TypeString, Enum: []any{name}}, "data": data[name]},
		})
	}
	o.Responses = map[string]*huma.Response{"200": {
		Description: "Server-sent events: " + strings.Join(names, ", ") + ". Comments come in between.",
		Content:     map[string]*huma.MediaType{sse.ContentType: {Schema: &huma.Schema{OneOf: kinds}}},
	}}
	return o
}

func (s *server) eventOperations(a huma.API) {
	follow := operation("follow-task", http.MethodGet, "/tasks/{task}/events", "Follow a task that waits for a place",
		"Its place in the queue, whenever that changes, and at last its grant, or the problem because of which it gets none; then the stream ends. "+
			"A task keeps its place while somebody follows it. A stream that ends without a grant or a problem is to be opened again. "+
			"For the task's creator only.", http.StatusNotFound, http.StatusServiceUnavailable)
	huma.Register(a, streamOperation(a, follow, map[string]*huma.Schema{
		string(signaling.TaskEventPending): schemaOf[signaling.Pending](a),
		string(signaling.TaskEventGrant):   schemaOf[signaling.Grant](a),
		string(signaling.TaskEventProblem): schemaOf[Problem](a),
	}), func(ctx context.Context, in *taskInput) (*huma.StreamResponse, error) {
		who := terminal(ctx, "")
		return s.stream(s.follows, func(ctx context.Context, e *events) error {
			err := s.Dispatcher.Follow(ctx, who, signaling.TaskID(in.Task), e.taskEvent)
			// What is only out of reach for the moment ends the stream, and not the wish for a place.
			var p *signaling.Problem
			if e.begun() && errors.As(err, &p) && p.Code != signaling.ProblemUnavailable {
				return e.taskEvent(signaling.TaskEventProblem, p)
			}
			return err
		})
	})
}

// taskEvent sends an event of a task; a problem looks as it does in every answer.
func (e *events) taskEvent(name signaling.TaskEvent, v any) error {
	switch p := v.(type) {
	case *signaling.Problem:
		v = problemOf(p)
	case signaling.Problem:
		v = problemOf(&p)
	}
	return e.send(string(name), v)
}
