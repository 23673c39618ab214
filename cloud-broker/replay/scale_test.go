package replay

import (
	"fmt"
	"math"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// full is one node of two GPUs whose tasks have all of it and use what they use of it; one more waits for half a GPU.
func full(used trace.Use, hooks ...simulate.Hook) simulate.Config {
	policy, err := fit.Named("best-fit")
	if err != nil {
		panic(err)
	}
	c := simulate.Config{Policy: policy, Knowledge: simulate.Perfect, Hooks: hooks, Every: 30,
		Nodes: simulate.Nodes([]trace.Node{{Name: "n", CPUMilli: 64_000, MemoryMiB: 64_000, GPUs: 2}})}
	for i := range 4 {
		c.Tasks = append(c.Tasks, trace.Task{Name: fmt.Sprint("half", i), Submitted: float64(i), Duration: 36_000, CPUMilli: 4000, GPUs: 1, GPUMilli: 500, Used: used})
	}
	c.Tasks = append(c.Tasks, trace.Task{Name: "late", Submitted: 100, Duration: 3600, GPUs: 1, GPUMilli: 500, Used: used})
	return c
}

func play(t *testing.T, c simulate.Config) simulate.Result {
	t.Helper()
	r, err := simulate.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Tasks that use little are made smaller, so that another one has room long before the first ends; those that use what they have
// keep it (B5, B6.1).
func TestB5ScalingMakesRoomInASimulation(t *testing.T) {
	hook := func() *Scale {
		h, err := NewScale(scale.Default(), Use{1, 1})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	little, much := trace.Use{Known: true, GPU: 0.2, CPU: 0.2}, trace.Use{Known: true, GPU: 0.8, CPU: 0.8}
	without := play(t, full(little))
	if without.Scaled != 0 || math.Abs(without.MeanWait-(36_000-100)/5) > 10 {
		t.Errorf("without scaling: %+v", without)
	}
	with := play(t, full(little, hook()))
	if with.Scaled == 0 || with.MeanWait > without.MeanWait/2 || with.Ended != 5 || with.Short > 0.01 {
		t.Errorf("with scaling: %+v", with)
	}
	if again := play(t, full(little, hook())); again.Scaled != with.Scaled || again.Short != with.Short || again.MeanWait != with.MeanWait {
		t.Errorf("another run has %+v, not %+v", again, with)
	}
	if kept := play(t, full(much, hook())); kept.Scaled != 0 || kept.MeanWait != without.MeanWait {
		t.Errorf("tasks that use what they have: %+v", kept)
	}
}

// What tasks use where the trace does not tell is as was asked for, and they get back what they come to need (B6.2).
func TestB6TasksOfATraceThatDoesNotTell(t *testing.T) {
	h, err := NewScale(scale.Default(), Use{0.2, 0.9})
	if err != nil {
		t.Fatal(err)
	}
	r := play(t, full(trace.Use{}, h))
	if r.Scaled == 0 || r.Ended != 5 || !(r.Short >= 0 && r.Short < 0.2) {
		t.Errorf("%+v", r)
	}
	for _, u := range []Use{{0, 1}, {0.5, 0.2}, {0.5, 2}, {math.NaN(), 1}} {
		if _, err := NewScale(scale.Default(), u); err == nil {
			t.Errorf("a use of %v is taken", u)
		}
	}
}
