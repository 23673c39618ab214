package replay

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/cloud-broker/trace"
)

// fragments are four nodes of one GPU, of which half is taken on each, and then a task that needs a whole one.
func fragments(hooks ...simulate.Hook) simulate.Config {
	policy, err := fit.Named("spread")
	if err != nil {
		panic(err)
	}
	c := simulate.Config{Policy: policy, Knowledge: simulate.Perfect, Hooks: hooks, Every: 60}
	for i := range 4 {
		c.Nodes = append(c.Nodes, simulate.Node{Node: trace.Node{Name: fmt.Sprint("n", i), CPUMilli: 64_000, MemoryMiB: 64_000, GPUs: 1}})
		c.Tasks = append(c.Tasks, trace.Task{Name: fmt.Sprint("half", i), Submitted: float64(i), Duration: 36_000, GPUs: 1, GPUMilli: 500})
	}
	c.Tasks = append(c.Tasks, trace.Task{Name: "whole", Submitted: 100, Duration: 3600, GPUs: 1, GPUMilli: 1000})
	return c
}

// A task that waits though the sum of what is free exceeds its request gets its place when others have moved together (B7, B8).
func TestB7DefragmentationMakesRoomInASimulation(t *testing.T) {
	without, err := simulate.Run(context.Background(), fragments())
	if err != nil {
		t.Fatal(err)
	}
	config := defrag.Default()
	config.Preset = nodetime.Amounts{} // only for what waits
	hook, err := NewDefrag(config, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	with, err := simulate.Run(context.Background(), fragments(hook))
	if err != nil {
		t.Fatal(err)
	}
	if without.Moves != 0 || math.Abs(without.MeanWait-(36_000-100)/5) > 10 {
		t.Errorf("without: %+v", without)
	}
	if with.Moves != 2 || with.MeanWait > 1000/5 || with.Ended != 5 || with.Lost != 0 {
		t.Errorf("with: %+v; %v", with, hook.Ended())
	}
	again, _ := NewDefrag(config, 10*time.Second)
	if same, err := simulate.Run(context.Background(), fragments(again)); err != nil || same.MeanWait != with.MeanWait || same.Moves != with.Moves {
		t.Errorf("another run has %+v, %v", same, err)
	}
}

// A move that does not fit the GPUs one by one is given up, and the task goes on where it is.
func TestB8MoveThatDoesNotFitInASimulation(t *testing.T) {
	config := defrag.Default()
	config.Migration.Wait, config.Migration.GiveUp = time.Minute, 2*time.Minute
	hook, err := NewDefrag(config, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := fragments(hook)
	if c.Policy, err = fit.Named("first-fit"); err != nil {
		t.Fatal(err)
	}
	c.Nodes, c.Tasks = c.Nodes[:2], nil
	for i := range c.Nodes {
		c.Nodes[i].GPUs = 2
	}
	// The first two take 600 of each GPU of one node: 800 are free there, but no GPU has 500. The third is on the other one.
	for i, milli := range []int64{600, 600, 500} {
		c.Tasks = append(c.Tasks, trace.Task{Name: fmt.Sprint(i), Submitted: float64(i), Duration: 3600, GPUs: 1, GPUMilli: milli})
	}
	got, err := simulate.Run(context.Background(), c)
	if err != nil || got.Ended != 3 || got.Moves != 0 || hook.Ended()["stays"] != 1 {
		t.Errorf("%+v, %v; %v", got, err, hook.Ended())
	}
	if _, err := NewDefrag(config, -1); err == nil {
		t.Error("a negative pause is taken")
	}
}
