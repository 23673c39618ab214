package dispatch

import (
	"context"
	"fmt"
	"slices"

	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/signaling"
)

// Mover moves running tasks to other nodes (B7, B8).
type Mover interface {
	// Drain moves away what runs on a node.
	Drain(ctx context.Context, node signaling.NodeID) error
	// Moved hears from node how a handover went.
	Moved(ctx context.Context, node signaling.NodeID, r signaling.MoveReport)
	// Changed hears that a task or its standby has ended, or that its terminal has gone to the place that was kept ready for it.
	Changed(task signaling.TaskID)
	// LinkEnded and LinkBegan hear of the links of nodes.
	LinkEnded(node signaling.NodeID)
	LinkBegan(node signaling.NodeID)
	// Ready waits until the place is ready that is being made so for a task whose node is gone; false where there is none.
	Ready(ctx context.Context, task signaling.TaskID) bool
}

// Moved passes on how a handover went.
func (d *Dispatcher) Moved(ctx context.Context, node signaling.NodeID, r signaling.MoveReport) {
	if d.Mover != nil {
		d.Mover.Moved(ctx, node, r)
	}
}

// LinkEnded has places made ready for what ran on a node.
func (d *Dispatcher) LinkEnded(node signaling.NodeID) {
	if d.Mover != nil {
		d.Mover.LinkEnded(node)
	}
}

// LinkBegan has those places given back.
func (d *Dispatcher) LinkBegan(node signaling.NodeID) {
	if d.Mover != nil {
		d.Mover.LinkBegan(node)
	}
}

// leaving is what holds for a running task that looks for another place: the place of its terminal, as far as the request
// names it, and the zones that its data must not leave. Where its node is in a site whose data stays, that is its data.
func (d *Dispatcher) leaving(t *signaling.Task) (where, error) {
	if err := t.Request.Validate(); err != nil { // as of a task that only its edge remembered
		return where{}, fmt.Errorf("%w: what it was asked for is not known any more", migrator.ErrFixed)
	}
	w := d.locate(Terminal{Zone: t.Request.Zone}, &t.Request)
	if t.Attempt == nil {
		return w, nil
	}
	at, known := d.Snapshot.Get(t.Attempt.Node)
	if !known && slices.ContainsFunc(d.Sites.Sites, func(s sites.Site) bool { return s.DataStays }) {
		return w, fmt.Errorf("%w: its node is not known any more, and with it which site's data it has", migrator.ErrFixed)
	}
	if w.zone == "" {
		w.zone = at.Zone
	}
	if site := d.Sites.SiteOf(at.Zone); site != nil && site.DataStays && w.within == nil {
		w.within, w.keeper = site.Within(), site.Name
	}
	return w, nil
}

// Targets names up to limit nodes that a running task could move to, by the rules of its request and its site: its shadow's
// first, which has the study loaded. Its own is not among them. migrator.ErrFixed where no node could be one.
func (d *Dispatcher) Targets(ctx context.Context, t signaling.Task, limit int) ([]signaling.NodeID, error) {
	w, err := d.leaving(&t)
	if err != nil {
		return nil, err
	}
	var exclude []signaling.NodeID
	if t.Attempt != nil {
		exclude = []signaling.NodeID{t.Attempt.Node}
	}
	q := d.search(&t.Request, &w, exclude)
	if t.Resources != nil {
		q.Needs = *t.Resources
	}
	fit, why := d.Snapshot.Candidates(d.lasting(ctx, q, &t), limit)
	ids := make([]signaling.NodeID, 0, len(fit)+1)
	if s := t.Shadow; s != nil {
		if n, known := d.Snapshot.Get(s.Node); known && w.mayHave(n) {
			ids = append(ids, s.Node)
		}
	}
	for _, c := range fit {
		if !slices.Contains(ids, c.Node) && !slices.Contains(exclude, c.Node) {
			ids = append(ids, c.Node)
		}
	}
	if len(ids) == 0 && w.within != nil && why.Nodes-len(exclude) <= why.Stays+why.NotType {
		return nil, fmt.Errorf("%w: its data stays in the site %s, which has no other node for it", migrator.ErrFixed, w.keeper)
	}
	return ids, nil
}

