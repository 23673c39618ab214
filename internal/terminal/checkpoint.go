package terminal

import (
	"context"
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/signaling"
)

// computing is a compute task of its own, wherever it is.
type computing struct {
	client  *Client
	request signaling.TaskRequest
	input   []byte
	options ComputeOptions
	grant   signaling.Grant                // of where it is
	resume  map[signaling.AttemptID]string // secrets with which the terminal comes back
}

// run does the task where it was granted, and goes along where it moves (B8).
func (t *computing) run(ctx context.Context) (Bulk, error) {
	s, err := t.connect(ctx, t.grant)
	if err != nil {
		return Bulk{}, err
	}
	defer func() { s.Close() }()
	if err := s.bring(ctx, t.request, t.input); err != nil {
		return Bulk{}, err
	}
	var news *signaling.Event // that has not been looked at
	for {
		e := signaling.Event{}
		fits := func(e signaling.Event) bool {
			return e.Type == signaling.EventMove && e.Grant != nil || s.computing(ctx, e, t.options)
		}
		if news != nil && fits(*news) {
			e = *news
		} else if e, err = s.await(ctx, fits); err != nil {
			return Bulk{}, err
		}
		news = nil
		if e.Type != signaling.EventMove {
			result, err := s.transferred(ctx, t.request, e.Transfer)
			if err == nil {
				_ = s.Finish(ctx) // the edge, which has sent the result, lets go by itself when the terminal leaves
			}
			return result, err
		}
		var next *Session
		if next, news = t.handOver(ctx, s, *e.Grant); next != nil {
			s.Close()
			s, t.grant = next, *e.Grant
		}
	}
}

// connect opens a connection to where the task is, and keeps the secret with which the terminal comes back.
func (t *computing) connect(ctx context.Context, grant signaling.Grant) (*Session, error) {
	o := t.options.Session
	o.Resume = t.resume[grant.Attempt.ID]
	s, err := t.client.Connect(ctx, grant, o)
	if err == nil {
		t.resume[grant.Attempt.ID] = s.ResumeToken()
	}
	return s, err
}

// handOver brings the task to another edge, and returns the connection there and what it has told already. It is nil where
// the task stays; the edge where it is knows that then.
func (t *computing) handOver(ctx context.Context, from *Session, grant signaling.Grant) (next *Session, news *signaling.Event) {
	bounded, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	next, err := t.connect(bounded, grant)
	if err == nil {
		if news, err = t.carry(bounded, from, next); err == nil && news.Type != signaling.EventStay {
			return next, news
		}
		next.Close()
	}
	var done *doneError
	switch {
	case errors.As(err, &done):
		return nil, &done.event
	case err == nil: // the broker has given it up
		return nil, nil
	}
	p := &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task cannot go on at the other edge", Detail: err.Error()}
	_, _ = from.Request(ctx, signaling.Request{Type: signaling.RequestStayed, TaskID: grant.Task, Problem: p}) // a loss is noticed by who waits for it
	return nil, nil
}

// doneError says that the task was done before it could move.
type doneError struct{ event signaling.Event }

func (e *doneError) Error() string { return "the task is done" }

// carry brings data and checkpoint to another edge, and returns the first thing that is told of the task there.
func (t *computing) carry(ctx context.Context, from, to *Session) (*signaling.Event, error) {
	if err := to.bring(ctx, t.request, t.input); err != nil {
		return nil, err
	}
	if _, err := from.Request(ctx, signaling.Request{Type: signaling.RequestCheckpoint}); err != nil {
		return nil, fmt.Errorf("pause the task: %w", err)
	}
	e, err := from.await(ctx, func(e signaling.Event) bool {
		return e.Type == signaling.EventCheckpoint || e.Type == signaling.EventTaskDone || e.Type == signaling.EventStay
	})
	switch {
	case err != nil:
		return nil, err
	case e.Type == signaling.EventTaskDone:
		return nil, &doneError{e}
	case e.Type == signaling.EventStay:
		return &e, nil
	}
	saved, err := from.transferred(ctx, t.request, e.Transfer)
	if err != nil {
		return nil, err
	}
	h := signaling.BulkHeader{Transfer: to.transfer.Add(1), Task: saved.Header.Task, Format: signaling.CheckpointFormat}
	if err := to.SendBulk(ctx, h, saved.Data); err != nil {
		return nil, fmt.Errorf("send the checkpoint: %w", err)
	}
	e, err = to.await(ctx, func(e signaling.Event) bool {
		switch e.Type {
		case signaling.EventTaskStarted, signaling.EventTaskWaiting, signaling.EventChoose, signaling.EventTaskProgress, signaling.EventTaskDone:
			return true
		}
		return false
	})
	return &e, err
}
