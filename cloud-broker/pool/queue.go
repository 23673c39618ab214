package pool

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// The queue is fair by creator: start-time fair queuing (Goyal, Vin, Cheng: Start-Time Fair Queueing, SIGCOMM 1996)
// with every task of the same cost. A task gets the start tag max(v, f), where v is the queue's virtual time and f the
// finish tag of the creator's task before it, and the finish tag start + 1. The lowest start tag is next, the older one
// where two are equal. When a task gets its place, v becomes the larger of its start tag and v + 1/n, with n the number
// of creators that wait: so newcomers, too, go behind those who have waited for their turn long.
//
// What follows: the k-th task that a creator has waiting is behind at most about k tasks of each other creator that
// waits, however many those have, so a flood delays only the one who floods. A task that leaves the queue without a
// place gives its turn back when it was the creator's last; one whose node refused it, or was lost, comes back with the tag
// that it had and is next.
//
// Urgent tasks are a queue of their own, fair in the same way, in front of the others. The right to them is given to
// few; ordinary tasks have no bound on how many urgent ones go first.

// The classes of the queue; each is a sorted set of tasks by start tag.
const (
	classOrdinary = "queue"
	classUrgent   = "urgent"
)

// Enqueue records a task that waits for a place in the fair queue, in front with urgent; or has a placing task join the
// queue. It is otherwise as PutTask; State is taken as placing. Errors: those of PutTask, and ErrShare where the creator
// has Options.MaxWaiting there already.
func (p *Pool) Enqueue(ctx context.Context, key string, t signaling.Task, urgent bool) (signaling.TaskID, error) {
	return p.EnqueueSaid(ctx, key, t, urgent, Said{Forecast: t.Forecast})
}

// EnqueueSaid is Enqueue with what the broker knew of the task when it was asked for.
func (p *Pool) EnqueueSaid(ctx context.Context, key string, t signaling.Task, urgent bool, said Said) (signaling.TaskID, error) {
	class := classOrdinary
	if urgent {
		class = classUrgent
	}
	t.State = signaling.TaskPlacing
	return p.put(ctx, key, t, class, said)
}

// Await says that who waits for a task is there, so that it is kept for Options.PlacingTTL longer, and tells where it
// stands. Position is 0 for a task that is being placed right now and is not in the queue. Errors: ErrNotFound,
// ErrEnded, and ErrHeld where it has a place.
func (p *Pool) Await(ctx context.Context, id signaling.TaskID) (signaling.Queue, error) {
	q, err := p.stand(ctx, id, p.o.PlacingTTL)
	if err != nil {
		return q, fmt.Errorf("await task %.70q: %w", string(id), err)
	}
	return q, nil
}

// stand tells where a task stands, and renews it where renew is not 0.
func (p *Pool) stand(ctx context.Context, id signaling.TaskID, renew time.Duration) (signaling.Queue, error) {
	v, err := p.run(ctx, awaitScript, string(id), renew.Milliseconds()).Result()
	if err != nil {
		return signaling.Queue{}, err
	}
	f, err := texts(v)
	if err != nil {
		return signaling.Queue{}, err
	}
	switch f[0] {
	case "unknown":
		return signaling.Queue{}, ErrNotFound
	case "ended":
		return signaling.Queue{}, ErrEnded
	case "held":
		return signaling.Queue{}, ErrHeld
	}
	if len(f) != 5 {
		return signaling.Queue{}, fmt.Errorf("the script answered %.40q", f)
	}
	return signaling.Queue{Position: int(number(f[1])), Length: int(number(f[2])), ExpectedWaitMs: max(number(f[3]), 0), Urgent: f[4] == "1"}, nil
}

// Queued is a task that waits in the queue.
type Queued struct {
	Task    signaling.TaskID
	Creator string // hash of who asked
	Subject string // who asked: the token's subject
	Type    signaling.TaskType
	Needs   signaling.Resources
	Request signaling.TaskRequest
	Urgent  bool
	Since   time.Time // when the task was created
	Misses  int       // how often a node went away under it
	Reason  string    // why it waits, in words
}

