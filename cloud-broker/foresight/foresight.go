package foresight

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// newest is how many ended tasks are learnt from at the start.
	newest = 20_000
	// lookEvery is how often the history is looked at for tasks that have begun or ended, page how many are read at a time.
	lookEvery = 2 * time.Second
	page      = 1000
)

// Config is what a Foresight needs.
type Config struct {
	Pool    *pool.Pool
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Now     func() time.Time // time.Now where nil
}

// Foresight predicts. It is safe for concurrent use. A nil *Foresight knows nothing.
type Foresight struct {
	Config
	l      *learner
	tenth  atomic.Uint64 // bits of the measured error
	at     pool.Cursor   // of Run alone, like listed
	listed map[signaling.TaskID]bool
	synced chan struct{}
}

// New returns a Foresight that knows nothing yet: its Run must run.
func New(c Config) *Foresight {
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &Foresight{Config: c, l: newLearner(), synced: make(chan struct{})}
	f.tenth.Store(math.Float64bits(math.Inf(1)))
	if c.Metrics != nil {
		c.Metrics.MustRegister(newCollector(f))
	}
	return f
}

// Run learns from the history until ctx ends. Where Redis is away, what was learnt stays.
func (f *Foresight) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	started := false
	for {
		var err error
		if !started {
			if err = f.start(ctx); err == nil {
				started = true
				close(f.synced)
			}
		} else {
			err = f.Look(ctx)
		}
		if err != nil && ctx.Err() == nil {
			f.Log.Debug("the history could not be read; what was learnt stays", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Synced is closed when what the history had at the start was learnt.
func (f *Foresight) Synced() <-chan struct{} { return f.synced }

// start learns from the newest of the history.
func (f *Foresight) start(ctx context.Context) error {
	from, err := f.Pool.Latest(ctx, newest)
	if err != nil {
		return err
	}
	ended, at, err := f.ended(ctx, from)
	if err != nil {
		return err
	}
	began, err := f.begun(ctx)
	if err != nil {
		return err
	}
	f.at = at
	before := f.l.count()
	f.replay(ended, began)
	f.Log.Info("run times are predicted from the history", "tasks", f.l.count()-before)
	return nil
}

// Look learns from what has begun and ended since the last time. Run calls it.
func (f *Foresight) Look(ctx context.Context) error {
	began, err := f.begun(ctx)
	if err != nil {
		return err
	}
	ended, at, err := f.ended(ctx, f.at)
	if err != nil {
		return err
	}
	f.at = at
	f.replay(ended, began)
	return nil
}

// begun reads those of the newest tasks that were not listed the last time.
func (f *Foresight) begun(ctx context.Context) ([]pool.HistoryEntry, error) {
	listed := make(map[signaling.TaskID]bool, page)
	began, err := f.Pool.Begun(ctx, page, func(id signaling.TaskID) bool {
		listed[id] = true
		return f.listed[id]
	})
	if err == nil {
		f.listed = listed
	}
	return began, err
}

// ended reads what has ended behind a place.
func (f *Foresight) ended(ctx context.Context, from pool.Cursor) (all []pool.HistoryEntry, at pool.Cursor, err error) {
	for at = from; len(all) < newest; {
		var some []pool.HistoryEntry
		was := at
		if some, at, err = f.Pool.Ended(ctx, was, page); err != nil {
			return nil, from, err
		}
		if len(some) == 0 {
			return all, at, nil
		}
		all = append(all, some...)
	}
	return all, at, nil
}

// replay learns in the order in which tasks began and ended. began may have tasks that have ended, too; those that had ended
// earlier, and were learnt, are left out.
func (f *Foresight) replay(ended, began []pool.HistoryEntry) {
	type event struct {
		at   time.Time
		ends bool
		e    *pool.HistoryEntry
	}
	events := make([]event, 0, 2*len(ended)+len(began))
	for i := range ended {
		e := &ended[i]
		if !e.State.Ended() {
			continue // it came back with its node
		}
		if !f.l.began(e.Task) {
			events = append(events, event{e.CreatedAt, false, e})
		}
		events = append(events, event{e.EndedAt, true, e})
	}
	for i := range began {
		if e := &began[i]; !e.State.Ended() {
			events = append(events, event{e.CreatedAt, false, e})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, v := range events {
		if v.ends {
			f.l.end(v.e)
		} else {
			f.l.begin(v.e)
		}
	}
	if len(ended) > 0 {
		f.tenth.Store(math.Float64bits(f.l.tenth()))
	}
}

// Expect is the run time of a task that somebody asks for, nil where nothing is known. creator is the token's subject, empty where nobody may
// learn from it.
func (f *Foresight) Expect(creator string, r *signaling.TaskRequest, at time.Time) *predict.Prediction {
	if f == nil {
		return nil
	}
	if m := f.made(creator, r, at); m.run.Known {
		return &m.run
	}
	return nil
}

func (f *Foresight) made(creator string, r *signaling.TaskRequest, at time.Time) made {
	e := pool.EntryOf(&signaling.Task{Request: *r, Creator: creator, CreatedAt: at}, false)
	return f.l.of(&e)
}

// Forecast is what is predicted of a task when it is asked for. creator is the token's subject, empty where nobody may learn from
// it. A cold start says that nothing is known.
func (f *Foresight) Forecast(creator string, r signaling.TaskRequest, at time.Time) signaling.Forecast {
	if f == nil {
		return signaling.Forecast{}
	}
	m := f.made(creator, &r, at)
	return m.forecast()
}

func (m *made) forecast() signaling.Forecast {
	out := signaling.Forecast{Known: m.run.Known, Basis: m.run.Basis()}
	if !out.Known {
		return out
	}
	out.ExpectedMs, out.LowMs, out.HighMs = ms(m.run.Value()), ms(m.run.Quantile(0.1)), ms(m.run.Quantile(0.9))
	out.GPUMilli, out.CPUMilli = milli(&m.gpu), milli(&m.cpu)
	return out
}

// ms rounds seconds up to milliseconds, within what is believed of a run.
func ms(seconds float64) int64 {
	return int64(math.Ceil(min(max(seconds, 0), longest.Seconds()) * 1000))
}

// Of is what is expected of a task that the pool knows: while it runs, predicted again given how long it has run. false where
// nothing is known. What was said when it was asked for stays in t.Forecast.
func (f *Foresight) Of(_ context.Context, t signaling.Task) (signaling.Forecast, bool) {
	if f == nil {
		return signaling.Forecast{}, false
	}
	m := f.running(&t)
	out := m.forecast()
	if out.Known && t.StartedAt != nil && !t.State.Ended() {
		ran := f.Now().Sub(*t.StartedAt).Seconds()
		again := m.run.After(ran)
		out.LeftMs = ms(again.Value() - max(ran, 0))
	}
	return out, out.Known
}

// running are the predictions of a task that the pool knows, as they were made when it was asked for where that is remembered.
func (f *Foresight) running(t *signaling.Task) made {
	if m, known := f.l.remembered(t.ID); known {
		return m
	}
	e := pool.EntryOf(t, false)
	return f.l.of(&e)
}

// Left is how long a task that has run for ran will go on; false where nothing is known.
func (f *Foresight) Left(ctx context.Context, task signaling.TaskID, ran time.Duration) (time.Duration, bool) {
	if f == nil {
		return 0, false
	}
	m, known := f.l.remembered(task)
	if !known {
		t, err := f.Pool.Task(ctx, task)
		if err != nil {
			return 0, false
		}
		m = f.running(&t)
	}
	if !m.run.Known {
		return 0, false
	}
	again := m.run.After(ran.Seconds())
	left := again.Value() - max(ran.Seconds(), 0)
	return time.Duration(max(left, 0) * float64(time.Second)), true
}

// Errors are how good predictions were, by type.
func (f *Foresight) Errors() []Score {
	if f == nil {
		return nil
	}
	return f.l.errors()
}

// Error is the measured error of predictions as fit.Scorer has it, infinite where too little is known.
func (f *Foresight) Error() float64 {
	if f == nil {
		return math.Inf(1)
	}
	return math.Float64frombits(f.tenth.Load())
}

// Fragments measures fragments by the tasks that are typical now.
func (f *Foresight) Fragments() *fit.Fragments {
	if f == nil {
		return nil
	}
	return f.l.fragments()
}

// alike is the same for tasks that are predicted alike.
func alike(t *predict.Task) string {
	b := make([]byte, 0, 160)
	for _, part := range [...]string{t.Type, t.Operation, t.Framework, t.Modality, t.Creator, t.Request} {
		b = append(append(b, part...), 0)
	}
	for _, v := range t.Numbers {
		b = append(strconv.AppendFloat(b, v, 'g', -1, 64), 0)
	}
	return string(strconv.AppendInt(b, t.At.Unix()/int64(alikeFor.Seconds()), 10))
}

// alikeFor is for how long the time of day counts as the same.
const alikeFor = 10 * time.Minute
