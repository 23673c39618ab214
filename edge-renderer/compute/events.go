package compute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// event is something that the loop must know.
type event any

// The events: of signalling, of the connection, of the data, and of the work itself.
type (
	eventHello struct {
		connection string
		claims     *signaling.TokenClaims
		hello      signaling.Signal
		reply      func(signaling.Signal)
	}
	eventSignal struct {
		connection string
		signal     signaling.Signal
	}
	eventGone struct{ connection string }

	eventReply struct { // a signalling message for the terminal
		from   *conn
		signal signaling.Signal
	}
	eventConnected    struct{ from *conn }
	eventDisconnected struct{ from *conn }
	eventClosed       struct {
		from   *conn
		reason error
	}
	eventRequest struct {
		from    *conn
		request signaling.Request
	}

	eventData    struct{ from *conn } // some has come
	eventWhole   struct{ took time.Duration }
	eventRefused struct {
		from    *conn
		problem *signaling.Problem
	}
	eventBroken struct {
		from *conn
		err  error
	}
	eventLoading struct{ progress signaling.Loading }
	eventOpened  struct {
		series *cache.Series
		err    error
		took   time.Duration
	}

	eventTask struct{ event signaling.Event }
	eventTold struct { // something that the terminal is to know
		to    *conn
		event signaling.Event
	}
	eventComputed struct {
		outcome outcome
		spent   time.Duration
	}
	eventDelivered struct {
		to  *conn
		err error
	}
)

// take brings an event into the task's state.
func (l *loop) take(ctx context.Context, e event) {
	switch e := e.(type) {
	case eventHello:
		l.seat.Hello(e.connection, e.claims, e.hello, l.job.cfg.Instruction.ICEServers, e.reply)
	case eventSignal:
		if err := l.seat.Signal(e.connection, e.signal, l); err != nil {
			l.job.log.Debug("signal refused", "type", e.signal.Type, "err", err)
		}
	case eventGone:
		l.seat.Gone(e.connection)
	case eventReply:
		if e.from == l.conn {
			l.seat.Reply(e.signal)
		}
	case eventConnected:
		if e.from == l.conn {
			l.connect()
		}
	case eventDisconnected:
		if e.from == l.conn && l.connected {
			l.connected, l.lost = false, l.job.clock()
		}
	case eventClosed:
		if e.from == l.conn {
			l.Leave(e.reason)
		}
	case eventRequest:
		if e.from == l.conn {
			l.request(ctx, e.request)
		}
	case eventTold:
		if e.to == l.conn {
			l.event(e.event)
		}
	case eventTask:
		if e.event.Type == signaling.EventTaskStarted {
			l.started, l.runs = l.job.clock(), true
		}
		l.news = &e.event
		l.event(e.event)
	case eventComputed:
		l.computed(ctx, e)
	case eventDelivered:
		l.gone(e)
	case eventMove, eventStay, eventPromote, eventSaved, eventCheckpoint:
		l.takeMove(ctx, e)
	default:
		l.takeData(ctx, e)
	}
}

// takeData takes what comes of the data.
func (l *loop) takeData(ctx context.Context, e event) {
	switch e := e.(type) {
	case eventData:
		e.from.news.Store(false)
		l.touched = l.job.clock()
	case eventWhole:
		l.arrive(ctx, e.took)
	case eventRefused:
		if e.from == l.conn {
			l.fail(e.problem)
		}
	case eventBroken:
		if e.from == l.conn {
			l.event(signaling.Event{Type: signaling.EventNotice, Problem: &signaling.Problem{Code: signaling.ProblemUnavailable,
				Title: "The data did not come whole", Detail: e.err.Error() + ": send it again"}})
		}
	case eventLoading:
		l.event(signaling.Event{Type: signaling.EventLoading, Loading: &e.progress})
	case eventOpened:
		l.opened(e)
	}
}

