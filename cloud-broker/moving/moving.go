// Package moving moves running tasks to other nodes (B7, B8, B9.2): it has package defrag act on the pool, the edges' links and
// placement.
//
// A move makes before it breaks. Room is reserved on the target, whose edge loads the study and takes the view; the edge that
// the task leaves tells its terminal where to go; the terminal connects there while it goes on here, and when the target says
// that it has arrived the reservation becomes the task's place and the other one is released, in one step in the pool.
// Defragmentation, draining, moves by hand and the loss of a node are the same path. Of a lost node's tasks the place is made
// ready at once, and taken when the terminal asks for it; it is given back when the node returns first, since a session goes on
// without its broker.
//
// Every broker moves what it is asked to; one at a time, by a lease, looks after fragments and after what still runs on
// draining nodes, so that a drain outlives the broker that was asked for it. Two that want to move the same task are told
// apart by the reservation's name. How a handover went may be told to any broker: it is noted in the pool, and the broker
// whose move it is sees it there.
package moving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/board"
	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// Edges are the edges' links.
type Edges interface {
	// Name names this broker, anew at each start.
	Name() string
	// Linked says whether any broker has a link to a node.
	Linked(ctx context.Context, node signaling.NodeID) bool
	// Move has the edge that a task leaves send its terminal to the target. A *signaling.Problem with the code not-found says
	// that no terminal is connected.
	Move(ctx context.Context, node signaling.NodeID, m signaling.Move) error
	Stay(ctx context.Context, node signaling.NodeID, m signaling.Move) error
	Promote(ctx context.Context, node signaling.NodeID, p signaling.Promote) error
	Release(ctx context.Context, node signaling.NodeID, r signaling.Release) error
}

// Placer knows where tasks may run, and instructs edges.
type Placer interface {
	// Targets are nodes that a task could move to, the best first, its own not among them. migrator.ErrFixed where none ever is.
	Targets(ctx context.Context, t signaling.Task, limit int) ([]signaling.NodeID, error)
	// MayGo refuses a target that a task must not have, or with "" a task that can have none. Its errors are *signaling.Problem.
	MayGo(t signaling.Task, to signaling.NodeID) error
	// Hand has the target make a task ready, and confirms the reservation.
	Hand(ctx context.Context, t signaling.Task, r signaling.Reservation, ran *signaling.Ran) error
	// GrantAt is what the terminal gets for the target.
	GrantAt(t signaling.Task, a signaling.Attempt, reasons []string) (signaling.Grant, error)
	// WantShadow gets a task that wants one its shadow again.
	WantShadow(t signaling.Task)
}

// Times knows for how long nodes are there.
type Times interface {
	// Spans are the times of the nodes that are not always there.
	Spans() map[signaling.NodeID]fit.Span
	// Closing are the nodes that close within a time.
	Closing(within time.Duration) []signaling.NodeID
}

