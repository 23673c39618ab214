package defrag

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/signaling"
)

// Config is when a pool is defragmented.
type Config struct {
	// Preset is what must be free on at least two nodes, of each kind that is set more than it, for the first condition;
	// empty: the condition never holds.
	Preset nodetime.Amounts
	Hold   time.Duration // W-e: how long a condition must hold without a break
	Rest   time.Duration // until the next round after one in which nothing moved
	// Threshold is what a node must have free, of each kind that is set more than it, to be a candidate.
	Threshold nodetime.Amounts
	Window    time.Duration // W2
	Every     time.Duration // how often conditions are looked at
	Most      int           // tasks that are labelled in a round
	Migration migrator.Config
}

// Default is for GPUs that sessions share by quarters: a node with half a GPU free is a fragment.
func Default() Config {
	return Config{
		Preset: nodetime.Amounts{nodetime.GPUTime: 499}, Hold: 10 * time.Minute, Rest: time.Hour, Threshold: nodetime.Amounts{nodetime.GPUTime: 99},
		Window: 30 * time.Minute, Every: 30 * time.Second, Most: 64, Migration: migrator.Default,
	}
}

// Validate refuses what cannot be, by name.
func (c *Config) Validate() error {
	if k, bad := c.Preset.Negative(); bad {
		return fmt.Errorf("defragmentation: preset of %v is %d: it must not be negative", k, c.Preset[k])
	}
	if k, bad := c.Threshold.Negative(); bad {
		return fmt.Errorf("defragmentation: threshold of %v is %d: it must not be negative", k, c.Threshold[k])
	}
	switch {
	case c.Threshold.IsZero():
		return fmt.Errorf("defragmentation: no threshold: every node with anything free would be a candidate")
	case c.Hold <= 0 || c.Every <= 0:
		return fmt.Errorf("defragmentation: W-e is %v, conditions are looked at every %v: both more than 0", c.Hold, c.Every)
	case c.Rest < 0:
		return fmt.Errorf("defragmentation: rest is %v: it must not be negative", c.Rest)
	case c.Hold < c.Every:
		return fmt.Errorf("defragmentation: W-e is %v, shorter than the %v after which conditions are looked at again", c.Hold, c.Every)
	case c.Most < 1:
		return fmt.Errorf("defragmentation: %d tasks in a round: at least 1", c.Most)
	}
	return nil
}

// Queue knows what waits to be placed.
type Queue interface {
	// Waiting are the requests of tasks that are not scheduled.
	Waiting(ctx context.Context) ([]nodetime.Amounts, error)
}

// Defragmenter decides when tasks move together, labels them, and picks their targets.
type Defragmenter struct {
	config  Config
	monitor *nodemonitor.Monitor
	mover   *migrator.Migrator
	queue   Queue
	chooser migrator.Chooser

	looked   time.Time
	now      time.Time // of the step that runs, for the average use
	roomy    time.Time // the first condition holds since; zero: it does not
	blocked  time.Time // the second
	labels   map[signaling.TaskID]label
	moved    bool      // a task of this round has
	rests    time.Time // no round begins before
	starting bool      // a round is being begun: its labels stay, however many moves have ended
}

// label marks a task that is to migrate.
type label struct {
	from  signaling.NodeID
	moves bool // its move has not ended
}

// Next is when conditions are looked at again.
func (d *Defragmenter) Next() time.Time { return d.looked.Add(d.config.Every) }

// Step looks at the conditions, where it is time to, and begins a round when one has held for W-e.
func (d *Defragmenter) Step(ctx context.Context, now time.Time) {
	if now.Before(d.Next()) {
		return
	}
	d.looked, d.now = now, now
	nodes := slices.DeleteFunc(d.monitor.Nodes(now), func(n nodemonitor.Node) bool { return !n.Takes })
	d.roomy = since(d.roomy, d.severalAbove(nodes), now)
	d.blocked = since(d.blocked, d.oneBlocked(ctx, nodes), now)
	if len(d.labels) > 0 || now.Before(d.rests) { // a round runs, or was in vain
		return
	}
	if d.held(d.roomy, now) || d.held(d.blocked, now) {
		d.round(ctx, nodes, now)
		d.roomy, d.blocked = time.Time{}, time.Time{}
	}
}

func since(at time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case at.IsZero():
		return now
	}
	return at
}

func (d *Defragmenter) held(since, now time.Time) bool {
	return !since.IsZero() && now.Sub(since) >= d.config.Hold
}

// above says whether free is more than level of every kind that level sets.
func above(free, level nodetime.Amounts) bool {
	for k, v := range level {
		if v > 0 && free[k] <= v {
			return false
		}
	}
	return true
}

// severalAbove is the first condition: at least two nodes' free amounts are above the preset.
func (d *Defragmenter) severalAbove(nodes []nodemonitor.Node) bool {
	n := 0
	for i := range nodes {
		if above(nodes[i].Free, d.config.Preset) {
			n++
		}
	}
	return n >= 2 && !d.config.Preset.IsZero()
}

