package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// holdPrefix leads the fields of a node's record that name what is held there.
const holdPrefix = "a:"

// OnNode returns up to limit tasks that hold something on a node, the first created first. Resources is what a task holds
// there, and its Attempt, Shadow or Moves is the one that is there. A reservation that its task has left behind, and whose
// edge has not said yet that it ended, is not among them. ErrUnknownNode where the pool does not know the node.
func (p *Pool) OnNode(ctx context.Context, node signaling.NodeID, limit int) ([]signaling.Task, error) {
	tasks, err := p.onNode(ctx, node, limit)
	if err != nil {
		return nil, fmt.Errorf("read what runs on node %.70q: %w", string(node), err)
	}
	return tasks, nil
}

func (p *Pool) onNode(ctx context.Context, node signaling.NodeID, limit int) ([]signaling.Task, error) {
	if err := checkName("node", string(node)); err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, nil
	}
	fields, err := p.rdb.HKeys(ctx, p.key("node", string(node))).Result()
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, ErrUnknownNode
	}
	attempts := slices.DeleteFunc(fields, func(f string) bool { return !strings.HasPrefix(f, holdPrefix) })
	records := make([]*redis.StringCmd, len(attempts))
	// An attempt that ends at this moment answers redis.Nil.
	if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, f := range attempts {
			records[i] = pipe.Get(ctx, p.key("attempt", strings.TrimPrefix(f, holdPrefix)))
		}
		return nil
	}); err != nil && err != redis.Nil {
		return nil, err
	}
	held := map[signaling.TaskID]map[signaling.AttemptID]signaling.Resources{}
	ids := make([]string, 0, len(attempts))
	for i, f := range attempts {
		v := strings.SplitN(records[i].Val(), " ", 6) // task, node, fencing token, confirmed, GPU, amounts
		if len(v) != 6 {
			continue
		}
		r, err := decodeAmounts(v[5])
		if err != nil {
			return nil, err
		}
		task := signaling.TaskID(v[0])
		if held[task] == nil {
			held[task] = map[signaling.AttemptID]signaling.Resources{}
			ids = append(ids, v[0])
		}
		held[task][signaling.AttemptID(strings.TrimPrefix(f, holdPrefix))] = r
	}
	read, err := p.read(ctx, ids)
	if err != nil {
		return nil, err
	}
	tasks := make([]signaling.Task, 0, len(read))
	for _, t := range read {
		for _, a := range []*signaling.Attempt{t.Attempt, t.Shadow, t.Moves} {
			if a == nil {
				continue
			}
			if r, there := held[t.ID][a.ID]; there {
				t.Resources = &r
				tasks = append(tasks, t)
				break
			}
		}
	}
	slices.SortFunc(tasks, func(a, b signaling.Task) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return tasks[:min(limit, len(tasks))], nil
}
