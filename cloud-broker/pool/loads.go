package pool

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// Loads reads what nodes' last heartbeats say of their load. One that the pool does not know, or that has sent none yet, is
// missing in the answer.
func (p *Pool) Loads(ctx context.Context, nodes []signaling.NodeID) (map[signaling.NodeID]signaling.Load, error) {
	const page = 1000 // replies in memory at a time
	loads := make(map[signaling.NodeID]signaling.Load, len(nodes))
	for len(nodes) > 0 {
		some := nodes[:min(page, len(nodes))]
		nodes = nodes[len(some):]
		texts := make([]*redis.StringCmd, len(some))
		if _, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range some {
				texts[i] = pipe.HGet(ctx, p.key("node", string(id)), "load")
			}
			return nil
		}); err != nil && err != redis.Nil {
			return nil, fmt.Errorf("read the load of %d nodes: %w", len(some), err)
		}
		for i, id := range some {
			if l, ok := decodeLoad(texts[i].Val()); ok {
				loads[id] = l
			}
		}
	}
	return loads, nil
}

// decodeLoad reads a load as Heartbeat writes it; false where there is none yet.
func decodeLoad(text string) (l signaling.Load, ok bool) {
	n, _ := fmt.Sscanf(text, "%d %d %d %d", &l.GPUMilli, &l.CPUMilli, &l.MemoryMB, &l.Sessions)
	return l, n == 4
}