// oneBlocked is the second condition: at least one task is not scheduled while the sum of the free amounts exceeds its request.
// One that a node could take whole does not wait because of fragments, and where the queue does not answer the condition does
// not hold.
func (d *Defragmenter) oneBlocked(ctx context.Context, nodes []nodemonitor.Node) bool {
	waiting, err := d.queue.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return false
	}
	var sum nodetime.Amounts
	for i := range nodes {
		sum = sum.Add(nodes[i].Free)
	}
	return slices.ContainsFunc(waiting, func(request nodetime.Amounts) bool {
		return !request.IsZero() && above(sum, request) &&
			!slices.ContainsFunc(nodes, func(n nodemonitor.Node) bool { return request.Fits(n.Free) })
	})
}

// candidates are the nodes whose free amount is above the threshold, the least used first.
func (d *Defragmenter) candidates(nodes []nodemonitor.Node) []nodemonitor.Node {
	out := slices.DeleteFunc(slices.Clone(nodes), func(n nodemonitor.Node) bool { return !n.Takes || !above(n.Free, d.config.Threshold) })
	slices.SortStableFunc(out, byUse)
	return out
}

// byUse orders nodes by their average use over W2.
func byUse(a, b nodemonitor.Node) int {
	return cmp.Or(cmp.Compare(a.Average, b.Average), cmp.Compare(a.ID, b.ID))
}

// round labels the tasks on candidates and has them moved, those of the least used nodes first. Those of the most used one are
// where the others go, and are not labelled.
func (d *Defragmenter) round(ctx context.Context, nodes []nodemonitor.Node, now time.Time) {
	candidates := d.candidates(nodes)
	if len(candidates) < 2 {
		return
	}
	d.labels, d.moved = map[signaling.TaskID]label{}, false
	var tasks []signaling.TaskID
	for _, n := range candidates[:len(candidates)-1] {
		if len(tasks) == d.config.Most {
			break
		}
		there, err := d.monitor.Tasks(ctx, n.ID)
		if err != nil {
			continue // it is not looked after this time
		}
		for _, t := range there[:min(len(there), d.config.Most-len(tasks))] {
			tasks = append(tasks, t)
			d.labels[t] = label{n.ID, true}
		}
	}
	d.starting = true
	for _, t := range tasks {
		if err := d.mover.Move(ctx, t, migrator.Defragment, "", now); err != nil { // it moves for another reason
			d.labels[t] = label{d.labels[t].from, false}
		}
	}
	d.starting = false
	d.clear(now)
}

// report takes the end of a move.
func (d *Defragmenter) report(r migrator.Report) {
	if l, labelled := d.labels[r.Task]; labelled && l.moves {
		d.labels[r.Task] = label{l.from, false}
		d.moved = d.moved || r.Outcome == migrator.Moved
		d.clear(r.At)
	}
}

// clear takes all labels off when every move of the round has ended.
func (d *Defragmenter) clear(now time.Time) {
	if d.starting {
		return
	}
	for _, l := range d.labels {
		if l.moves {
			return
		}
	}
	d.labels = nil
	if !d.moved {
		d.rests = now.Add(d.config.Rest)
	}
}

// Labels are the tasks that are marked to migrate, and the nodes that they are to leave.
func (d *Defragmenter) Labels() map[signaling.TaskID]signaling.NodeID {
	out := make(map[signaling.TaskID]signaling.NodeID, len(d.labels))
	for t, l := range d.labels {
		out[t] = l.from
	}
	return out
}

// Targets picks the targets of a move. Of a labelled task they are the other candidates that were used more than its own node,
// those with room for it before those without, and of each the one with the highest average use over W2 first.
func (d *Defragmenter) Targets(ctx context.Context, t migrator.Task, need [nodetime.Kinds]float64, why migrator.Reason) ([]signaling.NodeID, error) {
	if why != migrator.Defragment {
		return d.chooser.Targets(ctx, t, need, why)
	}
	nodes := d.monitor.Nodes(d.now)
	candidates := d.candidates(nodes)
	slices.Reverse(candidates)
	if own := slices.IndexFunc(nodes, func(n nodemonitor.Node) bool { return n.ID == t.Node }); own >= 0 {
		candidates = slices.DeleteFunc(candidates, func(n nodemonitor.Node) bool { return byUse(n, nodes[own]) <= 0 })
	}
	slices.SortStableFunc(candidates, func(a, b nodemonitor.Node) int { return cmp.Compare(full(t, a), full(t, b)) })
	out := make([]signaling.NodeID, len(candidates))
	for i := range candidates {
		out[i] = candidates[i].ID
	}
	return out, nil
}

// full is 1 for a node that has not what the task holds free, else 0.
func full(t migrator.Task, n nodemonitor.Node) int {
	if t.Has.Fits(n.Free) {
		return 0
	}
	return 1
}
