package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// MaxCandidates bounds the candidates of a claim.
const MaxCandidates = 256

// claimLease is for how long a reservation holds until its edge must have confirmed, where nothing else is asked for.
const claimLease = 10 * time.Second

// Claim is a request for a reservation.
type Claim struct {
	// Key makes a repeated request safe: the same key, creator and request give the same task and reservation. A
	// key is remembered as long as its task. May be empty.
	Key        string
	Task       signaling.TaskID
	Request    signaling.TaskRequest
	Creator    string              // the token's subject
	Needs      signaling.Resources // Request.Needs() where it is zero
	Candidates []signaling.NodeID  // in order of preference, as placement gives them
	Lease      time.Duration       // until the edge must have confirmed. 10 s when 0
	Said       Said
	Quota      signaling.Resources // what the creator's tasks may hold together, with this one; of a kind that is 0 any amount
}

// Said is what the broker knew of a task when it was asked for, and keeps with it.
type Said struct {
	Forecast *signaling.Forecast // what was predicted then, nil where nothing was
	Unnamed  bool                // nobody may learn from who asked: the history has no pseudonym
}

// asked is what a task's record keeps of its beginning.
type asked struct {
	Creator  string                `json:"creator,omitempty"`
	Unnamed  bool                  `json:"unnamed,omitempty"`
	Forecast *signaling.Forecast   `json:"forecast,omitempty"`
	Request  signaling.TaskRequest `json:"request"`
}

// prepared is an asked as the scripts take it.
type prepared struct {
	key, digest  string
	request, big []byte
}

// bigParameters is the size up to which parameters are kept with the history of a task. Larger ones are
// forgotten when it ends.
const bigParameters = 4 << 10

// prepare checks what this package rests on. Whether the request makes sense is for who accepted it to say
// (TaskRequest.Validate).
func prepare(key, creator string, r signaling.TaskRequest, said Said) (w prepared, err error) {
	switch {
	case !r.Type.Valid():
		return w, fmt.Errorf("type %.40q is unknown: it must be one of %v", string(r.Type), signaling.TaskTypes)
	case len(r.Parameters) > signaling.MaxParameters:
		return w, fmt.Errorf("parameters have %d bytes: at most %d", len(r.Parameters), signaling.MaxParameters)
	case len(creator) > maxCreator:
		return w, fmt.Errorf("creator has %d bytes: at most %d", len(creator), maxCreator)
	case len(key) > maxCreator:
		return w, fmt.Errorf("idempotency key has %d bytes: at most %d", len(key), maxCreator)
	}
	if key != "" { // what was predicted is no part of what was asked
		same, err := json.Marshal(asked{Creator: creator, Request: r})
		if err != nil {
			return w, fmt.Errorf("request: %w", err)
		}
		w.key, w.digest = digest(creator, key), digest(string(same))
	}
	if len(r.Parameters) > bigParameters {
		w.big, r.Parameters = r.Parameters, nil
	}
	if w.request, err = json.Marshal(asked{creator, said.Unnamed, said.Forecast, r}); err != nil {
		return w, fmt.Errorf("request: %w", err)
	}
	return w, nil
}

// Claim reserves what the task needs on the first candidate that is ready, takes its type and has room, in one
// script. The task is recorded, or goes on where it was placing; it is placing until Confirm. The node of its standby is no
// candidate. Errors: ErrNoneFits, ErrKeyReused, ErrEnded, ErrQuota.
//
// With a key that is known, Claim answers with that key's task and its reservation as it is now, whatever
// c.Task says; where that task is waiting for a place it is placed. A task that holds a reservation keeps it, so that two
// brokers that look for a place for it at the same moment find one. A LeaseMs of 0 then says that nothing is held
// any more, and Task tells the rest. ErrEnded also names the task.
func (p *Pool) Claim(ctx context.Context, c Claim) (signaling.Reservation, error) {
	if c.Needs.IsZero() {
		c.Needs = c.Request.Needs()
	}
	if c.Lease == 0 {
		c.Lease = claimLease
	}
	w, err := prepare(c.Key, c.Creator, c.Request, c.Said)
	if err == nil {
		err = checkName("task", string(c.Task))
	}
	if err == nil {
		err = c.Needs.Validate()
	}
	switch {
	case err != nil:
	case len(c.Candidates) > MaxCandidates:
		err = fmt.Errorf("%d candidates: at most %d", len(c.Candidates), MaxCandidates)
	case c.Lease < time.Millisecond:
		err = fmt.Errorf("lease %s: at least 1ms", c.Lease)
	}
	if err != nil {
		return signaling.Reservation{}, fmt.Errorf("claim for task %.70q: %w", string(c.Task), err)
	}
	attempt := signaling.AttemptID(signaling.NewID("a"))
	args := make([]any, 0, 13)
	args = append(args, string(attempt), string(c.Task), ","+string(c.Request.Type)+",", encodeAmounts(c.Needs),
		c.Lease.Milliseconds(), p.top.Load(), w.request, joined(c.Candidates))
	if mine, quota := quotaArgs(c.Creator, c.Quota); mine != "" {
		args = append(args, w.big, w.key, w.digest, mine, quota)
	} else if w.key != "" {
		args = append(args, w.big, w.key, w.digest)
	} else if len(w.big) > 0 {
		args = append(args, w.big)
	}
	answer, err := p.run(ctx, claimScript, args...).Text()
	if err != nil {
		return signaling.Reservation{}, fmt.Errorf("claim for task %s: %w", c.Task, err)
	}
	r, err := claimed(answer, c, attempt)
	if err != nil {
		return r, fmt.Errorf("claim for task %s: %w", c.Task, err)
	}
	p.saw(r.Attempt.Fencing)
	return r, nil
}

