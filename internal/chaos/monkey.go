package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// kind is something that a monkey does.
type kind int

const (
	killBroker kind = iota
	killRedis
	cutLinks
	killEdges
	silenceEdge
	stopEdge
	cordonEdge
	revoke
	move
	kinds
)

// act is something that is done at a time after the beginning, and undone a while later.
type act struct {
	at, down time.Duration
	kind     kind
	seed     uint64
}

// plan is what is done in a run: by the seed alone.
func plan(seed uint64, lasts time.Duration) []act {
	rng := rand.New(rand.NewPCG(seed, 1<<40))
	usual := [kinds]struct{ gap, down, most time.Duration }{
		killBroker:  {4 * time.Second, 1500 * time.Millisecond, 4 * time.Second},
		killRedis:   {max(5*time.Second, lasts/6), 500 * time.Millisecond, 2 * time.Second},
		cutLinks:    {time.Second, 1500 * time.Millisecond, 8 * time.Second},
		killEdges:   {2 * time.Second, 3 * time.Second, 20 * time.Second},
		silenceEdge: {3 * time.Second, 2 * time.Second, 10 * time.Second},
		stopEdge:    {3 * time.Second, time.Second, 5 * time.Second},
		cordonEdge:  {3 * time.Second, 2 * time.Second, 10 * time.Second},
		revoke:      {300 * time.Millisecond, 0, 0},
		move:        {150 * time.Millisecond, 0, 0},
	}
	var acts []act
	for k, u := range usual {
		for at := u.gap/4 + between(rng, u.gap/2); at < lasts; at += u.gap/2 + between(rng, u.gap) {
			acts = append(acts, act{at: at, down: min(span(rng, u.down, u.most), lasts/2), kind: kind(k), seed: rng.Uint64()})
		}
	}
	slices.SortFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	return acts
}

// span is a random time around mean, at most most.
func span(rng *rand.Rand, mean, most time.Duration) time.Duration {
	return min(time.Duration(rng.ExpFloat64()*float64(mean)), most)
}

// between is a random time from 0 to most.
func between(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Float64() * float64(most))
}

// monkey carries a plan out.
type monkey struct {
	*world
	plan []act

	mu   sync.Mutex
	errs []error
}

func newMonkey(w *world) *monkey { return &monkey{world: w, plan: plan(w.Seed, w.Duration)} }

// run does all of the plan and returns when all of it is undone.
func (m *monkey) run(ctx context.Context) error {
	began := time.Now()
	var acting sync.WaitGroup
	for _, a := range m.plan {
		if !m.wait(ctx, time.Until(began.Add(a.at))) {
			break
		}
		acting.Go(func() { m.act(ctx, a) })
	}
	acting.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.errs) > 0 {
		return m.errs[0]
	}
	return ctx.Err()
}

func (m *monkey) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *monkey) fail(err error) {
	if err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errs = append(m.errs, err)
}

func (m *monkey) act(ctx context.Context, a act) {
	rng := rand.New(rand.NewPCG(a.seed, 0))
	switch a.kind {
	case killBroker:
		m.broker(ctx, rng, a.down)
	case killRedis:
		empty := rng.IntN(2) == 0
		m.log.Info("Redis is killed", "empty", empty, "down", a.down)
		m.count(func(r *Report) {
			r.Kills.Redis++
			if empty {
				r.Kills.RedisEmptied++
			}
		})
		m.fail(m.restartRedis(ctx, a.down, empty))
	case cutLinks:
		for _, e := range m.some(rng) {
			e.way.cut()
			m.count(func(r *Report) { r.Kills.Links++ })
			defer func() { m.fail(e.reach()) }()
		}
		m.wait(ctx, a.down)
	case killEdges:
		for _, e := range m.some(rng) {
			if e.die() {
				m.count(func(r *Report) { r.Kills.Edges++ })
				defer func() { m.fail(e.start()) }()
			}
		}
		m.wait(ctx, a.down)
	case silenceEdge:
		if e := m.edges[rng.IntN(len(m.edges))]; e.fallSilent() {
			m.count(func(r *Report) { r.Kills.Edges++ })
			m.wait(ctx, a.down)
			m.fail(e.start())
		}
	case cordonEdge:
		e := m.edges[rng.IntN(len(m.edges))]
		if m.cordon(ctx, rng, e, true) == nil {
			m.count(func(r *Report) { r.Kills.Cordoned++ })
			m.wait(ctx, a.down)
			m.fail(m.cordon(ctx, rng, e, false))
		}
	case stopEdge:
		if e := m.edges[rng.IntN(len(m.edges))]; e.end() {
			m.count(func(r *Report) { r.Kills.Stopped++ })
			m.wait(ctx, a.down)
			m.fail(e.start())
		}
	case revoke:
		m.revoke(ctx, rng)
	case move:
		m.move(ctx, rng)
	}
}

