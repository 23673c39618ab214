package pool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// A task may have a standby: a second attempt, on another node, which holds its resources and is kept ready to take over.
// It is the shadow of a session (A12), or the target of a task that moves (B8), and never both: a move takes the shadow's
// place. It has a lease and a fencing token of its own, is confirmed and renewed like any attempt, and is released with its
// task. Where the task's present attempt is lost the task does not fail: it is placing until the standby is promoted, or the
// present attempt's edge comes back.

// movePrefix leads the ids of attempts that were reserved for a move, so that they are told from shadows wherever they appear,
// in an edge's ledger after a loss of Redis too.
const movePrefix = "m"

// MoveID is the id of the attempt that a broker reserves for a move: the same owner and number are the same reservation,
// and those of another broker are another one.
func MoveID(owner string, move int64) signaling.AttemptID {
	return signaling.AttemptID(movePrefix + "-" + digest("move", owner, strconv.FormatInt(move, 10)))
}

// IsMove says whether an attempt was reserved for a move.
func IsMove(a signaling.AttemptID) bool { return strings.HasPrefix(string(a), movePrefix+"-") }

// standby puts a task's standby where it belongs.
func standby(t *signaling.Task, a signaling.Attempt) {
	if IsMove(a.ID) {
		t.Moves = &a
	} else {
		t.Shadow = &a
	}
}

// ClaimShadow reserves a place for a task's shadow on the first candidate that is ready, takes its type and has room; the
// task's own node is no candidate. needs are the task's where they are zero, lease is 10 s where it is. A task that has a
// shadow answers with it again. Errors: ErrNotFound, ErrEnded, ErrNoneFits, ErrMoving.
func (p *Pool) ClaimShadow(ctx context.Context, task signaling.TaskID, candidates []signaling.NodeID, needs signaling.Resources, lease time.Duration) (signaling.Reservation, error) {
	r, _, err := p.claimStandby(ctx, task, signaling.AttemptID(signaling.NewID("a")), candidates, needs, lease)
	if err == nil && IsMove(r.Attempt.ID) {
		r, err = signaling.Reservation{}, ErrMoving
	}
	if err != nil {
		return signaling.Reservation{}, fmt.Errorf("claim a shadow for task %.70q: %w", string(task), err)
	}
	p.saw(r.Attempt.Fencing)
	return r, nil
}

// ClaimMove reserves the target of a move for a task that is on the node from, under an attempt that MoveID has made. It holds
// what the task holds, or needs where the task holds nothing. Asked again it answers with what it has reserved. A shadow of
// the task gives way to it and is returned, so that its edge can be told; its room is there for the move. Errors: ErrNotFound,
// ErrEnded, ErrNoneFits, ErrClosed where the target takes no such tasks now, ErrMoving where another move has a reservation, ErrElsewhere where the task is not on that node.
func (p *Pool) ClaimMove(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, from, to signaling.NodeID, needs signaling.Resources, lease time.Duration) (signaling.Reservation, *signaling.Attempt, error) {
	var r signaling.Reservation
	var shadow *signaling.Attempt
	err := checkName("node", string(from))
	if err == nil {
		err = checkName("attempt", string(attempt))
	}
	if err == nil && !IsMove(attempt) {
		err = fmt.Errorf("attempt %s is not a move's", attempt)
	}
	if err == nil {
		r, shadow, err = p.claimStandby(ctx, task, attempt, []signaling.NodeID{to}, needs, lease, string(from))
	}
	if err != nil {
		return signaling.Reservation{}, nil, fmt.Errorf("reserve node %.70q for task %.70q to move to: %w", string(to), string(task), err)
	}
	p.saw(r.Attempt.Fencing)
	return r, shadow, nil
}

// claimStandby is both; from is given for a move.
func (p *Pool) claimStandby(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, candidates []signaling.NodeID, needs signaling.Resources, lease time.Duration, from ...any) (r signaling.Reservation, shadow *signaling.Attempt, err error) {
	t, err := p.Task(ctx, task)
	if err != nil {
		return r, nil, err
	}
	if needs.IsZero() {
		needs = t.Request.Needs()
	}
	if lease == 0 {
		lease = claimLease
	}
	switch err := needs.Validate(); {
	case err != nil:
		return r, nil, err
	case len(candidates) > MaxCandidates:
		return r, nil, fmt.Errorf("%d candidates: at most %d", len(candidates), MaxCandidates)
	case lease < time.Millisecond:
		return r, nil, fmt.Errorf("lease %s: at least 1ms", lease)
	}
	args := append([]any{string(attempt), string(task), encodeTypes([]signaling.TaskType{t.Request.Type}), encodeAmounts(needs),
		lease.Milliseconds(), p.top.Load(), joined(candidates)}, from...)
	answer, err := p.run(ctx, standbyScript, args...).Text()
	if err != nil {
		return r, nil, err
	}
	f := strings.Fields(answer)
	switch {
	case f[0] == "ok" && (len(f) == 9 || len(f) == 12):
		r = signaling.Reservation{Task: task, Attempt: attemptOf(string(attempt), f[1], f[2], f[3]), LeaseMs: lease.Milliseconds()}
		if len(f) == 12 {
			a := attemptOf(f[9], f[10], f[11], "0")
			shadow = &a
		}
		r.Resources, err = decodeAmounts(strings.Join(f[4:9], " "))
		return r, shadow, err
	case f[0] == "again" && len(f) == 16:
		// The standby, its lease, and its record: task, node, fencing token, confirmed, GPU, amounts.
		r = signaling.Reservation{Task: task, Attempt: attemptOf(f[1], f[2], f[3], f[4]), LeaseMs: number(f[5]), Confirmed: f[9] == "1"}
		r.Resources, err = decodeAmounts(strings.Join(f[11:], " "))
		return r, nil, err
	case f[0] == "none":
		return r, nil, ErrNoneFits
	case f[0] == "closed":
		return r, nil, ErrClosed
	case f[0] == "moving":
		return r, nil, ErrMoving
	case f[0] == "elsewhere":
		return r, nil, ErrElsewhere
	case f[0] == "unknown":
		return r, nil, ErrNotFound
	case f[0] == "ended":
		return r, nil, ErrEnded
	}
	return r, nil, fmt.Errorf("the script answered %.70q", answer)
}