// opened takes the series.
func (l *loop) opened(e eventOpened) {
	switch {
	case e.err != nil:
		l.fail(ending.Problem(e.err))
	case e.series.Volume == nil:
		why := e.series.Info.Why
		e.series.Release()
		l.fail(&signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "The series is no volume", Detail: why})
	default:
		l.series, l.ready = e.series, true
		if l.input == nil {
			l.moved(int64(e.series.Volume.Bytes()), e.took)
		}
	}
}

// gone notes that the result has gone, or did not: then it goes again when the terminal is back.
func (l *loop) gone(e eventDelivered) {
	l.sending = false
	if e.err != nil || e.to != l.conn {
		l.job.log.Info("result not delivered yet", "err", e.err)
		return
	}
	l.delivered, l.touched = e.to, l.job.clock()
	l.usage.BytesSent += int64(len(l.outcome.result.Data))
	l.event(signaling.Event{Type: signaling.EventTaskDone, TaskID: l.job.cfg.Instruction.Task, Transfer: resultTransfer})
}

// event tells the terminal something, when one is connected.
func (l *loop) event(e signaling.Event) {
	if err := l.seat.Tell(e); err != nil { // it is told anew what matters when it is connected
		l.job.log.Debug("event not sent", "type", e.Type, "err", err)
	}
}

// connect tells a terminal that has come, or come back, what is going on.
func (l *loop) connect() {
	l.connected, l.touched = true, l.job.clock()
	if err := l.seat.Flush(); err != nil {
		l.job.log.Debug("reply not sent", "err", err)
	}
	if l.state == signaling.TaskReserved && !l.arriving {
		l.report(signaling.TaskRunning, "")
	}
	i := &l.job.cfg.Instruction
	ready := signaling.Event{Type: signaling.EventReady, TaskID: i.Task,
		Session: &signaling.SessionInfo{Task: i.Task, Node: l.job.cfg.Node, Presets: []signaling.PresetInfo{}}}
	if l.input != nil { // a terminal that comes back need not send again what has come whole
		ready.Loading = &signaling.Loading{TotalBytes: l.input.announced.Bytes, Stage: "waiting"}
		if l.whole {
			ready.Loading.Bytes, ready.Loading.Stage = ready.Loading.TotalBytes, "done"
		}
	}
	l.event(ready)
	if l.news != nil && l.outcome == nil {
		l.event(*l.news)
	}
	l.tellMove()
	l.tellFailure()
}

// request answers a request of the terminal.
func (l *loop) request(ctx context.Context, r signaling.Request) {
	l.touched = l.job.clock()
	reply := signaling.Event{Type: signaling.EventReply, ID: r.ID}
	if err := l.carryOut(ctx, r); err != nil {
		reply.Problem = ending.Problem(err)
	}
	l.event(reply)
}

func (l *loop) carryOut(ctx context.Context, r signaling.Request) error {
	named := r.TaskID == "" || r.TaskID == l.job.cfg.Instruction.Task
	switch {
	case r.Type == signaling.RequestFinish:
		l.endSoon(ending.ErrFinished)
		return nil
	case r.Type == signaling.RequestTaskCancel && named:
		l.cancelled = true
		l.cancel()
		if !l.begun || l.paused {
			l.endSoon(context.Canceled)
		}
		return nil
	case r.Type == signaling.RequestHandle && named:
		if !slices.Contains(task.Choices, r.Handling) {
			return refuse("handling %.20q: one of %v", string(r.Handling), task.Choices)
		}
		l.choose(r.Handling)
		select {
		case l.choice <- r.Handling:
		default: // the first choice counts
		}
		return nil
	case r.Type == signaling.RequestCheckpoint && named:
		return l.checkpoint(ctx)
	case r.Type == signaling.RequestStayed && named:
		l.stayed(r.Problem)
		return nil
	case r.Type == signaling.RequestArrived && named: // the edge knows it itself
		return nil
	case r.Type == signaling.RequestTaskCancel, r.Type == signaling.RequestHandle:
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such task", Detail: "This connection belongs to one task alone"}
	}
	return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Request not known here",
		Detail: fmt.Sprintf("%.40q is no request to a compute task", string(r.Type))}
}
