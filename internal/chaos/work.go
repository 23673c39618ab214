package chaos

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// Why a work ends by itself.
var (
	errNeverCame = fmt.Errorf("%w: the terminal did not come", ending.ErrExpired)
	errGone      = fmt.Errorf("%w: the terminal was gone", ending.ErrExpired)
	errBye       = fmt.Errorf("%w, at the edge", ending.ErrFinished)
)

// work is an attempt on a simulated edge. It holds its resources from its beginning to its end.
type work struct {
	life    *life
	i       signaling.Instruction
	budget  *budget
	idle    bool
	changed func(signaling.Update)

	hellos   chan greeting
	bye      chan struct{} // its terminal finishes it at the edge
	vanished chan struct{} // its terminal is gone without a word
	ends     chan error
	promoted chan signaling.Promote
	owns     chan struct{} // closed when a standby has become its task's place
	done     chan struct{}

	mu    sync.Mutex
	there bool // its terminal has come, and has not vanished
	moves chan *handover
	move  *handover // under way from here
}

// handover is a move to another edge, as the terminal is told of it.
type handover struct {
	signaling.Move
	over chan struct{} // closed when the task stays after all
}

type greeting struct{ reply func(signaling.Signal) }

var _ agent.Work = (*work)(nil)

// begin holds what an instruction says. An edge that takes a task without a broker would wait for its terminal for longer than
// most runs last.
func begin(l *life, i signaling.Instruction, changed func(signaling.Update)) *work {
	i.WaitMs, i.GraceMs = min(i.WaitMs, arrival.Milliseconds()), min(i.GraceMs, grace.Milliseconds())
	w := &work{life: l, i: i, budget: newBudget(&i), idle: rand.IntN(2) == 0, changed: changed, hellos: make(chan greeting, 4), bye: make(chan struct{}, 1), vanished: make(chan struct{}, 1),
		ends: make(chan error, 1), promoted: make(chan signaling.Promote, 1), owns: make(chan struct{}), done: make(chan struct{}),
		moves: make(chan *handover, 1)}
	l.works.Go(w.run)
	l.edge.world.referee.begun(w)
	return w
}

// run is the work's life. Like a real session it takes a moment to end.
func (w *work) run() {
	defer close(w.done)
	timer := time.NewTimer(ms(w.i.WaitMs))
	defer timer.Stop()
	if w.i.Shadow {
		timer.Stop()
	}
	late, arrived := errNeverCame, time.Time{}
	var reason error
	for reason == nil {
		select {
		case g := <-w.hellos:
			if arrived.IsZero() {
				arrived = time.Now()
				timer.Stop()
				late = errGone
				w.setThere(true)
				w.changed(signaling.Update{Task: w.i.Task, Attempt: w.i.Attempt.ID, State: signaling.TaskRunning})
				w.life.edge.world.referee.arrived(w)
			}
			g.reply(signaling.Signal{Type: signaling.SignalWelcome, Peer: signaling.PeerID(signaling.NewID("p")), Resume: signaling.NewID("s")})
		case <-w.vanished:
			w.setThere(false)
			timer.Reset(ms(w.i.GraceMs))
		case <-w.promoted:
			if arrived.IsZero() {
				timer.Reset(ms(w.i.WaitMs))
			}
		case <-timer.C:
			reason = late
		case <-w.bye:
			reason = errBye
		case reason = <-w.ends:
		}
	}
	w.life.edge.world.referee.ending(w, reason)
	teardown := time.NewTimer(w.life.edge.teardown)
	defer teardown.Stop()
	select {
	case <-teardown.C:
	case <-w.life.dead:
	}
	w.life.edge.world.referee.ended(w)
	state, why := ending.Outcome(reason)
	u := signaling.Update{Task: w.i.Task, Attempt: w.i.Attempt.ID, State: state, Reason: why, Usage: &signaling.Usage{}}
	if !arrived.IsZero() {
		u.Usage.RunMs = time.Since(arrived).Milliseconds()
	}
	w.changed(u)
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (w *work) Done() <-chan struct{} { return w.done }

func (w *work) End(reason error) {
	if reason == nil {
		reason = ending.ErrFinished
	}
	offer(w.ends, reason)
}

func (w *work) Hello(_ string, _ *signaling.TokenClaims, _ signaling.Signal, reply func(signaling.Signal)) {
	select {
	case w.hellos <- greeting{reply}:
	case <-w.done:
		reply(signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The session has ended"}})
	}
}

// Signal takes nothing: a simulated session has no pictures to agree on.
func (w *work) Signal(string, signaling.Signal) {}

// Gone ends nothing, as the contract has it.
func (w *work) Gone(string) {}

// Idle is for how long the terminal has done nothing: of every other one long enough to make room.
func (w *work) Idle() time.Duration {
	if w.idle {
		return 2 * ms(signaling.IdleAfter)
	}
	return 0
}

// Promote makes a shadow the session.
func (w *work) Promote(p signaling.Promote) error {
	w.life.edge.world.referee.promoted(w, p)
	offer(w.promoted, p)
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.owns:
	default:
		close(w.owns)
	}
	return nil
}

func (w *work) setThere(there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there = there
}

// Move tells the terminal where to go, where it is here.
func (w *work) Move(m signaling.Move, told func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.there { // the broker moves the task at once
		w.life.edge.world.referee.loosen(w.i.Task)
		told(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "No terminal is connected"})
		return
	}
	w.leave()
	w.move = &handover{m, make(chan struct{})}
	w.moves <- w.move
	told(nil)
}

// Stay has the terminal remain.
func (w *work) Stay(signaling.Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leave()
}

// leave ends the handover that is under way. The caller has the lock.
func (w *work) leave() {
	if w.move == nil {
		return
	}
	close(w.move.over)
	w.move = nil
	select {
	case <-w.moves: // the terminal has not seen it
	default:
	}
}

// reports tells the broker how a handover went, as this edge knows it.
func (w *work) reports(m *handover, problem *signaling.Problem) {
	w.life.agent.Moved(signaling.MoveReport{Task: m.Task, Attempt: m.Grant.Attempt.ID, Problem: problem})
}

// View takes what a shadow keeps, which is nothing here.
func (w *work) View(signaling.ViewReport) {}

// offer puts v into c unless there is something already.
func offer[T any](c chan T, v T) {
	select {
	case c <- v:
	default:
	}
}
