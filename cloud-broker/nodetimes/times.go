package nodetimes

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"sync"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// refreshEvery is how old the times are that placement takes; when a window begins or ends they are made anew at once.
	refreshEvery = 2 * time.Second
	// share is the part of the time that making them, and looking through all nodes for machines that go, may each take: of
	// very many nodes they are made less often.
	share = 20
	// heldEvery is how often it is read what a node holds whose time circulates, where its free amounts stay as they are.
	heldEvery = 30 * time.Second
	// heldAtOnce bounds the nodes of which that is read in one refresh.
	heldAtOnce = 256
	// maxTasks bounds the tasks of one node that are looked at.
	maxTasks = 512
	// Hours are laid out from before now, so that the length of a window that has been open for days is known, until after
	// it; they are laid out anew when layoutFor has passed.
	layoutBefore = 8 * 24 * time.Hour
	layoutAfter  = 30 * 24 * time.Hour
	layoutFor    = 24 * time.Hour
	// MaxAhead is how far ahead a time line may reach.
	MaxAhead = 14 * 24 * time.Hour
)

// Forecaster says how long a running task is expected to run.
type Forecaster interface {
	// Of is the forecast of a task as of now; false where nothing is known.
	Of(ctx context.Context, t signaling.Task) (signaling.Forecast, bool)
}

// Config is what Times needs.
type Config struct {
	Pool  *pool.Pool
	Nodes *placement.Snapshot // is told the spans
	// Schedules are those of the configuration. What an operator sets of a node counts in place of its own here.
	Schedules map[signaling.NodeID]signaling.Schedule
	Forecast  Forecaster // nil: nobody knows
	// Changed is called when nodes have opened or closed, or have another schedule. It must not block. May be nil.
	Changed func()
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger
}

// Times follows the nodes' times. It is safe for concurrent use.
type Times struct {
	config Config
	kick   chan struct{} // schedules have changed

	refreshing sync.Mutex // one refresh at a time; guards what follows
	version    string     // of the operators' schedules
	read       bool       // they were read at least once
	operators  map[signaling.NodeID]signaling.Schedule
	expiring   map[signaling.NodeID]time.Time // machines that say when they go
	since      map[signaling.NodeID]time.Time // since when they are known
	scanned    time.Time                      // when to scan again

	mu     sync.RWMutex // guards what follows; the maps are replaced, never changed
	nodes  map[signaling.NodeID]*entry
	spans  map[signaling.NodeID]fit.Span
	closed map[signaling.NodeID]bool
}

// entry is a node with a time of its own. What it holds belongs to the refresh, the rest does not change.
type entry struct {
	schedule signaling.Schedule // as it holds, with the machine's expiry
	plan     nodetime.Plan
	windows  nodetime.Windows
	laid     time.Time // when they were laid out

	node   *nodetime.Node // what the node holds, where its time circulates
	free   signaling.Resources
	readAt time.Time
}

// New returns Times. Its Run must run for it to know anything.
func New(c Config) *Times {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Times{config: c, kick: make(chan struct{}, 1), expiring: map[signaling.NodeID]time.Time{}, since: map[signaling.NodeID]time.Time{},
		nodes: map[signaling.NodeID]*entry{}, spans: map[signaling.NodeID]fit.Span{}}
}

