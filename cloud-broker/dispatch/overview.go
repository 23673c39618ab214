package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/signaling"
)

// overviewFor is how long an overview is used again, and overviewShare the part of the time that making them may take:
// each looks at every node. It is asked after the links of at most maxUnlinked nodes that start, within linksWithin.
const (
	overviewFor   = time.Second
	overviewShare = 20
	maxUnlinked   = 256
	linksWithin   = time.Second
)

var nodeStates = []signaling.NodeState{signaling.NodeStarting, signaling.NodeReady, signaling.NodeCordoned, signaling.NodeDraining, signaling.NodeLost}

// glance keeps the last overview.
type glance struct {
	mu   sync.Mutex
	next time.Time // when to look again
	last Overview
}

// Overview is the pool at a glance, as this broker sees it.
func (d *Dispatcher) Overview(context.Context) (Overview, error) { return d.overview(), nil }

func (d *Dispatcher) overview() Overview {
	d.glance.mu.Lock()
	defer d.glance.mu.Unlock()
	if start := time.Now(); !start.Before(d.glance.next) {
		d.glance.last = d.look()
		d.glance.next = start.Add(max(overviewFor, overviewShare*time.Since(start)))
	}
	return d.glance.last
}

func (d *Dispatcher) look() Overview {
	o := Overview{Nodes: make(map[signaling.NodeState]int, len(nodeStates))}
	for _, s := range nodeStates {
		o.Nodes[s] = 0
	}
	load := capacity.Load{}
	ctx, cancel := context.WithTimeout(context.Background(), linksWithin)
	defer cancel()
	asked := 0
	for _, n := range d.Snapshot.Nodes() {
		if n.State == signaling.NodeStarting && asked < maxUnlinked && ctx.Err() == nil { // as operators see it in the list
			asked++
			if !d.Edges.Linked(ctx, n.ID) && ctx.Err() == nil {
				n.State = signaling.NodeLost
			}
		}
		o.Nodes[n.State]++
		if n.Tier == signaling.TierCloud {
			o.Cloud++
		} else {
			o.Edges++
		}
		switch n.State {
		case signaling.NodeReady:
			o.Free = o.Free.Add(n.Free)
			load.Nodes++
			load.Capacity = load.Capacity.Add(n.Capacity)
		case signaling.NodeCordoned, signaling.NodeDraining:
		default:
			continue
		}
		o.Capacity = o.Capacity.Add(n.Capacity)
		load.Held = load.Held.Add(n.Capacity.Sub(n.Free))
	}
	o.Sessions = load.Held.EncoderSessions
	load.Waiting, load.Tasks = d.queue.asks()
	o.Queue = load.Tasks
	o.Plan = d.Buffer.Desired(load)
	o.Desired = o.Plan.Desired
	return o
}

// asks is what those who wait need together, as far as the queue is looked at, and how many they are.
func (q *queue) asks() (signaling.Resources, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var sum signaling.Resources
	for i := range q.list {
		sum = sum.Add(q.list[i].Needs)
	}
	return sum, q.length
}