// Promote makes a task's standby its attempt, with a fencing token above all others: what the attempt before it held is
// released, and its edge overruled. ErrNotFound where the task is unknown or has no standby that its edge has confirmed,
// ErrEnded.
func (p *Pool) Promote(ctx context.Context, task signaling.TaskID) (signaling.Attempt, error) {
	a, _, err := p.promote(ctx, string(task), p.top.Load())
	if err != nil {
		return signaling.Attempt{}, fmt.Errorf("promote the standby of task %.70q: %w", string(task), err)
	}
	return a, nil
}

// PromoteMove is Promote for the reservation of a move, of which the target's edge has said that the task goes on there; it
// answers alike where it has been promoted already. left is the attempt that the task has left by it, without its fencing token;
// nil where there was none any more.
func (p *Pool) PromoteMove(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID) (a signaling.Attempt, left *signaling.Attempt, err error) {
	if a, left, err = p.promote(ctx, string(task), p.top.Load(), string(attempt)); err != nil {
		return a, nil, fmt.Errorf("move task %.70q to its new place: %w", string(task), err)
	}
	return a, left, nil
}

func (p *Pool) promote(ctx context.Context, args ...any) (a signaling.Attempt, left *signaling.Attempt, err error) {
	answer, err := p.run(ctx, promoteScript, args...).Text()
	if err != nil {
		return a, nil, err
	}
	f := strings.Fields(answer)
	switch {
	case f[0] == "ok" && (len(f) == 5 || len(f) == 7):
		a = attemptOf(f[1], f[2], f[3], f[4])
		p.saw(a.Fencing)
		if len(f) == 7 {
			before := attemptOf(f[5], f[6], "0", "0")
			left = &before
		}
		return a, left, nil
	case f[0] == "none":
		return a, nil, ErrNotFound
	case f[0] == "ended":
		return a, nil, ErrEnded
	}
	return a, nil, fmt.Errorf("the script answered %.70q", answer)
}

// DropShadow releases a task's shadow; its edge's ledger does not bring it back. reason goes to the log. ErrNotFound where
// there is none.
func (p *Pool) DropShadow(ctx context.Context, task signaling.TaskID, reason string) error {
	if _, err := p.unshadow(ctx, reason, task); err != nil {
		return fmt.Errorf("release the shadow of task %.70q: %w", string(task), err)
	}
	return nil
}

// DropMove gives up the reservation of a move, and returns it. ErrNotFound where there is none, ErrElsewhere where it has become
// the task's place.
func (p *Pool) DropMove(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, reason string) (signaling.Attempt, error) {
	a, err := p.unshadow(ctx, reason, task, string(attempt))
	if err != nil {
		return a, fmt.Errorf("give up the place that task %.70q was to move to: %w", string(task), err)
	}
	return a, nil
}

func (p *Pool) unshadow(ctx context.Context, reason string, task signaling.TaskID, attempt ...any) (signaling.Attempt, error) {
	answer, err := p.run(ctx, unshadowScript, append([]any{string(task)}, attempt...)...).Text()
	if err != nil {
		return signaling.Attempt{}, err
	}
	switch f := strings.Fields(answer); {
	case len(f) == 4:
		p.o.Logger.Info("standby released", "task", task, "node", f[2], "reason", reason)
		return attemptOf(f[1], f[2], f[3], "0"), nil
	case answer == "committed":
		return signaling.Attempt{}, ErrElsewhere
	}
	return signaling.Attempt{}, ErrNotFound
}

// Holds is what an attempt holds on its node; ErrNotFound where it holds nothing.
func (p *Pool) Holds(ctx context.Context, attempt signaling.AttemptID) (signaling.Resources, error) {
	record, err := p.rdb.Get(ctx, p.key("attempt", string(attempt))).Result()
	if err == redis.Nil {
		err = ErrNotFound
	}
	f := strings.SplitN(record, " ", 6) // task, node, fencing token, confirmed, GPU, amounts
	if err == nil && len(f) != 6 {
		err = errors.New("its record is broken")
	}
	var r signaling.Resources
	if err == nil {
		r, err = decodeAmounts(f[5])
	}
	if err != nil {
		return r, fmt.Errorf("read what attempt %.70q holds: %w", string(attempt), err)
	}
	return r, nil
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
