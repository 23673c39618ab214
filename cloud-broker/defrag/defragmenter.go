package defrag

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
	// Rest is until the next round for the same reason after one in which nothing could move. A task that has begun to wait since
	// has its round all the same.
	Rest time.Duration
	// Settle is for how long a task that was moved by hand stays where it is, unless another one waits for room.
	Settle time.Duration
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
		Preset: nodetime.Amounts{nodetime.GPUTime: 499}, Hold: 10 * time.Minute, Rest: time.Hour, Settle: time.Hour, Threshold: nodetime.Amounts{nodetime.GPUTime: 99},
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
	for k, preset := range c.Preset {
		if preset > 0 && c.Threshold[k] > preset {
			return fmt.Errorf("defragmentation: threshold of %v is %d and preset %d: threshold must not be above preset, or nodes that begin a round take no part in it",
				nodetime.Kind(k), c.Threshold[k], preset)
		}
	}
	switch {
	case c.Threshold.IsZero():
		return fmt.Errorf("defragmentation: no threshold: every node with anything free would be a candidate")
	case c.Hold <= 0 || c.Every <= 0:
		return fmt.Errorf("defragmentation: hold (W-e) is %v and every %v: both more than 0", c.Hold, c.Every)
	case c.Rest < 0:
		return fmt.Errorf("defragmentation: rest is %v: it must not be negative", c.Rest)
	case c.Settle < 0:
		return fmt.Errorf("defragmentation: settle is %v: it must not be negative", c.Settle)
	case c.Hold < c.Every:
		return fmt.Errorf("defragmentation: hold (W-e) is %v, shorter than every, %v, after which conditions are looked at again", c.Hold, c.Every)
	case c.Most < 1:
		return fmt.Errorf("defragmentation: most is %d tasks in a round: at least 1", c.Most)
	}
	return nil
}

// Queue knows what waits to be placed.
type Queue interface {
	// Waiting are the requests of tasks that are not scheduled.
	Waiting(ctx context.Context) ([]nodetime.Amounts, error)
}

// Why is the condition for which a round begins.
type Why string

// The conditions.
const (
	Fragments Why = "fragments" // several nodes have more free than the preset
	Waiting   Why = "waiting"   // a task waits although the nodes together have what it needs
)

// Whys are all of them.
var Whys = []Why{Fragments, Waiting}

// Round is a round as it begins, or as it has ended.
type Round struct {
	Why      Why
	Labelled int // tasks
	Ended    bool
	Moved    int           // of them; 0 until it has ended
	Rests    time.Duration // until the next round for the same reason; 0 where something moved
}

// Defragmenter decides when tasks move together, labels them, and picks their targets.
type Defragmenter struct {
	config  Config
	monitor *nodemonitor.Monitor
	mover   *migrator.Migrator
	queue   Queue
	chooser migrator.Chooser

	looked   time.Time
	now      time.Time          // of the step that runs, for the average use
	roomy    time.Time          // the first condition holds since; zero: it does not
	blocked  time.Time          // the second
	unplaced []nodetime.Amounts // the requests for which it holds
	labels   map[signaling.TaskID]label
	why      Why                            // of the round that runs
	moved    int                            // tasks of this round
	rests    map[Why]time.Time              // no round begins before
	vain     []nodetime.Amounts             // the requests for which a round was in vain, while it rests
	wanted   []nodetime.Amounts             // those for which the round that runs was begun
	settled  map[signaling.TaskID]time.Time // when tasks were moved by hand
	starting bool                           // a round is being begun: its labels stay, however many moves have ended
	told     func(Round)
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
	maps.DeleteFunc(d.settled, func(_ signaling.TaskID, at time.Time) bool { return now.Sub(at) >= d.config.Settle })
	d.unplaced = d.blockedOnes(ctx, nodes)
	d.roomy = since(d.roomy, d.severalAbove(nodes), now)
	d.blocked = since(d.blocked, len(d.unplaced) > 0, now)
	if len(d.labels) > 0 { // a round runs
		return
	}
	switch {
	case d.held(d.blocked, now) && (!now.Before(d.rests[Waiting]) || d.another()):
		d.round(ctx, Waiting, nodes, now)
	case d.held(d.roomy, now) && !now.Before(d.rests[Fragments]):
		d.round(ctx, Fragments, nodes, now)
	default:
		return
	}
	d.roomy, d.blocked = time.Time{}, time.Time{}
}

