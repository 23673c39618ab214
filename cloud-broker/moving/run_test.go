package moving

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// named is an edge's links of which only the name matters.
type named struct{ Edges }

func (named) Name() string { return "b-test" }

// BenchmarkLookAround is what looking after 100,000 nodes costs, half of them in part used, of which the loads are read.
func BenchmarkLookAround(b *testing.B) {
	rdb := redistest.Start(b)
	p, err := pool.Open(b.Context(), rdb, pool.Options{Prefix: "{look}", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	snap := placement.NewSnapshot()
	nodes := make([]signaling.Node, 100_000)
	for i := range nodes {
		n := signaling.Node{ID: signaling.NodeID(fmt.Sprintf("n%06d", i)), State: signaling.NodeReady, Tier: signaling.TierEdge,
			Types:    []signaling.TaskType{signaling.Rendering},
			Capacity: signaling.Resources{GPUMemoryMB: 8192, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 16384}}
		n.Free = n.Capacity
		if i%2 == 0 {
			n.Free.GPUMilli = 500
		}
		nodes[i] = n
	}
	snap.Replace(nodes, nil)
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("defragment=%t", on), func(b *testing.B) {
			c := defrag.Default()
			c.Every = time.Nanosecond
			m, err := New(Config{Pool: p, Nodes: snap, Edges: named{}, Defragment: on, Defrag: c, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				m.lookAround(time.Now())
				if on {
					(<-m.commands)(time.Now()) // the loop's share: what it does between two moves
				}
				m.step(time.Now())
			}
		})
	}
}

// TestWhatCannotBeConfiguredIsRefusedByName.
func TestWhatCannotBeConfiguredIsRefusedByName(t *testing.T) {
	c := defrag.Default()
	c.Migration.GiveUp = c.Migration.Wait
	for want, bad := range map[string]Config{
		"moving: defragmentation: migration: room-give-up (W-g) is 10m0s: it must be longer than room-wait (W-f), 10m0s": {Edges: named{}, Defrag: c},
		"moving: draining nodes are looked at every -1s: at least 1ms":                                                   {Edges: named{}, Look: -time.Second},
	} {
		if _, err := New(bad); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// TestNobodyWaitsForABrokerThatStops.
func TestNobodyWaitsForABrokerThatStops(t *testing.T) {
	m, err := New(Config{Edges: named{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context(), "a"); err == nil {
		t.Error("a stopped broker drains")
	}
	if m.Ready(t.Context(), "t") {
		t.Error("a stopped broker makes places ready")
	}
	m.Changed("t")
	m.LinkEnded("a")
}
