package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// A task's hash has these fields, all but the first three only when they are known:
//
//	state     signaling.TaskState
//	req       asked as JSON, without parameters larger than bigParameters
//	created   ms
//	at        "attempt node fencing gpu": its present attempt, or its last
//	standby   the same of an attempt that is kept ready to take over
//	fence     a newer token given for it: attempts with older ones are overruled
//	dropped   the token of a standby that was released: it and older ones do not come back
//	reason    why it ended or waits
//	key       hash of its idempotency key
//	q         "class creator tag", while it waits in the fair queue
//	turn      the tag with which it left the queue
//	big       large parameters, until it ends
//	started, ended   ms
//	mine      hash of its creator, where he has a quota
//	misses    how often a node went away while the task ran there
//	held      what its last attempt held when it was released: five numbers
//	usage     signaling.Usage as JSON

// PutTask records a task that holds nothing: one that waits for a place (placing), which must be put again or awaited
// within Options.PlacingTTL or is swept as expired, or one that ended without a place. Only ID, State,
// Reason, Request, Creator and Forecast are taken; the time is Redis'. key is an idempotency key as in Claim, or empty. It
// returns the id of the task that is recorded, which is another one when the key is known. Errors: ErrKeyReused,
// ErrFull, ErrHeld, ErrEnded.
func (p *Pool) PutTask(ctx context.Context, key string, t signaling.Task) (signaling.TaskID, error) {
	return p.put(ctx, key, t, "", Said{Forecast: t.Forecast})
}

// put is PutTask, and Enqueue where a class of the queue is given.
func (p *Pool) put(ctx context.Context, key string, t signaling.Task, class string, said Said) (signaling.TaskID, error) {
	w, err := prepare(key, t.Creator, t.Request, said)
	if err == nil {
		err = checkName("task", string(t.ID))
	}
	if err == nil && t.State != signaling.TaskPlacing && !t.State.Ended() {
		err = fmt.Errorf("state %.20q: placing, finished, failed or expired", string(t.State))
	}
	if err != nil {
		return "", fmt.Errorf("put task %.70q: %w", string(t.ID), err)
	}
	v, err := p.run(ctx, putScript, w.key, w.digest, string(t.ID), string(t.State), clip(t.Reason, maxReason),
		w.request, w.big, p.o.PlacingTTL.Milliseconds(), p.o.HistoryLimit, p.o.MaxPlacing,
		class, creatorHash(t.Creator), p.o.MaxWaiting).Result()
	if err != nil {
		return "", fmt.Errorf("put task %s: %w", t.ID, err)
	}
	f, err := texts(v)
	if err == nil {
		switch f[0] {
		case "ok":
			return signaling.TaskID(f[1]), nil
		case "reused":
			err = ErrKeyReused
		case "full":
			err = ErrFull
		case "share":
			err = ErrShare
		case "held":
			err = ErrHeld
		case "ended":
			err = ErrEnded
		default:
			err = fmt.Errorf("the script answered %.40q", f)
		}
	}
	return "", fmt.Errorf("put task %s: %w", t.ID, err)
}

// Task returns a task, with its place in the queue where it waits there. ErrNotFound where there is none or it has left
// the history.
func (p *Pool) Task(ctx context.Context, id signaling.TaskID) (signaling.Task, error) {
	tasks, err := p.read(ctx, []string{string(id)})
	if err != nil {
		return signaling.Task{}, fmt.Errorf("read task %.70q: %w", string(id), err)
	}
	if len(tasks) == 0 {
		return signaling.Task{}, fmt.Errorf("task %.70q: %w", string(id), ErrNotFound)
	}
	t := tasks[0]
	if t.State == signaling.TaskPlacing && t.Attempt == nil {
		if q, err := p.stand(ctx, id, 0); err == nil && q.Position > 0 { // else it has got a place since
			t.Queue = &q
		}
	}
	return t, nil
}

// Tasks returns up to limit tasks, live and ended, the newest first. A task is listed from when its edge has
// confirmed, or it waits, or has ended.
func (p *Pool) Tasks(ctx context.Context, limit int) ([]signaling.Task, error) {
	return p.newest(ctx, "tasks", limit)
}

// newest returns the tasks with the highest scores of a sorted set.
func (p *Pool) newest(ctx context.Context, set string, limit int) ([]signaling.Task, error) {
	if limit < 1 {
		return nil, nil
	}
	ids, err := p.rdb.ZRevRange(ctx, p.key(set), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", set, err)
	}
	tasks, err := p.read(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", set, err)
	}
	return tasks, nil
}

// read reads those tasks that are there, in order.
func (p *Pool) read(ctx context.Context, ids []string) (tasks []signaling.Task, err error) {
	err = p.records(ctx, ids, func(id string, f map[string]string) error {
		t, _, err := decodeRecord(id, f)
		if err == nil {
			tasks = append(tasks, t)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, p.holding(ctx, tasks)
}

// records reads the records of those tasks that are there, in order.
func (p *Pool) records(ctx context.Context, ids []string, take func(id string, fields map[string]string) error) error {
	const page = 500 // replies in memory at a time
	for len(ids) > 0 {
		n := min(page, len(ids))
		records := make([]*redis.MapStringStringCmd, n)
		if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range ids[:n] {
				records[i] = pipe.HGetAll(ctx, p.key("task", id))
			}
			return nil
		}); err != nil {
			return err
		}
		for i, id := range ids[:n] {
			f := records[i].Val()
			if len(f) == 0 {
				continue
			}
			if err := take(id, f); err != nil {
				return fmt.Errorf("task %s: %w", id, err)
			}
		}
		ids = ids[n:]
	}
	return nil
}

// decodeRecord reads a task from its record, and what the record keeps of its beginning.
func decodeRecord(id string, f map[string]string) (t signaling.Task, a asked, err error) {
	t = signaling.Task{ID: signaling.TaskID(id), State: signaling.TaskState(f["state"]), Reason: f["reason"],
		CreatedAt: time.UnixMilli(number(f["created"])).UTC(), StartedAt: instant(f["started"]), EndedAt: instant(f["ended"])}
	if err := json.Unmarshal([]byte(f["req"]), &a); err != nil {
		return t, a, fmt.Errorf("request: %w", err)
	}
	t.Request, t.Creator, t.Forecast = a.Request, a.Creator, a.Forecast
	if f["big"] != "" {
		t.Request.Parameters = json.RawMessage(f["big"])
	}
	if f["at"] != "" {
		at, err := decodeAttempt(f["at"])
		if err != nil {
			return t, a, err
		}
		t.Attempt = &at
	}
	if f["standby"] != "" {
		beside, err := decodeAttempt(f["standby"])
		if err != nil {
			return t, a, err
		}
		standby(&t, beside)
	}
	if f["held"] != "" && t.State.Ended() {
		r, err := decodeAmounts(f["held"])
		if err != nil {
			return t, a, err
		}
		t.Resources = &r
	}
	t.Misses = int(number(f["misses"]))
	if f["usage"] != "" {
		t.Usage = new(signaling.Usage)
		if err := json.Unmarshal([]byte(f["usage"]), t.Usage); err != nil {
			return t, a, fmt.Errorf("usage: %w", err)
		}
	}
	return t, a, nil
}

func instant(ms string) *time.Time {
	if ms == "" {
		return nil
	}
	t := time.UnixMilli(number(ms)).UTC()
	return &t
}
