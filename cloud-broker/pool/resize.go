package pool

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

var resizeScript = script("common", "resize")

// Resize makes what an attempt holds other amounts while it runs (B5, B6), and what its node, and its GPU of several, have
// free smaller or larger by the difference, in one step. The same amounts again change nothing. ErrNoneFits where not enough
// is free for what grows, and nothing changes; ErrNotFound where the attempt is neither the task's own nor its standby.
func (p *Pool) Resize(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, to signaling.Resources) error {
	err := to.Validate()
	if err == nil {
		err = p.resize(ctx, task, attempt, strings.Fields(string(encodeAmounts(to))))
	}
	if err != nil {
		return fmt.Errorf("resize attempt %.70q of task %.70q: %w", string(attempt), string(task), err)
	}
	return nil
}

// ResizeKind is Resize for one kind of resource; the others stay as they are, whoever changes them meanwhile.
func (p *Pool) ResizeKind(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, k nodetime.Kind, to int64) error {
	err := p.resizeKind(ctx, task, attempt, k, to)
	if err != nil {
		return fmt.Errorf("resize %v of attempt %.70q of task %.70q to %d: %w", k, string(attempt), string(task), to, err)
	}
	return nil
}

func (p *Pool) resizeKind(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, k nodetime.Kind, to int64) error {
	if k < 0 || k > nodetime.Memory {
		return fmt.Errorf("the pool has no account of %v", k)
	}
	var amounts nodetime.Amounts
	amounts[k] = to
	r := amounts.Resources()
	if err := r.Validate(); err != nil {
		return err
	}
	words := []string{"-", "-", "-", "-", "-"}
	words[k] = strconv.FormatInt(to, 10)
	return p.resize(ctx, task, attempt, words)
}

func (p *Pool) resize(ctx context.Context, task signaling.TaskID, attempt signaling.AttemptID, words []string) error {
	err := checkName("task", string(task))
	if err == nil {
		err = checkName("attempt", string(attempt))
	}
	if err != nil {
		return err
	}
	args := []any{string(task), string(attempt)}
	for _, w := range words {
		args = append(args, w)
	}
	switch answer, err := p.run(ctx, resizeScript, args...).Text(); {
	case err != nil:
		return err
	case answer == "none":
		return ErrNoneFits
	case answer == "unknown":
		return ErrNotFound
	}
	return nil
}

// Held returns what attempts hold, those that hold anything, by attempt. LeaseMs is not filled in.
func (p *Pool) Held(ctx context.Context, attempts []signaling.AttemptID) (map[signaling.AttemptID]signaling.Reservation, error) {
	held := make(map[signaling.AttemptID]signaling.Reservation, len(attempts))
	if len(attempts) == 0 {
		return held, nil
	}
	keys := make([]string, len(attempts))
	for i, id := range attempts {
		keys[i] = p.key("attempt", string(id))
	}
	records, err := p.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("read what %d attempts hold: %w", len(attempts), err)
	}
	for i, v := range records {
		record, there := v.(string)
		if !there {
			continue
		}
		r, err := decodeHeld(attempts[i], record)
		if err != nil {
			return nil, fmt.Errorf("read what attempt %s holds: %w", attempts[i], err)
		}
		held[attempts[i]] = r
	}
	return held, nil
}

// decodeHeld reads an attempt's record: task, node, fencing token, confirmed, GPU, amounts.
func decodeHeld(id signaling.AttemptID, record string) (r signaling.Reservation, err error) {
	f := strings.SplitN(record, " ", 6)
	if len(f) != 6 {
		return r, fmt.Errorf("its record is %.70q", record)
	}
	r = signaling.Reservation{Task: signaling.TaskID(f[0]), Attempt: attemptOf(string(id), f[1], f[2], f[4]), Confirmed: f[3] == "1"}
	r.Resources, err = decodeAmounts(f[5])
	return r, err
}

// holding notes with live tasks what they hold now.
func (p *Pool) holding(ctx context.Context, tasks []signaling.Task) error {
	records := make([]*redis.StringCmd, len(tasks))
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, t := range tasks {
			if t.Attempt != nil && !t.State.Ended() {
				records[i] = pipe.Get(ctx, p.key("attempt", string(t.Attempt.ID)))
			}
		}
		return nil
	})
	if err != nil && err != redis.Nil { // those that hold nothing any more
		return err
	}
	for i := range tasks {
		tasks[i].Resources = nil // what one that has ended held is in the history
		if records[i] == nil || records[i].Err() != nil {
			continue
		}
		r, err := decodeHeld(tasks[i].Attempt.ID, records[i].Val())
		if err != nil {
			return fmt.Errorf("task %s: %w", tasks[i].ID, err)
		}
		tasks[i].Resources = &r.Resources
	}
	return nil
}

// Batch returns those of some tasks that are in the pool, in their order.
func (p *Pool) Batch(ctx context.Context, tasks []signaling.TaskID) ([]signaling.Task, error) {
	ids := make([]string, len(tasks))
	for i, id := range tasks {
		ids[i] = string(id)
	}
	out, err := p.read(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %d tasks: %w", len(ids), err)
	}
	return out, nil
}
