package chaos

import (
	"fmt"
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
	changed func(signaling.Update)

	hellos   chan greeting
	bye      chan struct{} // its terminal finishes it at the edge
	vanished chan struct{} // its terminal is gone without a word
	ends     chan error
	promoted chan signaling.Promote
	done     chan struct{}
}

type greeting struct{ reply func(signaling.Signal) }

var _ agent.Work = (*work)(nil)

// begin holds what an instruction says.
func begin(l *life, i signaling.Instruction, changed func(signaling.Update)) *work {
	w := &work{life: l, i: i, changed: changed, hellos: make(chan greeting, 4), bye: make(chan struct{}, 1), vanished: make(chan struct{}, 1),
		ends: make(chan error, 1), promoted: make(chan signaling.Promote, 1), done: make(chan struct{})}
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
				w.changed(signaling.Update{Task: w.i.Task, Attempt: w.i.Attempt.ID, State: signaling.TaskRunning})
				w.life.edge.world.referee.arrived(w)
			}
			g.reply(signaling.Signal{Type: signaling.SignalWelcome, Peer: signaling.PeerID(signaling.NewID("p")), Resume: signaling.NewID("s")})
		case <-w.vanished:
			timer.Reset(ms(w.i.GraceMs))
		case <-w.promoted:
			timer.Reset(ms(w.i.WaitMs))
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

// Promote makes a shadow the session.
func (w *work) Promote(p signaling.Promote) error {
	w.life.edge.world.referee.promoted(w, p)
	offer(w.promoted, p)
	return nil
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