// joined lists nodes as the script takes them. A name that could not be one there stands for an unknown node.
func joined(nodes []signaling.NodeID) []byte {
	b := make([]byte, 0, 32*len(nodes))
	for _, id := range nodes {
		if checkName("node", string(id)) == nil {
			b = append(append(b, id...), ' ')
		}
	}
	return b
}

// claimed reads the claim script's answer.
func claimed(answer string, c Claim, attempt signaling.AttemptID) (r signaling.Reservation, err error) {
	f := strings.SplitN(answer, " ", 13)
	if len(f) > 1 {
		r.Task = signaling.TaskID(f[1])
	}
	switch {
	case f[0] == "ok" && len(f) == 5:
		r.Attempt = attemptOf(string(attempt), f[2], f[3], f[4])
		r.Resources, r.LeaseMs = c.Needs, c.Lease.Milliseconds()
		return r, nil
	case f[0] == "again" && len(f) >= 8:
		r.Attempt = attemptOf(f[2], f[3], f[4], f[5])
		if f[7] == "" {
			return r, nil // not held any more
		}
		// The record: task, node, fencing token, confirmed, GPU, amounts.
		if len(f) != 13 {
			break
		}
		r.LeaseMs, r.Confirmed = number(f[6]), f[10] == "1"
		r.Resources, err = decodeAmounts(f[12])
		return r, err
	case f[0] == "none":
		return r, ErrNoneFits
	case f[0] == "reused":
		return r, ErrKeyReused
	case f[0] == "ended":
		return r, ErrEnded
	case f[0] == "quota":
		return r, ErrQuota
	}
	return r, fmt.Errorf("the script answered %.70q", answer)
}

// decodeAttempt reads a task's fields at and standby.
func decodeAttempt(at string) (signaling.Attempt, error) {
	f := strings.Fields(at)
	if len(f) != 4 {
		return signaling.Attempt{}, fmt.Errorf("attempt %.70q: id, node, fencing token and GPU", at)
	}
	return attemptOf(f[0], f[1], f[2], f[3]), nil
}

func attemptOf(id, node, fencing, gpu string) signaling.Attempt {
	return signaling.Attempt{ID: signaling.AttemptID(id), Node: signaling.NodeID(node), Fencing: number(fencing), GPU: int(number(gpu))}
}

// Confirm notes that the edge has the attempt in its ledger: the task is reserved, and from now on the edge's
// heartbeats renew the lease. ErrNotFound where it is not held any more.
func (p *Pool) Confirm(ctx context.Context, attempt signaling.AttemptID) error {
	if err := p.flag(ctx, ErrNotFound, confirmScript, string(attempt), p.o.Lease.Milliseconds()); err != nil {
		return fmt.Errorf("confirm attempt %.70q: %w", string(attempt), err)
	}
	return nil
}

// Report notes what an edge reports of an attempt: that it is reserved, runs, or has ended with what it really used,
// which releases it. ErrNotFound where the attempt is not held, or is of another node than node (any where node is
// empty). An ended attempt may be reported again. Where a task ends that has a standby, that is released too and
// returned, so that its edge can be told.
func (p *Pool) Report(ctx context.Context, node signaling.NodeID, u signaling.Update) (*signaling.Attempt, error) {
	err := checkName("task", string(u.Task))
	if err == nil && u.State != signaling.TaskReserved && u.State != signaling.TaskRunning && !u.State.Ended() {
		err = fmt.Errorf("state %.20q: reserved, running, finished, failed or expired", string(u.State))
	}
	var usage, answer string
	if err == nil {
		usage, err = encodeUsage(u.Usage)
	}
	if err == nil {
		answer, err = p.run(ctx, updateScript, string(u.Attempt), string(u.Task), string(u.State), clip(u.Reason, maxReason),
			usage, p.o.Lease.Milliseconds(), p.o.HistoryLimit, string(node)).Text()
	}
	if err == nil && answer == "" {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("update attempt %.70q: %w", string(u.Attempt), err)
	}
	if f := strings.Fields(answer); len(f) == 4 {
		standby := attemptOf(f[1], f[2], f[3], "0")
		return &standby, nil
	}
	return nil, nil
}

