// Package defrag keeps a pool from falling into fragments (B7, B8, B9.2): where several nodes have room that no task fits into
// whole, it moves the tasks of the least used together.
//
// The components are packages of their own: nodemonitor knows what nodes have free and how much they were used; the
// [Defragmenter] decides and labels tasks, and, as the task scheduler, picks their target; the migrator moves them.
//
//	nodemonitor ──nodes──▶ Defragmenter ──labelled tasks──▶ migrator ──▶ reserver, mover
//	     ▲                     ▲   ▲────── given up ────────────┘ │
//	     │                     └── success ──┐                   │
//	     └───── source and target change ────┴───────────────────┘
//
// A [Defrag] has no clock and no goroutine: its owner calls Step at the times that Next tells, tells it what happens, and hears
// of every move's end. Draining a node, moving by hand and losing a node go the same way, through its Migrator.
package defrag

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/signaling"
)

// Outside is what defragmentation acts on and asks.
type Outside struct {
	Owner     string // names this broker, anew at each start
	Queue     Queue
	Tasks     migrator.Tasks
	Chooser   migrator.Chooser // of moves for other reasons: placement
	Reserver  migrator.Reserver
	Mover     migrator.Mover
	Predictor migrator.Predictor
	Nodes     nodemonitor.Source    // nil: nodes are as the Monitor was told
	Report    func(migrator.Report) // hears how every move ended; nil: nobody
	Round     func(Round)           // hears of every round, as it begins and as it has ended; nil: nobody
}

// Defrag puts the components together. One goroutine owns it.
type Defrag struct {
	Monitor      *nodemonitor.Monitor
	Migrator     *migrator.Migrator
	Defragmenter *Defragmenter
}

// New connects the components.
func New(c Config, o Outside) (*Defrag, error) {
	if o.Round == nil {
		o.Round = func(Round) {}
	}
	d := &Defrag{Defragmenter: &Defragmenter{config: c, queue: o.Queue, chooser: o.Chooser, told: o.Round,
		rests: map[Why]time.Time{}, settled: map[signaling.TaskID]time.Time{}}}
	told := func(r migrator.Report) {
		d.Defragmenter.report(r)
		if o.Report != nil {
			o.Report(r)
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var err, merr error
	d.Monitor, err = nodemonitor.New(c.Window, told)
	d.Migrator, merr = migrator.New(c.Migration, migrator.Outside{Owner: o.Owner, Tasks: o.Tasks, Nodes: d.Monitor, Chooser: d.Defragmenter,
		Reserver: o.Reserver, Mover: o.Mover, Monitor: d.Monitor, Predictor: o.Predictor, Report: told})
	if err := errors.Join(err, merr); err != nil {
		return nil, fmt.Errorf("defragmentation: %w", err)
	}
	d.Monitor.Source = o.Nodes
	d.Defragmenter.monitor, d.Defragmenter.mover = d.Monitor, d.Migrator
	return d, nil
}

// Step does all that is due.
func (d *Defrag) Step(ctx context.Context, now time.Time) {
	d.Migrator.Step(ctx, now)
	d.Defragmenter.Step(ctx, now)
}

// Next is when Step has something to do.
func (d *Defrag) Next() time.Time {
	next := d.Defragmenter.Next()
	if at, some := d.Migrator.Next(); some && at.Before(next) {
		return at
	}
	return next
}
