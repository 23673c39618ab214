package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// A task may have a standby: a second attempt, on another node, which holds its resources and is kept ready to take over.
// It is the shadow of a session (A12), and the target of one that is to move. It has a lease and a fencing token of its
// own, is confirmed and renewed like any attempt, and is released with its task. Where the task's present attempt is lost
// the task does not fail: it is placing until the standby is promoted, or the present attempt's edge comes back.

// ClaimShadow reserves a place for a task's standby on the first candidate that is ready, takes its type and has room; the
// task's own node is no candidate. needs are the task's where they are zero, lease is 10 s where it is. A task that has a
// standby answers with it again. Errors: ErrNotFound, ErrEnded, ErrNoneFits.
func (p *Pool) ClaimShadow(ctx context.Context, task signaling.TaskID, candidates []signaling.NodeID, needs signaling.Resources, lease time.Duration) (signaling.Reservation, error) {
	r, err := p.claimShadow(ctx, task, candidates, needs, lease)
	if err != nil {
		return signaling.Reservation{}, fmt.Errorf("claim a standby for task %.70q: %w", string(task), err)
	}
	p.saw(r.Attempt.Fencing)
	return r, nil
}

func (p *Pool) claimShadow(ctx context.Context, task signaling.TaskID, candidates []signaling.NodeID, needs signaling.Resources, lease time.Duration) (r signaling.Reservation, err error) {
	t, err := p.Task(ctx, task)
	if err != nil {
		return r, err
	}
	if needs.IsZero() {
		needs = t.Request.Needs()
	}
	if lease == 0 {
		lease = claimLease
	}
	switch err := needs.Validate(); {
	case err != nil:
		return r, err
	case len(candidates) > MaxCandidates:
		return r, fmt.Errorf("%d candidates: at most %d", len(candidates), MaxCandidates)
	case lease < time.Millisecond:
		return r, fmt.Errorf("lease %s: at least 1ms", lease)
	}
	attempt := signaling.NewID("a")
	answer, err := p.run(ctx, standbyScript, attempt, string(task), encodeTypes([]signaling.TaskType{t.Request.Type}), encodeAmounts(needs),
		lease.Milliseconds(), p.top.Load(), joined(candidates)).Text()
	if err != nil {
		return r, err
	}
	f := strings.SplitN(answer, " ", 12)
	switch {
	case f[0] == "ok" && len(f) == 4:
		return signaling.Reservation{Task: task, Attempt: attemptOf(attempt, f[1], f[2], f[3]), Resources: needs, LeaseMs: lease.Milliseconds()}, nil
	case f[0] == "again" && len(f) == 12:
		// The standby, its lease, and its record: task, node, fencing token, confirmed, GPU, amounts.
		r = signaling.Reservation{Task: task, Attempt: attemptOf(f[1], f[2], f[3], f[4]), LeaseMs: number(f[5]), Confirmed: f[9] == "1"}
		r.Resources, err = decodeAmounts(f[11])
		return r, err
	case f[0] == "none":
		return r, ErrNoneFits
	case f[0] == "unknown":
		return r, ErrNotFound
	case f[0] == "ended":
		return r, ErrEnded
	}
	return r, fmt.Errorf("the script answered %.70q", answer)
}

// Promote makes a task's standby its attempt, with a fencing token above all others: what the attempt before it held is
// released, and its edge overruled. ErrNotFound where the task is unknown or has no standby that its edge has confirmed,
// ErrEnded.
func (p *Pool) Promote(ctx context.Context, task signaling.TaskID) (signaling.Attempt, error) {
	answer, err := p.run(ctx, promoteScript, string(task), p.top.Load()).Text()
	if err == nil {
		switch f := strings.Fields(answer); {
		case f[0] == "ok" && len(f) == 5:
			a := attemptOf(f[1], f[2], f[3], f[4])
			p.saw(a.Fencing)
			return a, nil
		case f[0] == "none":
			err = ErrNotFound
		case f[0] == "ended":
			err = ErrEnded
		default:
			err = fmt.Errorf("the script answered %.70q", answer)
		}
	}
	return signaling.Attempt{}, fmt.Errorf("promote the standby of task %.70q: %w", string(task), err)
}

// DropShadow releases a task's standby; its edge's ledger does not bring it back. reason goes to the log. ErrNotFound where
// there is none.
func (p *Pool) DropShadow(ctx context.Context, task signaling.TaskID, reason string) error {
	if err := p.flag(ctx, ErrNotFound, unshadowScript, string(task)); err != nil {
		return fmt.Errorf("release the standby of task %.70q: %w", string(task), err)
	}
	p.o.Logger.Info("standby released", "task", task, "reason", reason)
	return nil
}

// KeepView keeps the newest view state of a session, until its task ends. An older revision than the one that is kept
// changes nothing. ErrNotFound where v.Attempt is not the task's present one.
func (p *Pool) KeepView(ctx context.Context, v signaling.ViewReport) error {
	err := checkName("task", string(v.Task))
	if err == nil {
		err = checkName("attempt", string(v.Attempt))
	}
	switch {
	case err != nil:
	case len(v.View) == 0 || len(v.View) > signaling.MaxViewReport:
		err = fmt.Errorf("view has %d bytes: 1 to %d", len(v.View), signaling.MaxViewReport)
	case v.Revision < 0 || v.Revision > maxFencing:
		err = fmt.Errorf("revision %d: 0 to %d", v.Revision, int64(maxFencing))
	default:
		err = p.flag(ctx, ErrNotFound, viewScript, string(v.Task), string(v.Attempt), v.Revision, []byte(v.View))
	}
	if err != nil {
		return fmt.Errorf("keep the view of task %.70q: %w", string(v.Task), err)
	}
	return nil
}

// View returns the view state that was kept last, ErrNotFound where there is none.
func (p *Pool) View(ctx context.Context, task signaling.TaskID) (signaling.ViewReport, error) {
	text, err := p.rdb.Get(ctx, p.key("view", string(task))).Result()
	if err == redis.Nil {
		err = ErrNotFound
	}
	f := strings.SplitN(text, " ", 3)
	if err == nil && len(f) != 3 {
		err = errors.New("its record is broken")
	}
	if err != nil {
		return signaling.ViewReport{}, fmt.Errorf("read the view of task %.70q: %w", string(task), err)
	}
	return signaling.ViewReport{Task: task, Attempt: signaling.AttemptID(f[0]), Revision: number(f[1]), View: []byte(f[2])}, nil
}
