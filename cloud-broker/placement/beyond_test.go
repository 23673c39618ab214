package placement

import (
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// A task that is too large for every node will not fit later either, and says so.
func TestBeyondEveryNode(t *testing.T) {
	small, two := zonedNode("small", "a", 1), zonedNode("two", "b", 1)
	small.Free = signaling.Resources{} // what is free does not matter
	two.GPUs = []signaling.GPU{{MemoryMB: 10_000, Milli: 500}, {MemoryMB: 6384, Milli: 1500}}
	two.Capacity.GPUMemoryMB, two.Capacity.GPUMilli = 16_384, 2000
	lost := zonedNode("lost", "a", 1)
	lost.State, lost.Capacity.GPUMemoryMB = signaling.NodeLost, 1<<20
	s := pool(small, two, lost)
	for _, c := range []struct {
		needs  signaling.Resources
		typ    signaling.TaskType
		within []string
		want   string
	}{
		{signaling.Resources{GPUMemoryMB: 8192, EncoderSessions: 4}, signaling.Rendering, nil, ""},
		{signaling.Resources{GPUMemoryMB: 10_000}, signaling.Rendering, nil, ""},
		{signaling.Resources{GPUMemoryMB: 10_001}, signaling.Rendering, nil, "it takes 10001 MiB of GPU memory, and the largest node has 10000 MiB of GPU memory"},
		{signaling.Resources{GPUMemoryMB: 10_000, GPUMilli: 1000}, signaling.Rendering, nil, "no node has all that it takes"},
		{signaling.Resources{GPUMemoryMB: 10_000}, signaling.Rendering, []string{"a"}, "the largest node has 8192 MiB of GPU memory"},
		{signaling.Resources{GPUMemoryMB: 10_001}, signaling.Training, nil, ""}, // nobody takes these yet
		{signaling.Resources{EncoderSessions: 5}, signaling.Rendering, nil, "it takes 5 video encoders"},
	} {
		got := s.Beyond(Request{Type: c.typ, Needs: c.needs, Within: c.within})
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v %v: %q, want %q", c.needs, c.within, got, c.want)
		}
	}
	if got := NewSnapshot().Beyond(Request{Type: signaling.Rendering, Needs: signaling.Resources{CPUMilli: 1 << 30}}); got != "" {
		t.Errorf("an empty pool: %q", got)
	}
}