// Waiting returns up to limit tasks from the head of the queue, the next one first.
func (p *Pool) Waiting(ctx context.Context, limit int) ([]Queued, error) {
	if limit < 1 {
		return nil, nil
	}
	classes := []string{classUrgent, classOrdinary}
	heads := make([]*redis.StringSliceCmd, len(classes))
	if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, class := range classes {
			heads[i] = pipe.ZRange(ctx, p.key(class), 0, int64(limit)-1)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	urgent := heads[0].Val()
	ids := append(urgent[:len(urgent):len(urgent)], heads[1].Val()...)
	tasks, err := p.read(ctx, ids[:min(limit, len(ids))])
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	front := make(map[signaling.TaskID]bool, len(urgent))
	for _, id := range urgent {
		front[signaling.TaskID(id)] = true
	}
	queued := make([]Queued, 0, len(tasks))
	for _, t := range tasks {
		if t.State != signaling.TaskPlacing || t.Attempt != nil {
			continue // it has got a place since
		}
		queued = append(queued, Queued{Task: t.ID, Creator: creatorHash(t.Creator), Subject: t.Creator, Type: t.Request.Type,
			Needs: t.Request.Needs(), Request: t.Request, Urgent: front[t.ID], Since: t.CreatedAt, Misses: t.Misses, Reason: t.Reason})
	}
	return queued, nil
}

// QueueLength is how many tasks wait in the queue.
func (p *Pool) QueueLength(ctx context.Context) (int, error) {
	var sizes [2]*redis.IntCmd
	if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		sizes[0], sizes[1] = pipe.ZCard(ctx, p.key(classUrgent)), pipe.ZCard(ctx, p.key(classOrdinary))
		return nil
	}); err != nil {
		return 0, fmt.Errorf("read the queue's length: %w", err)
	}
	return int(sizes[0].Val() + sizes[1].Val()), nil
}

// IdleSession is an attempt that has had no input for some time, as its edge says.
type IdleSession struct {
	Task      signaling.TaskID
	Attempt   signaling.Attempt
	Node      signaling.NodeID
	Type      signaling.TaskType
	Creator   string // the token's subject
	Resources signaling.Resources
	Idle      time.Duration // until now
}

// Idle returns up to limit attempts without input for at least least, the longest idle first. Standbys are not among
// them.
func (p *Pool) Idle(ctx context.Context, least time.Duration, limit int) ([]IdleSession, error) {
	if limit < 1 {
		return nil, nil
	}
	v, err := p.run(ctx, idleScript, least.Milliseconds(), limit).Result()
	if err != nil {
		return nil, fmt.Errorf("list idle sessions: %w", err)
	}
	f, err := texts(v)
	if err != nil {
		return nil, fmt.Errorf("list idle sessions: %w", err)
	}
	var idle []IdleSession
	var ids []string
	for ; len(f) >= 3; f = f[3:] {
		// The record: task, node, fencing token, confirmed, GPU, amounts.
		r := strings.SplitN(f[2], " ", 6)
		if len(r) != 6 {
			return nil, fmt.Errorf("list idle sessions: attempt %s is %.70q", f[0], f[2])
		}
		held, err := decodeAmounts(r[5])
		if err != nil {
			return nil, fmt.Errorf("list idle sessions: attempt %s: %w", f[0], err)
		}
		ids = append(ids, r[0])
		idle = append(idle, IdleSession{Task: signaling.TaskID(r[0]), Attempt: attemptOf(f[0], r[1], r[2], r[4]),
			Node: signaling.NodeID(r[1]), Resources: held, Idle: time.Duration(number(f[1])) * time.Millisecond})
	}
	tasks, err := p.read(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("list idle sessions: %w", err)
	}
	byID := make(map[signaling.TaskID]*signaling.Task, len(tasks))
	for i := range tasks {
		byID[tasks[i].ID] = &tasks[i]
	}
	present := idle[:0]
	for _, s := range idle {
		if t := byID[s.Task]; t != nil && t.Attempt != nil && t.Attempt.ID == s.Attempt.ID {
			s.Type, s.Creator = t.Request.Type, t.Creator
			present = append(present, s)
		}
	}
	return present, nil
}
