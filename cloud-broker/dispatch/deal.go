package dispatch

import (
	"maps"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

// deal is what is free of the nodes as it is dealt out, on paper, to those who wait.
type deal struct {
	nodes *placement.Snapshot
	taken map[signaling.NodeID]signaling.Resources
	whole map[signaling.NodeID]bool // kept free for a task that has waited for long
	// urgent is what was dealt to urgent tasks alone.
	urgent *deal
}

func newDeal(nodes *placement.Snapshot) *deal {
	return &deal{nodes: nodes, taken: map[signaling.NodeID]signaling.Resources{}, whole: map[signaling.NodeID]bool{}}
}

func (d *deal) copy() *deal {
	return &deal{nodes: d.nodes, taken: maps.Clone(d.taken), whole: maps.Clone(d.whole)}
}

func (d *deal) take(node signaling.NodeID, needs signaling.Resources) {
	d.taken[node] = d.taken[node].Add(needs)
}

func (d *deal) keepFree(node signaling.NodeID) {
	if node != "" {
		d.whole[node] = true
	}
}

func (d *deal) kept() []signaling.NodeID {
	out := make([]signaling.NodeID, 0, len(d.whole))
	for id := range d.whole {
		out = append(out, id)
	}
	return out
}

// beyond are the nodes on which nothing is left that needs fit into, once those before have what was dealt to them.
func (d *deal) beyond(needs signaling.Resources) []signaling.NodeID {
	out := d.kept()
	for id, taken := range d.taken {
		if d.whole[id] {
			continue
		}
		if n, known := d.nodes.Get(id); !known || !needs.Fits(n.Free.Sub(taken)) {
			out = append(out, id)
		}
	}
	return out
}

// roomiest is the node that lacks least of what a task needs, among the nearest that could hold it if they were empty;
// empty where there is none. Where nothing more is placed there, it has room for the task in the end.
func (d *Dispatcher) roomiest(j *job, exclude []signaling.NodeID) signaling.NodeID {
	q := d.peek(j, exclude)
	q.Needs = signaling.Resources{}
	near, _ := d.Snapshot.Candidates(q, roomsLookedAt)
	needs := j.request.Needs()
	var best signaling.NodeID
	least := 0.0
	for _, c := range near {
		n, known := d.Snapshot.Get(c.Node)
		if !known || !needs.Fits(n.Capacity) {
			continue
		}
		if l := lack(needs, n.Free); best == "" || l < least {
			best, least = c.Node, l
		}
	}
	return best
}

// lack is how much of what is needed is not free, as the sum of the shares of each kind.
func lack(needs, free signaling.Resources) float64 {
	sum := 0.0
	for _, k := range [][2]int64{
		{needs.GPUMemoryMB, free.GPUMemoryMB}, {needs.GPUMilli, free.GPUMilli}, {needs.EncoderSessions, free.EncoderSessions},
		{needs.CPUMilli, free.CPUMilli}, {needs.MemoryMB, free.MemoryMB},
	} {
		if k[0] > k[1] {
			sum += float64(k[0]-k[1]) / float64(k[0])
		}
	}
	return sum
}
