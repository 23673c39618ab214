package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// eventTask is what a compute task tells; the last one says what processor time it spent.
type eventTask struct {
	event signaling.Event
	spent time.Duration
}

// maxTasks is how many compute tasks a session may have at a time.
const maxTasks = 4

// computation is a compute task that runs.
type computation struct {
	cancel context.CancelFunc
	works  *held                   // on this
	choice chan signaling.Handling // the user's, capacity 1
}

// submit starts a compute task on the session's own data. It is handled as its type is, beside the pictures; its progress
// goes over "control", its result over "bulk".
func (l *loop) submit(ctx context.Context, r signaling.Request) error {
	if r.Task == nil || r.TaskID == "" || len(r.TaskID) > 64 {
		return badRequest("task-submit names the task and an id of at most 64 characters for it")
	}
	if err := r.Task.Validate(); err != nil {
		return badRequest(err.Error())
	}
	shown := l.first()
	if s := r.Task.Series; s != nil && shown != nil {
		if shown = l.named(*s); shown == nil {
			return &signaling.Problem{Code: signaling.ProblemForbidden, Title: "Not this session's series",
				Detail: "A task in a session works on the series that the session shows"}
		}
	}
	if shown == nil || shown.Coarse {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The series is still loading",
			Detail: "Submit the task again when it is there"}
	}
	if shown.Volume == nil {
		return &signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "The series is no volume", Detail: shown.Info.Why}
	}
	if _, twice := l.tasks[r.TaskID]; twice {
		return badRequest(fmt.Sprintf("task %.64q runs already", string(r.TaskID)))
	}
	if len(l.tasks) >= maxTasks {
		return &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many tasks at once",
			Detail: fmt.Sprintf("At most %d run at a time in a session: wait for one to end", maxTasks)}
	}
	if l.leaving != nil {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The session moves to another edge",
			Detail: "Submit the task again in a moment"}
	}
	operation, err := task.Lookup(r.Task.Type, r.Task.Operation)
	if err != nil {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here", Detail: err.Error()}
	}
	if operation.Data {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Not in a session",
			Detail: fmt.Sprintf("%s works on data that the terminal sends: ask for it as a task of its own", r.Task.Operation)}
	}
	running, cancel := context.WithCancel(ctx)
	choice := make(chan signaling.Handling, 1)
	l.tasks[r.TaskID] = computation{cancel, l.hold(shown), choice}
	l.nextID++
	transfer, rtc := l.nextID, l.peer.RTC
	order := task.Order{
		ID: r.TaskID, Request: r.Task, Operation: operation, Volume: shown.Volume, Choice: choice,
		Allowance: l.s.account.workers,
		Tell:      func(e signaling.Event) { l.fromTask(ctx, e) },
	}
	l.helpers.Go(func() {
		defer cancel()
		result, spent, err := l.s.cfg.Workers.Do(running, order)
		done := eventTask{event: signaling.Event{Type: signaling.EventTaskDone, TaskID: r.TaskID}, spent: spent}
		if err == nil {
			sum := sha256.Sum256(result.Data)
			done.event.Transfer = transfer
			err = rtc.SendBulk(running, signaling.BulkHeader{Transfer: transfer, Task: r.TaskID, Format: result.Format,
				SHA256: hex.EncodeToString(sum[:])}, result.Data)
		}
		if err != nil {
			done.event.Problem, done.event.Transfer = ending.Problem(err), 0
		}
		l.tellTask(ctx, done)
	})
	return nil
}

// handle takes the user's choice of how a task is handled, after the event "choose".
func (l *loop) handle(r signaling.Request) error {
	if !slices.Contains(task.Choices, r.Handling) {
		return badRequest(fmt.Sprintf("handling %.20q: one of %v", string(r.Handling), task.Choices))
	}
	t, ok := l.tasks[r.TaskID]
	if !ok {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such task", Detail: "It may have ended already"}
	}
	select {
	case t.choice <- r.Handling:
	default: // the first choice counts
	}
	return nil
}

// named is the series on the screen that a task names, nil where it is not there.
func (l *loop) named(ref signaling.SeriesRef) *held {
	for _, h := range l.series {
		i := h.Info.Series
		if i.SeriesInstanceUID == ref.SeriesInstanceUID && (ref.Part == 0 || ref.Part == i.Part) {
			return h
		}
	}
	return nil
}

// fromTask passes an event of a compute task to the page by way of the loop.
func (l *loop) fromTask(ctx context.Context, e signaling.Event) { l.tellTask(ctx, eventTask{event: e}) }

func (l *loop) tellTask(ctx context.Context, e eventTask) {
	select {
	case l.s.events <- e:
	case <-ctx.Done():
	case <-l.s.done:
	}
}

// taskTold takes an event of a compute task, and lets go of what one that has ended worked on.
func (l *loop) taskTold(e eventTask) {
	if t, ok := l.tasks[e.event.TaskID]; ok && e.event.Type == signaling.EventTaskDone {
		l.usage.CPUMs += ms(e.spent)
		l.letGo(t.works)
		delete(l.tasks, e.event.TaskID)
	}
	l.event(e.event)
	l.tellMove()
}
