package scaling_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// player does random things to a world whose sessions are being scaled.
type player struct {
	*world
	r        *rand.Rand
	nodes    []signaling.NodeID
	sessions []*session
	next     int
	// resized says that some task was seen to hold other amounts than it asked for.
	resized bool
}

// session is a task that runs, and where.
type session struct {
	task    signaling.TaskID
	node    signaling.NodeID
	attempt signaling.AttemptID
	standby *signaling.Reservation
}

// Whatever begins, ends, moves and is scaled at the same time, on nodes that are nearly full, over links whose answers are lost
// now and then: what is free and what is held always add up to what a node has, and when it is quiet each edge has the budgets
// that the pool has (B5 to B8).
func TestFreeAmountsAddUp(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				w := newWorld(t, rdb, nil)
				w.must(rdb.FlushAll(w.ctx).Err())
				p := &player{world: w, r: rand.New(rand.NewPCG(seed, 2))}
				for i := range 3 {
					id := signaling.NodeID(fmt.Sprint("e", i))
					w.node(id)
					p.nodes = append(p.nodes, id)
				}
				for range 150 {
					p.step()
					for _, id := range p.nodes {
						w.beat(w.scaler, id)
					}
					w.audited()
				}
				if !p.resized {
					t.Error("nothing was scaled")
				}
				p.quiet()
			})
		}
	})
}

func (p *player) step() {
	switch n := p.r.IntN(20); {
	case n < 5:
		p.claim()
	case n < 7 && len(p.sessions) > 0:
		p.end(p.r.IntN(len(p.sessions)))
	case n < 13 && len(p.sessions) > 0:
		s := p.sessions[p.r.IntN(len(p.sessions))]
		p.wants(s.node, s.attempt, p.appetite())
		p.resized = p.resized || p.holds(s.task) != needs
	case n < 17 && len(p.sessions) > 0:
		p.move(p.sessions[p.r.IntN(len(p.sessions))])
	case n == 17:
		p.mu.Lock()
		p.cut = p.r.IntN(3)
		p.mu.Unlock()
	}
}

// appetite is what a session would use: nothing to speak of, or more than it can have.
func (p *player) appetite() nodetime.Amounts {
	if p.r.IntN(2) == 0 {
		return idle
	}
	return nodetime.Amounts{nodetime.GPUTime: p.r.Int64N(2 * needs.GPUMilli), nodetime.CPU: p.r.Int64N(2 * needs.CPUMilli), nodetime.Memory: p.r.Int64N(needs.MemoryMB)}
}

func (p *player) claim() {
	p.next++
	task := signaling.TaskID(fmt.Sprint("t", p.next))
	r, err := p.Claim(p.ctx, pool.Claim{Task: task, Candidates: p.nodes, Creator: "anna",
		Request: signaling.TaskRequest{Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2.3"}}})
	if errors.Is(err, pool.ErrNoneFits) {
		return
	}
	p.must(err)
	_, err = p.Report(p.ctx, r.Attempt.Node, signaling.Update{Task: task, Attempt: r.Attempt.ID, State: signaling.TaskRunning})
	p.must(err)
	p.here(r.Attempt.Node, r, p.appetite())
	p.sessions = append(p.sessions, &session{task: task, node: r.Attempt.Node, attempt: r.Attempt.ID})
}

func (p *player) end(i int) {
	s := p.sessions[i]
	p.sessions = append(p.sessions[:i:i], p.sessions[i+1:]...)
	if s.standby != nil {
		p.leave(s.standby.Attempt.Node, s.standby.Attempt.ID)
	}
	p.ends(s.task, s.node, s.attempt)
	p.scaler.Left(s.task)
}

// leave has an edge let go of an attempt.
func (p *player) leave(node signaling.NodeID, id signaling.AttemptID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.edges[node].budgets, id)
}

// move reserves a place for a session elsewhere, or has it go there, or gives that up.
func (p *player) move(s *session) {
	if s.standby == nil {
		r, err := p.ClaimShadow(p.ctx, s.task, p.nodes, p.holds(s.task), 0)
		if errors.Is(err, pool.ErrNoneFits) {
			return
		}
		p.must(err)
		p.must(p.Confirm(p.ctx, r.Attempt.ID))
		p.here(r.Attempt.Node, r, p.appetite())
		s.standby = &r
		return
	}
	target := s.standby.Attempt
	s.standby = nil
	if p.r.IntN(3) == 0 {
		p.must(p.DropShadow(p.ctx, s.task, "it stays"))
		p.leave(target.Node, target.ID)
		return
	}
	_, err := p.Promote(p.ctx, s.task)
	p.must(err)
	p.leave(s.node, s.attempt)
	s.node, s.attempt = target.Node, target.ID
}

// quiet has nothing change any more, until every edge has the budgets that the pool has.
func (p *player) quiet() {
	p.mu.Lock()
	p.cut = 0
	p.mu.Unlock()
	p.until("edges and pool agree", func() bool {
		for _, s := range p.sessions {
			h := p.holds(s.task)
			// Each uses what neither shrinks nor expands it.
			p.wants(s.node, s.attempt, nodetime.Amounts{nodetime.GPUTime: h.GPUMilli * 7 / 10, nodetime.CPU: h.CPUMilli * 7 / 10, nodetime.Memory: h.MemoryMB * 7 / 10})
			if p.budget(s.node, s.attempt).Resources != h {
				return false
			}
		}
		return true
	})
	p.audited()
}
