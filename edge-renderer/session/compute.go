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

// submit starts a compute task on the session's own data. It runs on the edge's resident workers beside the
// pictures; its progress goes over "control", its result over "bulk".
func (l *loop) submit(ctx context.Context, r signaling.Request) error {
	if r.Task == nil || r.TaskID == "" || len(r.TaskID) > 64 {
		return badRequest("task-submit names the task and an id of at most 64 characters for it")
	}
	if err := r.Task.Validate(); err != nil {
		return badRequest(err.Error())
	}
	if l.series == nil {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The series is still loading",
			Detail: "Submit the task again when it is there"}
	}
	if s := r.Task.Series; s != nil && s.SeriesInstanceUID != l.series.Info.Series.SeriesInstanceUID {
		return &signaling.Problem{Code: signaling.ProblemForbidden, Title: "Not this session's series",
			Detail: "A task in a session works on the series that the session shows"}
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
	l.tasks[r.TaskID] = cancel
	l.nextID++
	transfer, rtc, volume := l.nextID, l.peer.rtc, l.series.Volume
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

// fromTask passes an event of a compute task to the page by way of the loop.
func (l *loop) fromTask(ctx context.Context, e signaling.Event) {
	select {
	case l.s.events <- eventTask{e}:
	case <-ctx.Done():
	case <-l.s.done:
	}
}