// Release ends an attempt by the broker's will and gives its resources back: with state placing its task waits
// for another, with an ended state it ends. An empty attempt means the task's present one; with one that the task
// has left behind the task itself goes on. It returns the fencing token for the edge, which overrules the
// attempt. A task that has ended stays as it is; with an ended state no edge's ledger brings it back any more, as one may
// of which the pool did not know that it has the task. ErrNotFound where the task is unknown.
func (p *Pool) Release(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, state signaling.TaskState, reason string, usage *signaling.Usage) (int64, error) {
	return p.release(ctx, task, attempt, state, reason, usage, "")
}

// Withdraw is Release for an attempt whose edge has not answered the one who asks. ErrConfirmed where it has told the pool
// meanwhile that it has the attempt, by a heartbeat or because another broker asked it too: nothing has changed then.
func (p *Pool) Withdraw(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, state signaling.TaskState, reason string) (int64, error) {
	return p.release(ctx, task, attempt, state, reason, nil, "1")
}

func (p *Pool) release(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, state signaling.TaskState, reason string, usage *signaling.Usage, unconfirmed string) (int64, error) {
	if state != signaling.TaskPlacing && !state.Ended() {
		return 0, fmt.Errorf("release task %.70q: state %.20q: placing, finished, failed or expired", string(task), string(state))
	}
	used, err := encodeUsage(usage)
	if err != nil {
		return 0, fmt.Errorf("release task %.70q: %w", string(task), err)
	}
	token, err := p.run(ctx, releaseScript, string(task), string(attempt), string(state), clip(reason, maxReason), used,
		p.top.Load(), p.o.HistoryLimit, p.o.PlacingTTL.Milliseconds(), unconfirmed).Text()
	switch {
	case err != nil:
	case token == "":
		err = ErrNotFound
	case token == "confirmed":
		err = ErrConfirmed
	}
	if err != nil {
		return 0, fmt.Errorf("release task %.70q: %w", string(task), err)
	}
	fencing := number(token)
	p.saw(fencing)
	return fencing, nil
}

func encodeUsage(u *signaling.Usage) (string, error) {
	if u == nil {
		return "", nil
	}
	b, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("usage: %w", err) // NaN or infinite
	}
	return string(b), nil
}

// Released is what Sweep has freed.
type Released struct {
	Task signaling.TaskID
	// Attempt is empty for a task that waited for a place. Its Fencing overrules it: what its edge is told.
	Attempt signaling.Attempt
	// State is what the task is now: failed or expired, placing where its standby waits to be promoted (Promote), empty
	// where it goes on with another attempt or this was a standby.
	State  signaling.TaskState
	Reason string
}

// Sweep frees what nobody renews: reservations whose lease is past, nodes whose heartbeats have stopped (they are
// lost, and return by registering), waiting tasks that nobody awaits, nodes that were lost long ago; and what still
// runs on a node when its drain's deadline is over. Each kind is bounded by limit; brokers call it every few seconds,
// and any number of them may.
func (p *Pool) Sweep(ctx context.Context, limit int) (released []Released, lost []signaling.NodeID, err error) {
	if limit < 1 || limit > 10_000 {
		return nil, nil, fmt.Errorf("sweep: limit %d: 1 to 10000", limit)
	}
	v, err := p.run(ctx, sweepScript, limit, p.o.HistoryLimit, p.o.HeartbeatTTL.Milliseconds(), p.o.ForgetLost.Milliseconds(),
		p.o.PlacingTTL.Milliseconds(), p.top.Load()).Slice()
	if err != nil {
		return nil, nil, fmt.Errorf("sweep: %w", err)
	}
	if len(v) != 2 {
		return nil, nil, fmt.Errorf("sweep: the script answered %d values: 2", len(v))
	}
	freed, err := texts(v[0])
	if err != nil {
		return nil, nil, fmt.Errorf("sweep: %w", err)
	}
	nodes, err := texts(v[1])
	if err != nil {
		return nil, nil, fmt.Errorf("sweep: %w", err)
	}
	for ; len(freed) >= 6; freed = freed[6:] {
		released = append(released, Released{Task: signaling.TaskID(freed[0]),
			Attempt: attemptOf(freed[1], freed[2], freed[3], "0"), State: signaling.TaskState(freed[4]), Reason: freed[5]})
		p.saw(number(freed[3]))
	}
	for _, id := range nodes {
		lost = append(lost, signaling.NodeID(id))
	}
	return released, lost, nil
}