// MayGo refuses a target that a running task must not have, by name.
func (d *Dispatcher) MayGo(t signaling.Task, to signaling.NodeID) error {
	w, err := d.leaving(&t)
	if err != nil {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task cannot move.", Detail: sentence(err.Error())}
	}
	if to == "" {
		return nil
	}
	n, known := d.Snapshot.Get(to)
	no := ""
	switch {
	case !known:
		return noSuchNode(to)
	case t.Attempt != nil && t.Attempt.Node == to:
		no = "it runs there already"
	case n.State != signaling.NodeReady:
		no = fmt.Sprintf("node %s is %s", to, n.State)
	case !slices.Contains(n.Types, t.Request.Type):
		no = fmt.Sprintf("node %s takes no tasks of the type %s", to, t.Request.Type)
	case !w.mayHave(n):
		no = fmt.Sprintf("the data of the site %s stays in it, and node %s is not there", w.keeper, to)
	default:
		return nil
	}
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task cannot move there.", Detail: sentence(no)}
}

// Hand has the target of a move make a task ready: hold its room, load its study, take the view that is known, and wait for
// its terminal. The reservation is confirmed then.
func (d *Dispatcher) Hand(ctx context.Context, t signaling.Task, r signaling.Reservation, ran *signaling.Ran) error {
	if t.Request.Type == signaling.Rendering {
		d.recall(ctx, &t)
	}
	i, err := d.instruction(&t.Request, t.Creator, r)
	if err != nil {
		return err
	}
	i.Moves, i.Ran = true, ran
	if w := d.locate(Terminal{Zone: t.Request.Zone}, &t.Request); w.shadows(&t.Request) {
		i.ViewMs = shadowedViewMs
	}
	return d.stand(ctx, t.ID, r, i)
}

// stand has an edge take a standby, and notes that it does.
func (d *Dispatcher) stand(ctx context.Context, id signaling.TaskID, r signaling.Reservation, i signaling.Instruction) error {
	i.Shadow = true
	asked, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	if err := d.Edges.Instruct(asked, r.Attempt.Node, i); err != nil {
		return err
	}
	if err := d.Pool.Confirm(ctx, r.Attempt.ID); err != nil {
		return err
	}
	if v := d.lastView(ctx, id); v.View != nil {
		v.Attempt = r.Attempt.ID
		if err := d.Edges.View(ctx, r.Attempt.Node, v); err != nil {
			d.Log.Info("a standby could not be told the view", "task", id, "reason", err)
		}
	}
	return nil
}

// GrantAt grants a task at an attempt that its edge has confirmed.
func (d *Dispatcher) GrantAt(t signaling.Task, a signaling.Attempt, reasons []string) (signaling.Grant, error) {
	return d.grant(&t.Request, t.Creator, t.ID, a, placement.Candidate{Reasons: reasons})
}

// WantShadow gets a task that has moved, or stayed, the shadow that had to make room for the move.
func (d *Dispatcher) WantShadow(t signaling.Task) { d.wantShadow(t) }

// readyWithin bounds how long a terminal waits for the place that is being made ready for it: no longer than the edge may take.
const readyWithin = confirmWithin

// kept reads a task again, whose node is gone, when the place that is being made ready for it is.
func (d *Dispatcher) kept(ctx context.Context, t signaling.Task) signaling.Task {
	if d.Mover == nil {
		return t
	}
	waiting, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if !d.Mover.Ready(waiting, t.ID) {
		return t
	}
	if now, err := d.Pool.Task(ctx, t.ID); err == nil {
		return now
	}
	return t
}

// standbyOf is the place that could take a task over; nil where there is none.
func standbyOf(t *signaling.Task) *signaling.Attempt {
	if t.Moves != nil {
		return t.Moves
	}
	return t.Shadow
}
