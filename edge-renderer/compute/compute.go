// Package compute runs one compute task of its own (A15): it takes a terminal's input data, or opens the series that the
// task names, has it computed as tasks of its type are handled, and returns the result. Its connection to the terminal
// carries data alone.
//
// The way of a task: the terminal connects -> its data comes, unless the task works on a series -> the handling is looked
// up and the operation runs (package task) -> the result goes over "bulk" -> the terminal says "finish", or leaves. The loop
// owns all of it; whoever else has something to say sends it an event.
package compute

import (
	"context"
	"log/slog"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// Volumes opens series and keeps them; cache.Cache does.
type Volumes interface {
	Open(context.Context, cache.Request, cache.Watch) (*cache.Series, error)
	// Reserve makes room for the data that a terminal sends.
	Reserve(ctx context.Context, bytes int64) (release func(), err error)
}

// Config is what a compute task needs of its edge.
type Config struct {
	Instruction signaling.Instruction
	Node        signaling.NodeID
	Transport   *stream.Transport
	Workers     *task.Workers
	Volumes     Volumes
	// Sources finds where the series of a source are read.
	Sources func(signaling.SourceAccess) (cache.Source, error)
	// Changed is told every change of state, in order; the last one is an end.
	Changed func(signaling.Update)
	// Moved, where set, is told how a move of the task to or from this edge went.
	Moved  func(signaling.MoveReport)
	Logger *slog.Logger
}

// Job is a running compute task. Its methods may be called from several goroutines.
type Job struct {
	cfg    Config
	log    *slog.Logger
	start  time.Time
	events chan event
	stop   context.CancelCauseFunc
	done   chan struct{}
	// account is what the task may use, and has used.
	account *account
}

// Start begins a task: it opens its series, where it has one, and waits for the terminal. The task ends by itself or by
// End, and Done then says that everything it held is released.
func Start(cfg Config) *Job {
	ctx, stop := context.WithCancelCause(context.Background())
	j := &Job{
		cfg: cfg, start: time.Now(), stop: stop, events: make(chan event, 64), done: make(chan struct{}),
		account: newAccount(&cfg.Instruction),
		log:     cfg.Logger.With("task", cfg.Instruction.Task, "attempt", cfg.Instruction.Attempt.ID),
	}
	go func() {
		newLoop(j).run(ctx)
		close(j.done)
		j.refuseMoves()
	}()
	return j
}

// End ends the task for a reason that the terminal is told, and returns at once.
func (j *Job) End(reason error) { j.stop(reason) }

// Done is closed when the task holds nothing any more.
func (j *Job) Done() <-chan struct{} { return j.done }

// Hello takes in a terminal's connection whose token has been verified; reply sends it signalling messages.
func (j *Job) Hello(connection string, claims *signaling.TokenClaims, hello signaling.Signal, reply func(signaling.Signal)) {
	j.tell(eventHello{connection, claims, hello, reply})
}

// Signal takes in a later message of a connection.
func (j *Job) Signal(connection string, m signaling.Signal) { j.tell(eventSignal{connection, m}) }

// Gone says that a terminal's signalling connection is closed, which ends no task.
func (j *Job) Gone(connection string) { j.tell(eventGone{connection}) }

func (j *Job) tell(e event) {
	select {
	case j.events <- e:
	case <-j.done:
	}
}

// clock is the time since the task began.
func (j *Job) clock() time.Duration { return time.Since(j.start) }