// Config is what a Mover needs.
type Config struct {
	Pool    *pool.Pool
	Nodes   *placement.Snapshot
	Edges   Edges
	Place   Placer
	Foresee migrator.Predictor // nil knows nothing
	Times   Times              // nil: all nodes stay
	Defrag  defrag.Config      // defrag.Default() where it is zero
	Closing time.Duration      // how long before a node closes its tasks leave it; 0: they do not
	// Defragment has this broker take part in defragmentation. Without it tasks move for other reasons only.
	Defragment bool
	Look       time.Duration // how often draining nodes are looked at; 5 s where it is 0
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Mover moves tasks.
type Mover struct {
	Config
	defrag   *defrag.Defrag
	commands chan func(now time.Time)
	wake     chan struct{} // links have changed
	done     chan struct{} // Run has ended
	counts   *prometheus.CounterVec
	rounds   *prometheus.CounterVec
	labelled prometheus.Counter

	// What follows is the loop's own.
	places  map[signaling.TaskID]*place
	tasks   map[signaling.TaskID]signaling.Task // as they were read last, of moves
	fixed   map[signaling.TaskID]time.Time      // that could not leave a draining node, since when
	gathers bool                                // the nodes are being read for the monitor
	onDuty  time.Time                           // until when this broker looks after the pool; zero: it does not

	work   sync.WaitGroup // handovers, and what edges are told
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // one for each edge that is being told something

	mu    sync.Mutex
	links map[signaling.NodeID]bool // nodes whose link has ended (false) or begun, not looked at yet
	shown []signaling.Moving        // under way

	board *board.Board[signaling.Moving]
}

const (
	// commandsWaiting bounds what waits for the loop, told how many edges are told something at a time.
	commandsWaiting = 256
	told            = 64
	// look is how often draining nodes are looked at where nothing else is said.
	look = 5 * time.Second
)

// New returns a Mover, which moves while Run runs. It refuses a configuration that cannot be, by name.
func New(c Config) (*Mover, error) {
	if c.Defrag == (defrag.Config{}) {
		c.Defrag = defrag.Default()
	}
	if c.Look == 0 {
		c.Look = look
	}
	if c.Look < time.Millisecond {
		return nil, fmt.Errorf("moving: draining nodes are looked at every %v: at least 1ms", c.Look)
	}
	m := &Mover{
		Config: c, commands: make(chan func(time.Time), commandsWaiting), wake: make(chan struct{}, 1), done: make(chan struct{}),
		places: map[signaling.TaskID]*place{}, tasks: map[signaling.TaskID]signaling.Task{}, fixed: map[signaling.TaskID]time.Time{}, slots: make(chan struct{}, told),
		links: map[signaling.NodeID]bool{},
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tomocast_moves_total", Help: "Moves of running tasks that have ended, by why they began and how they ended.",
		}, []string{"reason", "outcome"}),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tomocast_defragment_rounds_total", Help: "Rounds of defragmentation that have begun, by why: fragments, or a task that is waiting.",
		}, []string{"why"}),
		labelled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tomocast_defragment_labelled_total", Help: "Tasks that rounds of defragmentation have labelled to be moved.",
		}),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.board = board.New(board.Config[signaling.Moving]{Pool: c.Pool, About: "moves", Broker: c.Edges.Name(), Of: entry, UnderWay: m.underWay, Log: c.Log})
	var err error
	m.defrag, err = defrag.New(c.Defrag, defrag.Outside{
		Owner: c.Edges.Name(), Queue: m, Tasks: (*tasks)(m), Chooser: m, Reserver: (*reserver)(m), Mover: (*handing)(m),
		Predictor: (*foresight)(m), Nodes: (*nodes)(m), Report: m.report, Round: m.round,
	})
	if err != nil {
		return nil, fmt.Errorf("moving: %w", err)
	}
	if c.Metrics != nil {
		for _, r := range reasons {
			for _, o := range outcomes {
				m.counts.WithLabelValues(string(r), string(o))
			}
		}
		for _, why := range defrag.Whys {
			m.rounds.WithLabelValues(string(why))
		}
		c.Metrics.MustRegister(m.counts, m.rounds, m.labelled)
	}
	return m, nil
}

// errStopped says that Run has ended.
var errStopped = errors.New("this broker is shutting down")

// do has the loop do something. It waits for its turn, not for the end.
func (m *Mover) do(ctx context.Context, f func(now time.Time)) error {
	select {
	case m.commands <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.done:
		return errStopped
	}
}

// ask has the loop do something and waits for the end.
func (m *Mover) ask(ctx context.Context, f func(now time.Time) error) error {
	answer := make(chan error, 1)
	if err := m.do(ctx, func(now time.Time) { answer <- f(now) }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-m.done:
		return errStopped
	}
}

// Move moves a task, to a node of the operator's choice or, with "", to the best one. It answers as soon as the move is under way,
// or waits; how it ends, Moves shows. Its errors are *signaling.Problem.
func (m *Mover) Move(ctx context.Context, task signaling.TaskID, to signaling.NodeID, why signaling.MoveReason) (signaling.Moving, error) {
	t, err := m.Pool.Task(ctx, task)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return signaling.Moving{}, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such task.",
			Detail: fmt.Sprintf("Task %.70q is not known.", string(task))}
	case err != nil:
		return signaling.Moving{}, unavailable(err)
	case t.State.Ended():
		return signaling.Moving{}, refused("It has ended.")
	case t.Attempt == nil || t.State == signaling.TaskPlacing:
		return signaling.Moving{}, refused("It has no place yet.")
	case t.Moves != nil:
		return signaling.Moving{}, refused(fmt.Sprintf("It is on its way to node %s already.", t.Moves.Node))
	}
	if err := m.Place.MayGo(t, to); err != nil {
		return signaling.Moving{}, err
	}
	err = m.ask(ctx, func(now time.Time) error { return m.defrag.Migrator.Move(m.ctx, task, migrator.Reason(why), to, now) })
	switch {
	case errors.Is(err, errStopped) || ctx.Err() != nil && err != nil:
		return signaling.Moving{}, unavailable(err)
	case err != nil:
		return signaling.Moving{}, refused(err.Error() + ".")
	}
	return m.shownOf(task, signaling.Moving{Task: task, Type: t.Request.Type, Reason: why, From: t.Attempt.Node, To: to, State: stateWaiting, BeganAt: time.Now().UTC()}), nil
}

func refused(why string) error {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task cannot move.", Detail: why}
}

func unavailable(err error) error {
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker cannot move tasks now.",
		Detail: "Try again in a few seconds: " + err.Error() + "."}
}

// Drain moves away what runs on a node. What cannot move now is tried again as long as the node drains.
func (m *Mover) Drain(ctx context.Context, node signaling.NodeID) error {
	return m.ask(ctx, func(now time.Time) error { return m.drain(node, migrator.Drain, now) })
}
