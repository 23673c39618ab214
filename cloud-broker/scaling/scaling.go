package scaling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/board"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// usualSilence is five heartbeats.
	usualSilence = 15 * time.Second
	// setWithin is how long an edge may take to confirm a budget.
	setWithin = 3 * time.Second
	// poolWithin bounds one question to the pool.
	poolWithin = 3 * time.Second
	// maxRates is of how many attempts one heartbeat is looked at.
	maxRates = 4096
)

// Edges are the links of this broker.
type Edges interface {
	// Name names this broker, anew at each start.
	Name() string
	// SetBudget gives a running attempt another budget, and waits until its edge has confirmed. A *signaling.Problem is a
	// refusal; its code is not-found where the attempt does not run there.
	SetBudget(ctx context.Context, node signaling.NodeID, b signaling.SetBudget) error
}

// Predictor knows how long tasks go on.
type Predictor interface {
	// Left is how long a task that has run for ran will go on; false where nothing is known.
	Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool)
}

// Config is what a Scaler needs.
type Config struct {
	Pool    *pool.Pool
	Nodes   *placement.Snapshot
	Edges   Edges
	Foresee Predictor // nil knows nothing
	// Scale is when tasks of a type are scaled, and by how much. Types that it lacks are scaled by scale.Sessions, where
	// they are sessions, else by scale.Default.
	Scale map[signaling.TaskType]scale.Config
	Off   bool // nothing is scaled
	// Silence is how long an edge's tasks are scaled after its last heartbeat here: its link is gone then, or at another
	// broker. 15 s when 0.
	Silence time.Duration
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Order is an order that waits, or how one ended.
type Order struct {
	Task      signaling.TaskID `json:"task"`
	Node      signaling.NodeID `json:"node"`
	Kind      string           `json:"kind" doc:"resource, as a node's capacity names it, or encoderThreads or encoderKilopixels"`
	Direction string           `json:"direction" enum:"shrink,expand"`
	From      int64            `json:"from"`
	To        int64            `json:"to"`
	State     string           `json:"state" enum:"waiting,done,given-up,failed,void"`
	Why       string           `json:"why,omitempty" doc:"why it waits, or was not carried out"`
	CreatedAt time.Time        `json:"createdAt"`
	DueAt     *time.Time       `json:"dueAt,omitempty" doc:"when it is looked at again"`
	EndedAt   *time.Time       `json:"endedAt,omitempty"`
}

// Scaler scales the tasks of edges.
type Scaler struct {
	Config
	orders *prometheus.CounterVec

	mu      sync.Mutex
	ctx     context.Context // of Run; nil where it does not run
	workers sync.WaitGroup
	edges   map[signaling.NodeID]*edge
	where   map[signaling.TaskID]*edge // tasks that are scaled

	board *board.Board[Order]
}

// New returns a Scaler that scales nothing until Run runs. It refuses a configuration that cannot be, by type of task.
func New(c Config) (*Scaler, error) {
	switch {
	case c.Pool == nil || c.Nodes == nil || c.Edges == nil:
		return nil, errors.New("scaling needs a pool, its nodes and their links")
	case c.Log == nil:
		c.Log = slog.Default()
	}
	c.Silence = cmp.Or(c.Silence, usualSilence)
	for t, s := range c.Scale {
		if !t.Valid() {
			return nil, fmt.Errorf("scaling of %.40q: the type must be one of %v", string(t), signaling.TaskTypes)
		}
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("scaling of %s: %w", t, err)
		}
	}
	s := &Scaler{Config: c, edges: map[signaling.NodeID]*edge{}, where: map[signaling.TaskID]*edge{},
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: service.MetricsNamespace, Name: "scaling_orders_total",
			Help: "Orders to give a running task less or more of a resource, by resource, direction and how they ended.",
		}, []string{"kind", "direction", "outcome"})}
	s.board = board.New(board.Config[Order]{Pool: c.Pool, About: "scaling", Broker: c.Edges.Name(), Of: entry, UnderWay: s.waiting, Log: c.Log})
	if c.Metrics != nil {
		if err := c.Metrics.Register(s.orders); err != nil {
			return nil, fmt.Errorf("register the metric of scaling: %w", err)
		}
	}
	return s, nil
}

// of is the configuration for a type of task.
func (s *Scaler) of(t signaling.TaskType) scale.Config {
	if c, ok := s.Scale[t]; ok {
		return c
	}
	if t == signaling.Rendering {
		return scale.Sessions()
	}
	return scale.Default()
}

// Run scales until ctx ends, and waits for all that it has begun.
func (s *Scaler) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	s.workers.Go(func() { _ = s.board.Run(ctx) }) // it ends with it
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil // no edge begins any more
	s.mu.Unlock()
	s.workers.Wait()
	return nil
}

// Measured takes what the attempts on a node use, from a heartbeat over a link of this broker. It does not block; of several
// heartbeats that come while the one before is worked on the newest counts.
func (s *Scaler) Measured(_ context.Context, node signaling.NodeID, rates map[signaling.AttemptID]signaling.Rates) {
	if s.Off {
		return
	}
	if len(rates) > maxRates {
		s.Log.Warn("too many attempts in a heartbeat: they are not scaled", "node", node, "attempts", len(rates), "most", maxRates)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return
	}
	e := s.edges[node]
	if e == nil {
		if len(rates) == 0 {
			return
		}
		e = newEdge(s, node)
		s.edges[node] = e
		ctx := s.ctx
		s.workers.Go(func() { e.run(ctx) })
	}
	e.mail.beat = &beat{rates, time.Now()}
	e.ring()
}

// Left has a task scaled no longer: it has ended, or gone to another node. Its orders are void.
func (s *Scaler) Left(task signaling.TaskID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.where[task]; e != nil {
		e.mail.left = append(e.mail.left, task)
		e.ring()
		delete(s.where, task)
	}
}

// Orders are those that wait, in the order of their age, and behind them those that ended lately, the last one first: of the
// tasks on all edges, or on those that have their link at this broker where the pool does not answer.
func (s *Scaler) Orders(ctx context.Context) []Order {
	waiting, ended := s.board.All(ctx)
	return append(append(make([]Order, 0, len(waiting)+len(ended)), waiting...), ended...)
}

// waiting are the orders that wait at this broker.
func (s *Scaler) waiting() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var orders []Order
	for _, e := range s.edges {
		orders = append(orders, e.waiting...)
	}
	return orders
}