// another says whether a request waits that did not when a round was in vain.
func (d *Defragmenter) another() bool {
	before := map[nodetime.Amounts]int{}
	for _, request := range d.vain {
		before[request]++
	}
	return slices.ContainsFunc(d.unplaced, func(request nodetime.Amounts) bool {
		before[request]--
		return before[request] < 0
	})
}

// ByHand hears that a task was moved by hand, by whichever broker: it settles, and the conditions must hold anew from then on.
// What was heard before changes nothing.
func (d *Defragmenter) ByHand(task signaling.TaskID, at time.Time) {
	if d.now.Sub(at) >= d.config.Settle || !d.settled[task].Before(at) {
		return
	}
	d.settled[task] = at
	for _, since := range []*time.Time{&d.roomy, &d.blocked} {
		if !since.IsZero() && since.Before(at) {
			*since = at
		}
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

// blockedOnes are the requests for which the second condition holds: at least one task is not scheduled while the sum of the free amounts exceeds its request.
// One that a node could take whole does not wait because of fragments, and where the queue does not answer the condition does
// not hold.
func (d *Defragmenter) blockedOnes(ctx context.Context, nodes []nodemonitor.Node) []nodetime.Amounts {
	waiting, err := d.queue.Waiting(ctx)
	switch {
	case err != nil:
		return nil
	case len(waiting) == 0:
		d.vain = nil // who waits from now on is another one
		return nil
	}
	var sum nodetime.Amounts
	for i := range nodes {
		sum = sum.Add(nodes[i].Free)
	}
	return slices.DeleteFunc(slices.Clone(waiting), func(request nodetime.Amounts) bool {
		return request.IsZero() || !above(sum, request) ||
			slices.ContainsFunc(nodes, func(n nodemonitor.Node) bool { return request.Fits(n.Free) })
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
// where the others go, and are not labelled. Where the other candidates are empty there is no round; one that finds only tasks
// that stay is in vain.
func (d *Defragmenter) round(ctx context.Context, why Why, nodes []nodemonitor.Node, now time.Time) {
	candidates := d.candidates(nodes)
	if len(candidates) < 2 {
		return
	}
	d.labels, d.moved, d.why, d.wanted = map[signaling.TaskID]label{}, 0, why, d.unplaced
	var tasks []signaling.TaskID
	used := false
	for _, n := range candidates[:len(candidates)-1] {
		if len(tasks) == d.config.Most {
			break
		}
		if n.Free == n.Total {
			continue
		}
		there, err := d.monitor.Tasks(ctx, n.ID)
		if err != nil {
			continue // it is not looked after this time
		}
		used = used || len(there) > 0
		if why != Waiting {
			there = slices.DeleteFunc(there, func(t signaling.TaskID) bool { _, stays := d.settled[t]; return stays })
		}
		for _, t := range there[:min(len(there), d.config.Most-len(tasks))] {
			tasks = append(tasks, t)
			d.labels[t] = label{n.ID, true}
		}
	}
	if !used {
		d.labels = nil
		return
	}
	d.told(Round{Why: why, Labelled: len(tasks)})
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
	if r.Reason == migrator.ByHand && r.Outcome == migrator.Moved {
		d.ByHand(r.Task, r.At)
	}
	if l, labelled := d.labels[r.Task]; labelled && l.moves {
		d.labels[r.Task] = label{l.from, false}
		if r.Outcome == migrator.Moved {
			d.moved++
		}
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
	r := Round{Why: d.why, Labelled: len(d.labels), Ended: true, Moved: d.moved}
	d.labels = nil
	if d.moved == 0 {
		r.Rests = d.config.Rest
		d.rests[Fragments] = now.Add(r.Rests)
		if d.why == Waiting {
			d.rests[Waiting], d.vain = now.Add(r.Rests), d.wanted
		}
	}
	d.told(r)
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
