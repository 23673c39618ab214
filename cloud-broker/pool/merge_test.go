package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/pool"
)

// gate holds single commands back while it is closed.
type gate struct {
	closed  atomic.Bool
	arrived chan struct{}
	open    chan struct{}
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" && g.closed.Load() {
			g.arrived <- struct{}{}
			<-g.open
		}
		return next(ctx, cmd)
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Scripts that are called while others are on their way go as one pipeline, each with its own answer; who gives up does not
// keep the others from theirs.
func TestScriptsTravelTogether(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		g := &gate{arrived: make(chan struct{}, 2), open: make(chan struct{})}
		p.rdb.AddHook(g)
		g.closed.Store(true)
		var callers sync.WaitGroup
		var got, none atomic.Int64
		call := func(ctx context.Context, i int) {
			switch _, err := p.Claim(ctx, claim(name("t", i), "a")); {
			case err == nil:
				got.Add(1)
			case errors.Is(err, pool.ErrNoneFits):
				none.Add(1)
			case !errors.Is(err, context.Canceled):
				p.t.Error(err)
			}
		}
		for i := range 2 {
			callers.Go(func() { call(p.ctx, i) })
		}
		<-g.arrived
		<-g.arrived
		// Two are on their way: the others wait, whether they are there still or not.
		gone, leave := context.WithCancel(p.ctx)
		leave()
		for i := range 20 {
			if i%2 == 0 {
				call(gone, 10+i)
			} else {
				callers.Go(func() { call(p.ctx, 10+i) })
			}
		}
		g.closed.Store(false)
		close(g.open)
		callers.Wait()
		if got.Load() != 4 || got.Load()+none.Load() != 12 {
			p.t.Fatalf("%d claims and %d refusals, want 4 of 12", got.Load(), none.Load())
		}
		p.wantFree("a", 4)
		p.audited()

		// The server has forgotten the scripts: each of a pipeline is sent with its text.
		p.must(p.rdb.ScriptFlush(p.ctx).Err())
		for i := range 32 {
			callers.Go(func() { call(p.ctx, 100+i) })
		}
		callers.Wait()
		if none.Load() != 8+32 {
			p.t.Fatalf("%d refusals", none.Load())
		}
	})
}

// Contexts that end in the midst of it leave nothing behind that others would wait for.
func TestScriptsGivenUp(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("a"), 0)
		var callers sync.WaitGroup
		for i := range 200 {
			callers.Go(func() {
				ctx, cancel := context.WithCancel(p.ctx)
				defer cancel()
				if i%3 == 0 {
					callers.Go(cancel)
				}
				_, _ = p.Claim(ctx, claim(name("t", i), "a")) // any answer will do, it only has to come
			})
		}
		callers.Wait()
		p.wantFree("a", 4)
		p.audited()
	})
}
