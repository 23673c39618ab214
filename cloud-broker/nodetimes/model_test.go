package nodetimes_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// TestB3TimesStayWithinTheirTotals has operators, tasks and the time do what they like: 0 <= t <= T holds for every node at any
// time, a node is closed where its span is zero, and what its line says is free is what its tasks leave.
func TestB3TimesStayWithinTheirTotals(t *testing.T) {
	onBoth(t, nil, func(w *world) {
		const nodes, steps = 4, 150
		r := rand.New(rand.NewPCG(7, 11))
		id := func() signaling.NodeID { return signaling.NodeID(fmt.Sprintf("edge-%d", r.IntN(nodes))) }
		for i := range nodes {
			w.join(signaling.NodeID(fmt.Sprintf("edge-%d", i)))
		}
		hours := func(most int) time.Duration { return time.Duration(r.IntN(most*60)) * time.Minute }
		schedule := func() *signaling.Schedule {
			s := &signaling.Schedule{}
			if r.IntN(2) == 0 {
				s.HorizonS = 3600 + r.Int64N(7*86400)
				s.PeriodS = r.Int64N(s.HorizonS)
			}
			if r.IntN(2) == 0 {
				from := w.now().Add(hours(20) - 10*time.Hour)
				s.Open = []signaling.TimeSpan{{From: from, To: from.Add(time.Hour + hours(10))}}
			}
			if r.IntN(2) == 0 {
				from := w.now().Add(hours(20) - 10*time.Hour)
				s.Closed = []signaling.TimeSpan{{From: from, To: from.Add(time.Minute + hours(3))}}
			}
			if r.IntN(4) == 0 {
				at := w.now().Add(hours(30))
				s.Expires = &at
			}
			return s
		}
		running := map[signaling.TaskID]signaling.Reservation{}
		for step := range steps {
			switch r.IntN(5) {
			case 0:
				w.must(w.Set(w.ctx, id(), schedule()))
			case 1:
				w.must(w.Set(w.ctx, id(), nil))
			case 2:
				node := id()
				n, _ := w.snapshot.Get(node)
				wants := signaling.Resources{CPUMilli: 1 + r.Int64N(2000), MemoryMB: 1 + r.Int64N(4000)}
				if wants.Fits(n.Free) {
					task := signaling.TaskID(fmt.Sprintf("t-%d", step))
					running[task] = w.begin(task, node, wants, hours(48))
				}
			case 3:
				for task, a := range running {
					_, err := w.pool.Report(w.ctx, a.Attempt.Node, signaling.Update{Task: task, Attempt: a.Attempt.ID, State: signaling.TaskFinished})
					w.must(err)
					w.see(a.Attempt.Node)
					delete(running, task)
					break
				}
			case 4:
				w.pass(hours(5))
			}
			w.refresh()
			for node, s := range w.Spans() {
				if err := s.Check(); err != nil {
					t.Fatalf("step %d: node %s: %v", step, node, err)
				}
				st, own := w.Status(node)
				if closed := s.Total == 0 && s.Free == 0; !own || st.Open == closed {
					t.Fatalf("step %d: node %s: %+v, and the status %+v", step, node, s, st)
				}
			}
			node := id()
			got, err := w.Times.Of(w.ctx, node, w.now().Add(day))
			w.must(err)
			n, err := w.pool.Node(w.ctx, node)
			w.must(err)
			if got.Line[0].Free != n.Free {
				t.Fatalf("step %d: the line begins with %+v free, the pool has %+v", step, got.Line[0].Free, n.Free)
			}
			for kind, left := range got.FreeS {
				if left < 0 || got.TotalS != nil && left > *got.TotalS+1e-6 {
					t.Fatalf("step %d: t of %s is %g s, T %g s", step, kind, left, *got.TotalS)
				}
			}
		}
	})
}

// BenchmarkRefresh is of a pool in which every node has opening hours.
func BenchmarkRefresh(b *testing.B) {
	const nodes = 10_000
	rdb := redistest.Start(b)
	p, err := pool.Open(b.Context(), rdb, pool.Options{Prefix: "{times}", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func(rdb redis.UniversalClient) { _ = rdb.Close() }(rdb)
	hours := signaling.Schedule{Hours: []signaling.OpenHours{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "07:30", To: "19:00"}}}
	all, schedules := make([]signaling.Node, nodes), map[signaling.NodeID]signaling.Schedule{}
	for i := range all {
		all[i] = signaling.Node{ID: signaling.NodeID(fmt.Sprintf("edge-%d", i)), State: signaling.NodeReady, Types: []signaling.TaskType{signaling.Rendering}}
		schedules[all[i].ID] = hours
	}
	snapshot := placement.NewSnapshot()
	snapshot.Replace(all, nil)
	times := nodetimes.New(nodetimes.Config{Pool: p, Nodes: snapshot, Schedules: schedules, Log: slog.New(slog.DiscardHandler)})
	if _, err := times.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := times.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