// Run follows the times until ctx ends. Where Redis is away, what was read last stays.
func (t *Times) Run(ctx context.Context) error {
	failing := false
	for {
		next, err := t.Refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			t.config.Log.Warn("the schedules of nodes could not be read; those that are known hold", "error", err)
		}
		failing = err != nil
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-t.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// Spans are the times of the nodes that have one of their own: a schedule, or a machine that goes. All others are
// fit.Always. A node that is closed has the zero Span. The map is not changed any more.
func (t *Times) Spans() map[signaling.NodeID]fit.Span {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.spans
}

// Refresh reads what has changed and makes the spans anew. It returns when to do so again. Run calls it.
func (t *Times) Refresh(ctx context.Context) (time.Duration, error) {
	t.refreshing.Lock()
	defer t.refreshing.Unlock()
	now, start := t.config.Now(), time.Now()
	err := t.readSchedules(ctx)
	t.scan(now)
	nodes := t.entries(now)
	err = errors.Join(err, t.holdAll(ctx, nodes, now))
	spans := make(map[signaling.NodeID]fit.Span, len(nodes))
	closed := map[signaling.NodeID]bool{}
	var sooner time.Duration // until a window begins or ends
	for id, e := range nodes {
		spans[id] = e.span(now, t.since[id])
		if _, open := e.windows.At(now); !open {
			closed[id] = true
		}
		if edge, some := e.edge(now); some {
			if until := max(edge.Sub(now), time.Millisecond); sooner == 0 || until < sooner {
				sooner = until
			}
		}
	}
	t.mu.Lock()
	other := !maps.Equal(closed, t.closed) || len(nodes) != len(t.nodes)
	for id, e := range nodes {
		other = other || t.nodes[id] != e
	}
	t.nodes, t.spans, t.closed = nodes, spans, closed
	t.mu.Unlock()
	t.config.Nodes.SetSpans(spans)
	if other && t.config.Changed != nil {
		t.config.Changed()
	}
	next := max(refreshEvery, share*time.Since(start))
	if sooner > 0 {
		next = min(next, sooner)
	}
	return next, err
}

// readSchedules reads the operators' schedules where they are others than before.
func (t *Times) readSchedules(ctx context.Context) error {
	version, err := t.config.Pool.Scheduled(ctx)
	if err != nil || t.read && version == t.version {
		return err
	}
	all, err := t.config.Pool.Schedules(ctx)
	if err != nil {
		return err
	}
	// What was set behind version is read again next time.
	t.version, t.operators, t.read = version, all, true
	return nil
}

// scan looks for machines that say when they go.
func (t *Times) scan(now time.Time) {
	if now.Before(t.scanned) && !t.scanned.After(now.Add(time.Hour)) { // the latter where the clock was set back
		return
	}
	start := time.Now()
	clear(t.expiring)
	for _, n := range t.config.Nodes.Nodes() {
		if n.Expires != nil {
			t.expiring[n.ID] = *n.Expires
		}
	}
	t.scanned = now.Add(share * time.Since(start))
}

// entries are the nodes that have a time of their own. Those that are as before are taken over.
func (t *Times) entries(now time.Time) map[signaling.NodeID]*entry {
	out := make(map[signaling.NodeID]*entry, len(t.nodes))
	add := func(id signaling.NodeID) {
		s, _, some := t.effective(id)
		if !some || out[id] != nil {
			return
		}
		if t.since[id].IsZero() {
			t.since[id] = now
		}
		old := t.nodes[id] // only Refresh replaces it
		if old != nil && reflect.DeepEqual(old.schedule, s) && now.Sub(old.laid) < layoutFor && !now.Before(old.laid) {
			out[id] = old
			return
		}
		e, err := lay(s, now)
		if err != nil { // of a newer broker: this one knows no better than to leave the node open
			t.config.Log.Warn("the schedule of a node cannot be read by this broker", "node", id, "error", err)
			e = &entry{schedule: s, laid: now}
		}
		out[id] = e
	}
	for id := range t.config.Schedules {
		add(id)
	}
	for id := range t.operators {
		add(id)
	}
	for id := range t.expiring {
		add(id)
	}
	maps.DeleteFunc(t.since, func(id signaling.NodeID, _ time.Time) bool { return out[id] == nil })
	return out
}

// effective is a node's schedule as it holds, and whether an operator has set it; false where it has none and stays.
func (t *Times) effective(id signaling.NodeID) (s signaling.Schedule, operator, some bool) {
	if s, operator = t.operators[id]; operator {
		some = true
	} else {
		s, some = t.config.Schedules[id]
	}
	if e, known := t.expiring[id]; known && (s.Expires == nil || e.Before(*s.Expires)) {
		s.Expires, some = &e, true
	}
	return s, operator, some
}

// lay lays a schedule out.
func lay(s signaling.Schedule, now time.Time) (*entry, error) {
	p, err := nodetime.FromContract(s)
	if err != nil {
		return nil, err
	}
	w, err := p.Windows(now.Add(-layoutBefore), now.Add(layoutAfter))
	if err != nil {
		return nil, err
	}
	return &entry{schedule: s, plan: p, windows: w, laid: now}, nil
}

// edge is when the node opens or closes next.
func (e *entry) edge(now time.Time) (time.Time, bool) {
	if w, open := e.windows.At(now); open {
		return w.Close, !w.Close.IsZero()
	}
	w, some := e.windows.Next(now)
	return w.Open, some
}

// span is T and t of a node that has been known since a time. T of a machine that goes counts from then where nobody says
// when it came.
func (e *entry) span(now, since time.Time) fit.Span {
	w, open := e.windows.At(now)
	if !open {
		return fit.Span{}
	}
	if w.Open.IsZero() && e.plan.Time == 0 {
		w.Open = since
	}
	s := fit.Span{Total: inSeconds(w.Length()), Free: inSeconds(e.windows.Left(now))}
	if e.plan.Time > 0 {
		s.Total, s.Period = min(s.Total, e.plan.Time.Seconds()), e.plan.Period.Seconds()
		s.Free = min(s.Free, s.Total)
		if e.node != nil {
			s.Free = min(s.Free, inSeconds(e.node.AvailableFor(e.node.Total(), now)))
		}
	}
	s.Free = min(s.Free, s.Total)
	return s
}

// inSeconds is a time as package fit has it.
func inSeconds(d time.Duration) float64 {
	if d == nodetime.Forever {
		return math.Inf(1)
	}
	return d.Seconds()
}