// some is about one edge in a hundred.
func (m *monkey) some(rng *rand.Rand) []*edge {
	n := 1 + rng.IntN(max(1, len(m.edges)/50))
	picked := make([]*edge, 0, n)
	for _, i := range rng.Perm(len(m.edges))[:min(n, len(m.edges))] {
		picked = append(picked, m.edges[i])
	}
	return picked
}

// broker kills one, unless it is the last.
func (m *monkey) broker(ctx context.Context, rng *rand.Rand, down time.Duration) {
	m.mu.Lock()
	var live []*broker
	for _, b := range m.brokers {
		if b.lives() {
			live = append(live, b)
		}
	}
	if len(live) < 2 {
		m.mu.Unlock()
		return
	}
	b := live[rng.IntN(len(live))]
	crashed := b.kill()
	m.mu.Unlock()
	m.log.Info("a broker is killed", "address", b.addr, "down", down)
	if crashed != "" {
		m.referee.violation("a broker has ended by itself:\n%s", crashed)
	}
	m.count(func(r *Report) { r.Kills.Brokers++ })
	m.wait(ctx, down)
	m.fail(b.start(ctx))
}

// cordon keeps new tasks away from an edge, or lets them come again.
func (m *monkey) cordon(ctx context.Context, rng *rand.Rand, e *edge, on bool) error {
	what := "cordon"
	if !on {
		what = "uncordon"
	}
	return m.asOperator(rng).persist(ctx, func(c *terminal.Client) error {
		ctx, cancel := context.WithTimeout(ctx, tryWithin)
		defer cancel()
		err := c.Do(ctx, http.MethodPost, "/api/v1/nodes/"+string(e.node.ID)+"/"+what, nil, nil, nil)
		var problem *signaling.Problem
		if !on && errors.As(err, &problem) && problem.Code == signaling.ProblemNotFound {
			return nil // Redis has forgotten it
		}
		return err
	})
}

// asOperator is somebody who may do anything.
func (m *monkey) asOperator(rng *rand.Rand) *person {
	return &person{world: m.world, name: operator, token: m.operator, rng: rng}
}

// revoke ends somebody's task as an operator does.
func (m *monkey) revoke(ctx context.Context, rng *rand.Rand) {
	task := m.referee.any()
	if task == "" {
		return
	}
	m.referee.loosen(task)
	asked := time.Now()
	err := m.asOperator(rng).persist(ctx, func(c *terminal.Client) error {
		ctx, cancel := context.WithTimeout(ctx, tryWithin)
		defer cancel()
		return c.Do(ctx, http.MethodDelete, "/api/v1/tasks/"+string(task), nil, nil, nil)
	})
	if err == nil {
		m.referee.over(task, asked, "an operator revoked it", false)
		m.count(func(r *Report) { r.Kills.Revoked++ })
	}
}

// move moves somebody's task as an operator does: to a certain edge, or to the best one. It may be refused.
func (m *monkey) move(ctx context.Context, rng *rand.Rand) {
	task := m.referee.any()
	if task == "" {
		return
	}
	to := map[string]signaling.NodeID{}
	if rng.IntN(2) == 0 {
		to["to"] = m.edges[rng.IntN(len(m.edges))].node.ID
	}
	body, err := json.Marshal(to)
	if err != nil {
		m.fail(err)
		return
	}
	err = m.asOperator(rng).persist(ctx, func(c *terminal.Client) error {
		ctx, cancel := context.WithTimeout(ctx, tryWithin)
		defer cancel()
		return c.Do(ctx, http.MethodPost, "/api/v1/tasks/"+string(task)+"/move", body, nil, nil)
	})
	if err == nil {
		m.count(func(r *Report) { r.MovesAsked++ })
	}
}

// any is a task that has a session now; empty where there is none.
func (r *referee) any() signaling.TaskID {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.claims {
		if c.live && c.arrived && !c.shadow && c.void.IsZero() {
			return c.work.i.Task
		}
	}
	return ""
}

// reach lets an edge that lives have a way again; one that is dead gets it when it lives again.
func (e *edge) reach() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life == nil {
		return nil
	}
	return e.way.join()
}
