package scaling

import (
	"context"
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// usualThreads is how many encoder threads a session may grow from, and threadKpps what one thread is taken to encode:
	// 1920 by 1080 pixels 30 times a second.
	usualThreads = 2
	threadKpps   = 1920 * 1080 * 30 / 1000
	milliOfCore  = 1000
)

// ours says whether a kind has no account in Redis.
func ours(k nodetime.Kind) bool { return k > nodetime.Memory }

// encoding are the encoder threads and pixels of a budget.
func encoding(b *signaling.Budget) nodetime.Amounts {
	return nodetime.Amounts{nodetime.EncoderThreads: b.EncoderThreads, nodetime.EncoderPixels: b.EncoderKpps}
}

// usualEncoding is what stands for the request of a task that has encoder threads or pixels, which nobody asks for by number.
func usualEncoding(t signaling.TaskType, has nodetime.Amounts) (a nodetime.Amounts) {
	if t != signaling.Rendering {
		return a
	}
	if n := has[nodetime.EncoderThreads]; n > 0 {
		a[nodetime.EncoderThreads] = max(n, usualThreads)
	}
	if n := has[nodetime.EncoderPixels]; n > 0 {
		a[nodetime.EncoderPixels] = max(n, threadKpps)
	}
	return a
}

// Free is what the edge has free.
func (e *edge) Free(context.Context, signaling.NodeID) (nodetime.Amounts, error) {
	n, known := e.Nodes.Get(e.node)
	if !known {
		return nodetime.Amounts{}, fmt.Errorf("node %s is not in the pool at the moment", e.node)
	}
	free := nodetime.Of(n.Free)
	free[nodetime.EncoderThreads], free[nodetime.EncoderPixels] = cores(&n), cores(&n)*threadKpps
	for _, k := range []nodetime.Kind{nodetime.EncoderThreads, nodetime.EncoderPixels} {
		free[k] -= e.others[k]
		for _, r := range e.tasks {
			free[k] -= r.account[k]
		}
	}
	return free, nil
}

// Resize makes a task's account of a kind to.
func (e *edge) Resize(ctx context.Context, task signaling.TaskID, node signaling.NodeID, k nodetime.Kind, to int64) error {
	r := e.tasks[task]
	if r == nil {
		return order.ErrGone
	}
	if err := e.mayGrow(r, k, to); err != nil {
		return err
	}
	if ours(k) {
		free, err := e.Free(ctx, node)
		if err != nil {
			return err
		}
		if more := to - r.account[k]; more > 0 && more > free[k] {
			return order.ErrNoRoom
		}
		r.account[k] = to
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, poolWithin)
	defer cancel()
	err := e.Pool.ResizeKind(ctx, task, r.attempt, k, to)
	switch {
	case err == nil:
		r.account[k] = to
		return nil
	case errors.Is(err, pool.ErrNoneFits):
		return order.ErrNoRoom
	case errors.Is(err, pool.ErrNotFound):
		return order.ErrGone
	}
	return err
}

// Set makes what a task may use of a kind amount, at its edge.
func (e *edge) Set(ctx context.Context, task signaling.TaskID, _ signaling.NodeID, k nodetime.Kind, amount int64) error {
	r := e.tasks[task]
	if r == nil {
		return order.ErrGone
	}
	to := r.has
	to[k] = amount
	return e.tell(ctx, r, to)
}

// tell gives a task a budget.
func (e *edge) tell(ctx context.Context, r *running, to nodetime.Amounts) error {
	ctx, cancel := context.WithTimeout(ctx, setWithin)
	defer cancel()
	r.set = true // whatever becomes of it
	err := e.Edges.SetBudget(ctx, e.node, signaling.SetBudget{Task: r.task, Attempt: r.attempt, Budget: signaling.Budget{
		Resources: to.Resources(), EncoderThreads: to[nodetime.EncoderThreads], EncoderKpps: to[nodetime.EncoderPixels]}})
	var p *signaling.Problem
	switch {
	case err == nil:
		r.has = to
		return nil
	case errors.As(err, &p) && p.Code == signaling.ProblemNotFound:
		return fmt.Errorf("%w: %w", order.ErrGone, err)
	}
	return err
}

// accounted are the kinds that have an account in Redis and are scaled.
var accounted = []nodetime.Kind{nodetime.GPUTime, nodetime.CPU, nodetime.Memory}

// seldom is in how many heartbeats in a row a budget must differ from its account before that is put right: the first one
// may have been on its way when the edge was given another.
const seldom = 2

// reconcile compares a budget as an edge tells it with what the task holds in the pool.
func (e *edge) reconcile(ctx context.Context, r *running, told *signaling.Budget, holds signaling.Resources) {
	inPool := nodetime.Of(holds)
	for k := nodetime.GPUMemory; k <= nodetime.Memory; k++ {
		if r.account[k] != inPool[k] && r.scaling.Correct(r.task, k, inPool[k]) { // changed by another broker
			r.account[k] = inPool[k]
		}
	}
	if r.set || told.Resources.IsZero() {
		r.set, r.differs = false, 0
		return
	}
	r.has = nodetime.Of(told.Resources).Add(encoding(told))
	for _, k := range []nodetime.Kind{nodetime.EncoderThreads, nodetime.EncoderPixels} { // the edge's own word counts
		if r.account[k] != r.has[k] && r.scaling.Correct(r.task, k, r.has[k]) {
			r.account[k] = r.has[k]
		}
	}
	to := r.has
	for _, k := range accounted {
		// What an order is at work on is put right by the order.
		if r.scaling.Correct(r.task, k, r.account[k]) {
			to[k] = r.account[k]
		}
	}
	if to == r.has {
		r.differs = 0
		return
	}
	if r.differs++; r.differs < seldom {
		return
	}
	r.differs = 0
	e.correct(ctx, r, to)
}

// correct gives an edge the budget that the account says. Of an edge that refuses, the account follows to what it has, where
// that is less.
func (e *edge) correct(ctx context.Context, r *running, to nodetime.Amounts) {
	has := r.has
	err := e.tell(ctx, r, to)
	e.Log.Info("a budget was not what its task holds", "task", r.task, "node", e.node, "edge", has.String(), "holds", to.String(), "error", err)
	var p *signaling.Problem
	if !errors.As(err, &p) {
		return
	}
	for _, k := range accounted {
		if has[k] >= to[k] || has[k] < max(1, r.floor[k]) {
			continue
		}
		if err := e.Resize(ctx, r.task, e.node, k, has[k]); err != nil {
			e.Log.Debug("an account could not follow its budget", "task", r.task, "node", e.node, "kind", k.String(), "error", err)
			continue
		}
		r.scaling.Correct(r.task, k, has[k])
	}
}
