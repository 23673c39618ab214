package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// maxTasks is how many compute tasks a session may have at a time.
const maxTasks = 4

// progressEvery is how often a compute task reports.
const progressEvery = 100 * time.Millisecond

// computation is a compute task that runs.
type computation struct {
	cancel context.CancelFunc
	works  *held // on this
}

// submit starts a compute task on the session's own data. It runs on the edge's resident workers beside the
// pictures; its progress goes over "control", its result over "bulk".
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
	operation, err := task.Lookup(r.Task.Type, r.Task.Operation)
	if err != nil {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here", Detail: err.Error()}
	}
	running, cancel := context.WithCancel(ctx)
	l.tasks[r.TaskID] = computation{cancel, l.hold(shown)}
	l.nextID++
	transfer, rtc, volume := l.nextID, l.peer.rtc, shown.Volume
	parameters := append(json.RawMessage(nil), r.Task.Parameters...)
	l.helpers.Go(func() {
		defer cancel()
		last := time.Time{}
		result, err := l.s.cfg.Workers.Run(running, operation, volume, parameters, func(share float64) {
			if now := time.Now(); now.Sub(last) >= progressEvery {
				last = now
				l.fromTask(ctx, signaling.Event{Type: signaling.EventTaskProgress, TaskID: r.TaskID, Progress: share})
			}
		})
		done := signaling.Event{Type: signaling.EventTaskDone, TaskID: r.TaskID}
		if err == nil {
			sum := sha256.Sum256(result)
			done.Transfer = transfer
			err = rtc.SendBulk(running, signaling.BulkHeader{Transfer: transfer, Task: r.TaskID, Format: "application/json",
				Bytes: int64(len(result)), SHA256: hex.EncodeToString(sum[:])}, result)
		}
		if err != nil {
			done.Problem, done.Transfer = asProblem(err), 0
		}
		l.fromTask(ctx, done)
	})
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
func (l *loop) fromTask(ctx context.Context, e signaling.Event) {
	select {
	case l.s.events <- eventTask{e}:
	case <-ctx.Done():
	case <-l.s.done:
	}
}

// taskTold takes an event of a compute task, and lets go of what one that has ended worked on.
func (l *loop) taskTold(e signaling.Event) {
	if t, ok := l.tasks[e.TaskID]; ok && e.Type == signaling.EventTaskDone {
		l.letGo(t.works)
		delete(l.tasks, e.TaskID)
	}
	l.event(e)
}
