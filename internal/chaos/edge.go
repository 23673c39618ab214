package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/signaling"
)

// edge is a simulated edge. It lives several times, each time with an agent of its own.
type edge struct {
	world    *world
	node     signaling.Node
	way      *way
	door     *door         // nil where terminals cannot reach it themselves
	teardown time.Duration // how long its sessions take to end

	mu   sync.Mutex
	life *life // nil while it is dead
}

// life is an edge from its start to its end.
type life struct {
	edge  *edge
	agent *agent.Agent
	stop  context.CancelFunc
	dead  chan struct{} // closed by a death without goodbye
	ended chan struct{}
	works sync.WaitGroup

	mu  sync.Mutex
	all map[signaling.AttemptID]*work
}

// start lets the edge live; one that lives goes on.
func (e *edge) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life != nil {
		return nil
	}
	if err := e.way.join(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &life{edge: e, stop: stop, dead: make(chan struct{}), ended: make(chan struct{}), all: map[signaling.AttemptID]*work{}}
	a := agent.New(agent.Config{
		Brokers: []*url.URL{{Scheme: "http", Host: e.way.addr}}, Secret: secret, Node: e.node, Begin: l.begin,
		Load: func() signaling.Load { return signaling.Load{} }, Logger: e.world.log.With("edge", e.node.ID),
	})
	l.agent, e.life = a, l
	e.admit(a)
	e.world.referee.born(e, l)
	go func() { // die and stop wait for it
		defer close(l.ended)
		if err := a.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			e.world.referee.violation("edge %s does not end: %v", e.node.ID, err)
		}
		l.works.Wait()
	}()
	return nil
}

// admit has an agent answer at the edge's door; nil closes it.
func (e *edge) admit(a *agent.Agent) {
	if e.door != nil {
		e.door.open(a)
	}
}

func (l *life) begin(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
	w := begin(l, i, changed)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[i.Attempt.ID] = w
	return w
}

// find is a work of the edge's; nil where it has none of that attempt now.
func (e *edge) find(id signaling.AttemptID) *work {
	e.mu.Lock()
	l := e.life
	e.mu.Unlock()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[id]
}

// die ends the edge as a crash does: its ledger is lost, and its connections are cut. It says whether it lived.
func (e *edge) die() bool { return e.perish(e.way.cut) }

// fallSilent ends the edge as a power failure does: its connections are there for the broker, and nothing comes over them.
// Where it lives again before the broker has noticed, it is a second edge of the same name.
func (e *edge) fallSilent() bool { return e.perish(e.way.silence) }

func (e *edge) perish(how func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.life
	if l == nil {
		return false
	}
	how()
	e.admit(nil)
	e.world.referee.died(e, l)
	close(l.dead)
	l.stop()
	<-l.ended
	e.life = nil
	return true
}

// end stops the edge in order: its sessions are ended and the broker is told.
func (e *edge) end() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.life
	if l == nil {
		return false
	}
	e.world.referee.stopping(l)
	l.stop()
	e.admit(nil)
	<-l.ended
	e.life = nil
	return true
}

// newNode is edge number n: a few different kinds, so that requests compete and not every node does everything.
func newNode(n int) signaling.Node {
	node := signaling.Node{
		ID: signaling.NodeID(fmt.Sprintf("edge-%04d", n)), Tier: signaling.TierEdge, State: signaling.NodeReady, Version: "chaos", Renderer: "none",
		Zone: fmt.Sprintf("zone-%d", n%7), DistanceMs: float64(1 + n%11), Codecs: []string{"VP8"},
		Types:    []signaling.TaskType{signaling.Rendering, signaling.DataComputation},
		Capacity: signaling.Resources{GPUMemoryMB: 2048, GPUMilli: 1000, EncoderSessions: 2, CPUMilli: 2000, MemoryMB: 4096},
	}
	switch {
	case n%10 == 9:
		node.Tier = signaling.TierCloud
	case n%4 == 3: // several GPUs
		node.Capacity = signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 2000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 8192}
		node.GPUs = []signaling.GPU{{MemoryMB: 2048, Milli: 1000}, {MemoryMB: 2048, Milli: 1000}}
	}
	return node
}
