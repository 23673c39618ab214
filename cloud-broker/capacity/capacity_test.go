package capacity

import (
	"math"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// node is one of the nodes of these tests: four sessions.
var node = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 16384}

func times(n int64, r signaling.Resources) signaling.Resources {
	var sum signaling.Resources
	for range n {
		sum = sum.Add(r)
	}
	return sum
}

func TestTheBufferIsAMinimumOrAShare(t *testing.T) {
	session := signaling.DefaultResources(signaling.Rendering)
	of := func(nodes, sessions, waiting int64) Load {
		return Load{Nodes: int(nodes), Capacity: times(nodes, node), Held: times(sessions, session), Waiting: times(waiting, session), Tasks: int(waiting)}
	}
	for _, c := range []struct {
		name               string
		policy             Policy
		load               Load
		busy, buffer, want int
	}{
		{"nothing runs", Policy{2, 0.5}, of(3, 0, 0), 0, 2, 2},
		{"no nodes at all", Policy{2, 0.5}, Load{}, 0, 2, 2},
		{"no nodes, three wait", Policy{1, 0.5}, of(0, 0, 3), 3, 2, 5},
		{"one session", Policy{1, 0.2}, of(3, 1, 0), 1, 1, 2},
		{"a node's worth", Policy{1, 0.2}, of(3, 4, 0), 1, 1, 2},
		{"one more", Policy{1, 0.2}, of(3, 5, 0), 2, 1, 3},
		{"the share is larger", Policy{1, 0.2}, of(10, 40, 0), 10, 2, 12},
		{"the minimum is larger", Policy{5, 0.2}, of(10, 40, 0), 10, 5, 15},
		{"what waits counts", Policy{1, 0.2}, of(10, 40, 40), 20, 4, 24},
		{"no buffer", Policy{}, of(10, 17, 0), 5, 0, 5},
		{"held on nodes that drain", Policy{1, 0}, of(1, 12, 0), 3, 1, 4},
	} {
		p := c.policy.Desired(c.load)
		if p.Busy != c.busy || p.Buffer != c.buffer || p.Desired != c.want {
			t.Errorf("%s: %+v, want %d + %d = %d", c.name, p, c.busy, c.buffer, c.want)
		}
	}
}

func TestTheScarcestResourceDecides(t *testing.T) {
	for name, held := range map[string]signaling.Resources{
		"gpuMemoryMB":     {GPUMemoryMB: 4096 * 3, GPUMilli: 100},
		"gpuMilli":        {GPUMilli: 3000, EncoderSessions: 4},
		"encoderSessions": {EncoderSessions: 12, CPUMilli: 16000},
		"cpuMilli":        {CPUMilli: 24000, MemoryMB: 16384},
		"memoryMB":        {MemoryMB: 16384 * 3, GPUMilli: 2999},
	} {
		if p := Default.Desired(Load{Nodes: 10, Capacity: times(10, node), Held: held}); p.Scarcest != name || p.Equivalents != 3 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// Nodes without a GPU do not become more useful by their number.
	noGPU := signaling.Resources{CPUMilli: 8000, MemoryMB: 16384}
	if p := (Policy{}).Desired(Load{Nodes: 2, Capacity: times(2, noGPU), Waiting: signaling.Resources{GPUMilli: 1 << 31, CPUMilli: 4000}, Tasks: 1}); p.Desired != 1 {
		t.Errorf("%+v", p)
	}
}

func TestOddAmountsGiveSaneNumbers(t *testing.T) {
	huge := signaling.Resources{GPUMemoryMB: math.MaxInt64, GPUMilli: math.MaxInt64}
	for _, l := range []Load{
		{Nodes: -1, Tasks: -1},
		{Nodes: 1, Capacity: node, Held: signaling.Resources{GPUMilli: -5000}},
		{Nodes: 1, Capacity: signaling.Resources{GPUMemoryMB: 1}, Held: huge, Waiting: huge},
		{Nodes: 1, Capacity: signaling.Resources{CPUMilli: -1}},
	} {
		for _, p := range []Policy{{}, Default, {-3, -1}, {1 << 40, 1e300}, {1, math.NaN()}, {1, math.Inf(1)}} {
			if plan := p.Desired(l); plan.Desired < 0 || plan.Desired > maxNodes || plan.Busy < 0 {
				t.Errorf("%+v %+v: %+v", p, l, plan)
			}
		}
	}
}
