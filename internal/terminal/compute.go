package terminal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pion/webrtc/v4"

	"github.com/tomocast/tomocast/signaling"
)

// ComputeOptions are how a compute task is done.
type ComputeOptions struct {
	PlaceOptions
	Session Options
	// Run does the task on the terminal itself, where [Client.Check] says that it can.
	Run func(ctx context.Context, r signaling.TaskRequest, input []byte) (Bulk, error)
	// Choose picks one of the ways to handle the task, where the node asks; nil leaves it to the node's default.
	Choose func(choices []signaling.Handling) signaling.Handling
	// Told, where it is set, is told that the task waits, has started and goes on.
	Told func(signaling.Event)
}

// ComputeResult is what a compute task returned.
type ComputeResult struct {
	Bulk
	Place Place
}

// Compute has a compute task done and returns its result: by the terminal itself where it can (A13), else by an edge or the
// cloud. The request carries no data; input, where it is not nil, is sent only once a place is granted, straight to it (A2).
// Where the edge is lost on the way, the terminal comes back to the task there or at another node.
func (c *Client) Compute(ctx context.Context, r signaling.TaskRequest, input []byte, o ComputeOptions) (ComputeResult, error) {
	if r.Input == nil && input != nil {
		r.Input = &signaling.TaskInput{Format: "application/octet-stream", Bytes: int64(len(input))}
	}
	place, err := c.Place(ctx, r, o.PlaceOptions)
	if err != nil {
		return ComputeResult{}, err
	}
	out := ComputeResult{Place: place}
	if place.Here {
		if o.Run == nil {
			return out, fmt.Errorf("this terminal can do %s itself, but does not know how: set ComputeOptions.Run", r.Operation)
		}
		out.Bulk, err = o.Run(ctx, r, input)
		return out, err
	}
	out.Bulk, out.Place.Grant, err = c.ComputeAt(ctx, place.Grant, r, input, o)
	return out, err
}

// ComputeAt has a compute task done that was granted. It goes along where the task moves, and returns the grant of where it was
// at last.
func (c *Client) ComputeAt(ctx context.Context, grant signaling.Grant, r signaling.TaskRequest, input []byte, o ComputeOptions) (Bulk, signaling.Grant, error) {
	o.Session.DataOnly = true
	at := computing{client: c, request: r, input: input, options: o, grant: grant, resume: map[signaling.AttemptID]string{}}
	if o.Session.Resume != "" {
		at.resume[grant.Attempt.ID] = o.Session.Resume
	}
	for try := 0; ; try++ {
		b, err := at.run(ctx)
		if err == nil || try == comebacks || ctx.Err() != nil || !gone(err) {
			return b, at.grant, err
		}
		renewed, failure := c.Renew(ctx, at.grant.Task, !moved(err))
		if failure != nil {
			return b, at.grant, errors.Join(err, failure)
		}
		at.grant = renewed
	}
}

// comebacks is how often a terminal comes back to a task whose edge it has lost.
const comebacks = 3

// gone says whether an error means that the task is not, or no longer, at the edge, and nothing about the task.
func gone(err error) bool {
	var p *signaling.Problem
	return !errors.As(err, &p) || p.Code == signaling.ProblemEdgeLost || p.Code == signaling.ProblemMoved
}

// moved says whether an error means that the task goes on elsewhere.
func moved(err error) bool {
	var p *signaling.Problem
	return errors.As(err, &p) && p.Code == signaling.ProblemMoved
}

// Compute does the one task of a connection to a compute task of its own: it sends the input and waits for the result. It does
// not go along when the task moves, see [Client.Compute].
func (s *Session) Compute(ctx context.Context, r signaling.TaskRequest, input []byte, o ComputeOptions) (Bulk, error) {
	if err := s.bring(ctx, r, input); err != nil {
		return Bulk{}, err
	}
	done, err := s.await(ctx, func(e signaling.Event) bool { return s.computing(ctx, e, o) })
	if err != nil {
		return Bulk{}, err
	}
	return s.transferred(ctx, r, done.Transfer)
}

// bring sends the input, unless the edge has it.
func (s *Session) bring(ctx context.Context, r signaling.TaskRequest, input []byte) error {
	ready, err := s.await(ctx, func(e signaling.Event) bool { return e.Type == signaling.EventReady && e.Session != nil })
	if err != nil {
		return err
	}
	whole := ready.Loading != nil && ready.Loading.TotalBytes > 0 && ready.Loading.Bytes == ready.Loading.TotalBytes
	if r.Input == nil || whole {
		return nil
	}
	h := signaling.BulkHeader{Transfer: s.transfer.Add(1), Task: ready.Session.Task, Format: r.Input.Format}
	if err := s.SendBulk(ctx, h, input); err != nil {
		return fmt.Errorf("send the data of %s: %w", r.Operation, err)
	}
	return nil
}

// transferred waits for a transfer that was announced.
func (s *Session) transferred(ctx context.Context, r signaling.TaskRequest, transfer uint32) (Bulk, error) {
	for {
		select {
		case b := <-s.Bulks():
			if b.Header.Transfer == transfer {
				return b, nil
			}
		case <-ctx.Done():
			return Bulk{}, fmt.Errorf("result of %s: %w", r.Operation, ctx.Err())
		case <-s.Done():
			return Bulk{}, fmt.Errorf("result of %s: %w", r.Operation, s.Err())
		}
	}
}

// computing takes an event of the task and says whether it is its end.
func (s *Session) computing(ctx context.Context, e signaling.Event, o ComputeOptions) bool {
	switch e.Type {
	case signaling.EventTaskDone:
		return true
	case signaling.EventChoose:
		if o.Choose == nil {
			return false
		}
		if h := o.Choose(e.Choices); slices.Contains(e.Choices, h) {
			r := signaling.Request{Type: signaling.RequestHandle, TaskID: e.TaskID, Handling: h}
			_, _ = s.Request(ctx, r) // where it does not arrive, the node takes its default
		}
	case signaling.EventTaskWaiting, signaling.EventTaskStarted, signaling.EventTaskProgress, signaling.EventLoading:
		if o.Told != nil {
			o.Told(e)
		}
	}
	return false
}

// await takes events until one is the one that is waited for. A problem of the task or the end of the connection is an error.
func (s *Session) await(ctx context.Context, fits func(signaling.Event) bool) (signaling.Event, error) {
	for {
		s.mu.Lock()
		state, news := s.state, s.stateNews
		s.mu.Unlock()
		if state == webrtc.PeerConnectionStateFailed {
			return signaling.Event{}, fmt.Errorf("compute task: %w", ErrLost)
		}
		select {
		case e := <-s.Events():
			ends := e.Type == signaling.EventTaskDone || e.Type == signaling.EventEnding || e.Type == signaling.EventNotice
			if ends && e.Problem != nil {
				return e, e.Problem
			}
			if fits(e) {
				return e, nil
			}
		case <-news:
		case <-ctx.Done():
			return signaling.Event{}, fmt.Errorf("compute task: %w", ctx.Err())
		case <-s.Done():
			return signaling.Event{}, fmt.Errorf("compute task: %w", s.Err())
		}
	}
}
