package pool_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// twoGPUs is an edge with a large GPU and a small one.
func twoGPUs(id string) signaling.Node {
	n := edge(id)
	n.GPUs = []signaling.GPU{{MemoryMB: 8192, Milli: 1000}, {MemoryMB: 4096, Milli: 500}}
	n.Capacity = signaling.Resources{GPUMemoryMB: 12288, GPUMilli: 1500, EncoderSessions: 16, CPUMilli: 64_000, MemoryMB: 65536}
	return n
}

// A task uses one GPU: the one that it leaves the least of.
func TestSeveralGPUs(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(twoGPUs("a"), 0)
		want := func(gpus ...signaling.GPU) {
			p.t.Helper()
			if n := p.node("a"); !slices.Equal(n.FreeGPUs, gpus) {
				p.t.Fatalf("free GPUs are %v, want %v", n.FreeGPUs, gpus)
			}
			p.audited()
		}
		var got []int
		var held []signaling.Reservation
		for i := range 6 {
			r := p.claim(claim(name("t", i), "a"))
			got, held = append(got, r.Attempt.GPU), append(held, r)
		}
		if !slices.Equal(got, []int{1, 1, 0, 0, 0, 0}) {
			p.t.Fatalf("six tasks got the GPUs %v", got)
		}
		want(signaling.GPU{MemoryMB: 4096}, signaling.GPU{MemoryMB: 2048})
		_, err := p.Claim(p.ctx, claim("t9", "a"))
		p.wantErr(err, pool.ErrNoneFits)

		// What no GPU has alone does not fit, though both have it together.
		p.must(p.Update(p.ctx, signaling.Update{Task: "t0", Attempt: held[0].Attempt.ID, State: signaling.TaskFinished}))
		p.must(p.Update(p.ctx, signaling.Update{Task: "t5", Attempt: held[5].Attempt.ID, State: signaling.TaskFinished}))
		want(signaling.GPU{MemoryMB: 5120, Milli: 250}, signaling.GPU{MemoryMB: 3072, Milli: 250})
		large := claim("t6", "a")
		large.Needs = signaling.Resources{GPUMemoryMB: 1024, GPUMilli: 500}
		_, err = p.Claim(p.ctx, large)
		p.wantErr(err, pool.ErrNoneFits)
		// Of equal time the GPU is taken of which the least memory is left, unless it has too little.
		large.Needs = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 250}
		if r := p.claim(large); r.Attempt.GPU != 0 {
			p.t.Fatalf("a task for the large GPU got %+v", r.Attempt)
		}
		want(signaling.GPU{MemoryMB: 1024}, signaling.GPU{MemoryMB: 3072, Milli: 250})

		// Work without a GPU goes where no GPU is left.
		small := claim("t7", "a")
		small.Request.Type, small.Needs = signaling.DataComputation, signaling.Resources{CPUMilli: 500}
		p.claim(small)
		want(signaling.GPU{MemoryMB: 1024}, signaling.GPU{MemoryMB: 3072, Milli: 250})

		if task := p.wantTask("t1", signaling.TaskPlacing); task.Attempt.GPU != 1 {
			p.t.Fatalf("task is %+v", task.Attempt)
		}
		again := claim("other", "a")
		again.Key = "k"
		first := p.claim(again)
		if second := p.claim(again); second.Attempt != first.Attempt || second.Attempt.GPU != 1 || second.LeaseMs == 0 {
			p.t.Fatalf("asked again: %+v, before %+v", second, first)
		}
	})
}

// The ledger says which GPU an attempt uses, and the amounts are right also when the node comes back with other GPUs.
func TestGPUsComeBackWithTheLedger(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(twoGPUs("a"), 0)
		r := p.claim(claim("t1", "a"))
		p.must(p.rdb.FlushAll(p.ctx).Err())
		p.register(twoGPUs("a"), r.Attempt.Fencing, entry(r, signaling.TaskRunning))
		if n := p.node("a"); n.FreeGPUs[1] != (signaling.GPU{MemoryMB: 3072, Milli: 250}) || n.FreeGPUs[0] != n.GPUs[0] {
			p.t.Fatalf("free GPUs are %v", n.FreeGPUs)
		}
		if task := p.wantTask("t1", signaling.TaskRunning); *task.Attempt != r.Attempt {
			p.t.Fatalf("attempt is %+v, want %+v", task.Attempt, r.Attempt)
		}
		one := twoGPUs("a")
		one.GPUs, one.Capacity.GPUMemoryMB, one.Capacity.GPUMilli = nil, 8192, 1000
		p.register(one, 0, entry(r, signaling.TaskRunning)) // the small GPU was taken out
		p.audited()
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		if n := p.node("a"); n.Free != one.Capacity || n.FreeGPUs != nil {
			p.t.Fatalf("node is %+v", n.Node)
		}
		p.audited()
	})
}

// Brokers follow what is free of each GPU.
func TestGPUsInTheChangeStream(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		changed := make(chan struct{}, 64)
		q := open(p.t, p.rdb, pool.Options{OnChange: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		}})
		snap := placement.NewSnapshot()
		ctx, cancel := context.WithCancel(p.ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = q.Follow(ctx, snap) // it ends without an error
		}()
		defer func() { cancel(); <-done }()
		p.register(twoGPUs("a"), 0)
		free := func(want ...signaling.GPU) {
			p.t.Helper()
			for {
				if n, ok := snap.Get("a"); ok && slices.Equal(n.FreeGPUs, want) {
					return
				}
				select {
				case <-changed:
				case <-time.After(20 * time.Second):
					n, _ := snap.Get("a")
					p.t.Fatalf("the snapshot has %v free, want %v", n.FreeGPUs, want)
				}
			}
		}
		free(twoGPUs("a").GPUs...)
		p.claim(claim("t1", "a"))
		free(signaling.GPU{MemoryMB: 8192, Milli: 1000}, signaling.GPU{MemoryMB: 3072, Milli: 250})
		_, err := p.Release(p.ctx, "t1", "", signaling.TaskFinished, "", nil)
		p.must(err)
		free(twoGPUs("a").GPUs...)
	})
}
