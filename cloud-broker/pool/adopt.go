package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Adoption is a task that an edge has taken from a terminal itself (A2).
type Adoption struct {
	Key     string // idempotency key, as in Claim; may be empty
	Task    signaling.TaskID
	Attempt signaling.AttemptID // as the edge has named it
	Node    signaling.NodeID
	GPU     int // that the edge has chosen, of several
	Request signaling.TaskRequest
	Creator string              // the token's subject
	Needs   signaling.Resources // Request.Needs() where it is zero
	Said    Said
	Quota   signaling.Resources // as in Claim
}

// Adopt records what an edge has taken itself: its reservation is confirmed, the task reserved. The same adoption again
// answers alike. ErrNoneFits where the node takes no such tasks now or the pool has given its room to others, ErrKeyReused,
// ErrEnded, ErrQuota; ErrElsewhere where the task has another place, or the key belongs to a task of another id: the returned
// reservation has that task, and its attempt where it has one.
func (p *Pool) Adopt(ctx context.Context, a Adoption) (signaling.Reservation, error) {
	r, err := p.adopt(ctx, a)
	if err != nil {
		return r, fmt.Errorf("adopt task %.70q of node %.70q: %w", string(a.Task), string(a.Node), err)
	}
	p.saw(r.Attempt.Fencing)
	return r, nil
}

func (p *Pool) adopt(ctx context.Context, a Adoption) (r signaling.Reservation, err error) {
	if a.Needs.IsZero() {
		a.Needs = a.Request.Needs()
	}
	w, err := prepare(a.Key, a.Creator, a.Request, a.Said)
	for _, n := range [][2]string{{"task", string(a.Task)}, {"attempt", string(a.Attempt)}, {"node", string(a.Node)}} {
		if err == nil {
			err = checkName(n[0], n[1])
		}
	}
	if err == nil {
		err = a.Needs.Validate()
	}
	if err == nil && (a.GPU < 0 || a.GPU >= signaling.MaxGPUs) {
		err = fmt.Errorf("GPU %d: 0 to %d", a.GPU, signaling.MaxGPUs-1)
	}
	if err != nil {
		return r, err
	}
	mine, quota := quotaArgs(a.Creator, a.Quota)
	answer, err := p.run(ctx, adoptScript, string(a.Attempt), string(a.Task), encodeTypes([]signaling.TaskType{a.Request.Type}),
		encodeAmounts(a.Needs), p.o.Lease.Milliseconds(), p.top.Load(), w.request, string(a.Node), a.GPU, w.big, w.key, w.digest, mine, quota).Text()
	if err != nil {
		return r, err
	}
	f := strings.Fields(answer)
	switch {
	case f[0] == "ok" && len(f) == 2:
		return signaling.Reservation{Task: a.Task, Resources: a.Needs, LeaseMs: p.o.Lease.Milliseconds(), Confirmed: true,
			Attempt: signaling.Attempt{ID: a.Attempt, Node: a.Node, Fencing: number(f[1]), GPU: a.GPU}}, nil
	case f[0] == "elsewhere" && len(f) == 2:
		return signaling.Reservation{Task: signaling.TaskID(f[1])}, ErrElsewhere
	case f[0] == "elsewhere" && len(f) == 6:
		return signaling.Reservation{Task: signaling.TaskID(f[1]), Attempt: attemptOf(f[2], f[3], f[4], f[5])}, ErrElsewhere
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
