package pool_test

import (
	"math"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// What tasks needed on a node is remembered by type: speed, transfer, GPU use and failures (A10).
func TestA10Experience(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		s := pool.Sample{Node: "a", Type: signaling.Rendering, DataMB: 200, RunMs: 10_000, TransferMs: 4000, GPUMs: 2500}
		p.must(p.Note(p.ctx, s))
		get := func() map[string]placement.Experience {
			p.t.Helper()
			all, err := p.Experience(p.ctx)
			p.must(err)
			m := map[string]placement.Experience{}
			for _, e := range all {
				m[string(e.Node)+" "+string(e.Type)] = e
			}
			return m
		}
		want := placement.Experience{Node: "a", Type: signaling.Rendering, Runs: 1, SpeedMBs: 20, TransferMBs: 50, GPUMilli: 250}
		if got := get()["a rendering"]; got != want {
			p.t.Fatalf("after one task %+v, want %+v", got, want)
		}
		s.RunMs, s.TransferMs, s.GPUMs = 5000, 0, 0 // twice as fast, nothing to transfer, GPU use not measured
		p.must(p.Note(p.ctx, s))
		want.Runs, want.SpeedMBs = 2, 24
		if got := get()["a rendering"]; got != want {
			p.t.Fatalf("after two tasks %+v, want %+v", got, want)
		}
		s.Failed = true
		p.must(p.Note(p.ctx, s))
		p.must(p.Note(p.ctx, pool.Sample{Node: "a", Type: signaling.Training, Failed: true}))
		want.Runs, want.Failures = 3, 1
		all := get()
		if got := all["a rendering"]; got != want || len(all) != 2 || all["a training"].Failures != 1 || all["a training"].SpeedMBs != 0 {
			p.t.Fatalf("after a failure %+v", all)
		}
		for range 200 { // what was long ago counts less
			s.Failed = false
			p.must(p.Note(p.ctx, s))
		}
		if got := get()["a rendering"]; got.Runs >= 64 || got.Failures != 0 || math.Abs(got.SpeedMBs-40) > 0.1 {
			p.t.Fatalf("after many tasks %+v", got)
		}
		p.register(edge("a"), 0)
		p.must(p.Remove(p.ctx, "a"))
		if all := get(); len(all) != 0 {
			p.t.Fatalf("of a removed node there is %+v", all)
		}
		for _, bad := range []pool.Sample{{Node: "a b", Type: signaling.Rendering}, {Node: "a", Type: "cooking"},
			{Node: "a", Type: signaling.Rendering, RunMs: math.NaN()}, {Node: "a", Type: signaling.Rendering, DataMB: -1}} {
			if err := p.Note(p.ctx, bad); err == nil {
				p.t.Errorf("noted %+v", bad)
			}
		}
	})
}

// Round trips that terminals measured are remembered for their zone (A3), and bounded.
func TestA3RememberedPings(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		note := func(zone, node string, ms float64) {
			p.t.Helper()
			p.must(p.NotePings(p.ctx, zone, []signaling.Ping{{Node: signaling.NodeID(node), Ms: ms}}))
		}
		get := func(zone, node string) float64 {
			p.t.Helper()
			all, err := p.Pings(p.ctx)
			p.must(err)
			return all[zone][signaling.NodeID(node)]
		}
		note("ward-1", "a", 10)
		note("ward-2", "a", 40)
		note("ward-1", "a", 14)
		if got := get("ward-1", "a"); got != 11 {
			p.t.Fatalf("after 10 and 14 ms: %g", got)
		}
		if got := get("ward-2", "a"); got != 40 {
			p.t.Fatalf("of another zone: %g", got)
		}
		note("ward-1", "a", 60_000) // one bad measurement, or a false one
		if got := get("ward-1", "a"); got > 15 {
			p.t.Fatalf("after an outlier: %g", got)
		}
		note("ward-1", "a", 0)
		if got := get("ward-1", "a"); got < 10 {
			p.t.Fatalf("after an outlier: %g", got)
		}
		for range 60 {
			note("ward-1", "a", 30)
		}
		if got := get("ward-1", "a"); math.Abs(got-30) > 0.1 {
			p.t.Fatalf("after many of 30 ms: %g", got)
		}
		for i := range 80 {
			note("ward-1", name("n", i), 5)
		}
		for i := range 300 {
			note(name("zone-", i), "a", 5)
		}
		all, err := p.Pings(p.ctx)
		p.must(err)
		if len(all) != 256 || all["zone-299"] == nil {
			p.t.Fatalf("%d zones", len(all))
		}
		note("ward-1", "b", 1)
		for i := range 100 {
			note("ward-1", name("n", i), 5)
		}
		if all, err = p.Pings(p.ctx); err != nil || len(all["ward-1"]) != 64 || all["ward-1"]["n99"] != 5 {
			p.t.Fatalf("%d nodes of a zone, %v", len(all["ward-1"]), err)
		}
		if n := len(p.rdb.Keys(p.ctx, prefix+":pings:*").Val()); n != 256 {
			p.t.Fatalf("%d records of zones", n)
		}
		for _, bad := range []signaling.Ping{{Node: "a b", Ms: 1}, {Node: "a", Ms: -1}, {Node: "a", Ms: math.NaN()}} {
			if err := p.NotePings(p.ctx, "ward-1", []signaling.Ping{bad}); err == nil {
				p.t.Errorf("noted %+v", bad)
			}
		}
		if err := p.NotePings(p.ctx, "no zone", nil); err == nil {
			p.t.Error("noted pings of a bad zone")
		}
		if err := p.NotePings(p.ctx, "ward-1", make([]signaling.Ping, signaling.MaxPings+1)); err == nil {
			p.t.Error("noted too many pings")
		}
	})
}
