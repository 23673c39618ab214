package pool

import (
	"context"
	"errors"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

var errSoon = errors.New("not written yet")

// ClaimShadow reserves a second place for a task, a standby that can take over.
func (p *Pool) ClaimShadow(ctx context.Context, task signaling.TaskID, candidates []signaling.NodeID, needs signaling.Resources, lease time.Duration) (signaling.Reservation, error) {
	return signaling.Reservation{}, errSoon
}

// Promote makes a task's standby its attempt.
func (p *Pool) Promote(ctx context.Context, task signaling.TaskID) (signaling.Attempt, error) {
	return signaling.Attempt{}, errSoon
}

// DropShadow releases a task's standby.
func (p *Pool) DropShadow(ctx context.Context, task signaling.TaskID, reason string) error {
	return errSoon
}

// KeepView keeps the view state of a session.
func (p *Pool) KeepView(ctx context.Context, v signaling.ViewReport) error { return errSoon }

// View returns the view state that was kept last.
func (p *Pool) View(ctx context.Context, task signaling.TaskID) (signaling.ViewReport, error) {
	return signaling.ViewReport{}, errSoon
}

// Adoption is a task that an edge has taken from a terminal itself.
type Adoption struct {
	Key     string
	Task    signaling.TaskID
	Attempt signaling.AttemptID
	Node    signaling.NodeID
	GPU     int
	Request signaling.TaskRequest
	Creator string
	Needs   signaling.Resources
}

// ErrElsewhere: the task has another place.
var ErrElsewhere = errors.New("the task has another place")

// Adopt records what an edge has taken itself.
func (p *Pool) Adopt(ctx context.Context, a Adoption) (signaling.Reservation, error) {
	return signaling.Reservation{}, errSoon
}

// Enqueue has a task wait in the fair queue.
func (p *Pool) Enqueue(ctx context.Context, key string, t signaling.Task, urgent bool) (signaling.TaskID, error) {
	return "", errSoon
}

// Await renews a waiting task and tells where it stands.
func (p *Pool) Await(ctx context.Context, id signaling.TaskID) (signaling.Queue, error) {
	return signaling.Queue{}, errSoon
}

// Queued is a waiting task.
type Queued struct {
	Task    signaling.TaskID
	Creator string // hash of who asked
	Subject string // who asked
	Type    signaling.TaskType
	Needs   signaling.Resources
	Request signaling.TaskRequest
	Urgent  bool
	Since   time.Time
}

// Waiting returns the head of the queue, up to limit tasks.
func (p *Pool) Waiting(ctx context.Context, limit int) ([]Queued, error) { return nil, errSoon }

// IdleSession is a session without input.
type IdleSession struct {
	Task      signaling.TaskID
	Attempt   signaling.Attempt
	Node      signaling.NodeID
	Type      signaling.TaskType
	Resources signaling.Resources
	Idle      time.Duration
}

// Idle returns up to limit attempts that have had no input for at least least, longest idle first.
func (p *Pool) Idle(ctx context.Context, least time.Duration, limit int) ([]IdleSession, error) {
	return nil, errSoon
}

// Cordon keeps new tasks away from a node, or ends that and a drain.
func (p *Pool) Cordon(ctx context.Context, node signaling.NodeID, on bool) error { return errSoon }

// Drain has a node finish what runs and take nothing new; 0 has no deadline.
func (p *Pool) Drain(ctx context.Context, node signaling.NodeID, within time.Duration) error {
	return errSoon
}

// SetOverride keeps what an operator says of a node; nil takes it back.
func (p *Pool) SetOverride(ctx context.Context, node signaling.NodeID, o *signaling.Override) error {
	return errSoon
}

// Overrides returns what operators say of nodes.
func (p *Pool) Overrides(ctx context.Context) (map[signaling.NodeID]signaling.Override, error) {
	return nil, errSoon
}

// Sample is one task that ended on a node.
type Sample struct {
	Node       signaling.NodeID
	Type       signaling.TaskType
	Failed     bool
	DataMB     float64
	RunMs      float64
	TransferMs float64
	GPUMs      float64
}

// Note counts an ended task in its node's experience.
func (p *Pool) Note(ctx context.Context, s Sample) error { return errSoon }

// NotePings remembers round trips that terminals of a zone have measured.
func (p *Pool) NotePings(ctx context.Context, zone string, pings []signaling.Ping) error {
	return errSoon
}

// Pings returns the remembered round trips by zone and node, milliseconds.
func (p *Pool) Pings(ctx context.Context) (map[string]map[signaling.NodeID]float64, error) {
	return nil, errSoon
}

// Audit is what a look at all invariants found.
type Audit struct {
	Nodes, Attempts, Shadows, Tasks, Waiting int
	Problems                                 []string // in words; none where all holds
}

// Audit checks the pool's invariants.
func (p *Pool) Audit(ctx context.Context) (Audit, error) { return Audit{}, errSoon }

// Registration is what became of a registration.
type Registration struct {
	Ended []signaling.AttemptID // attempts of the ledger that a newer token has overruled
	Node  signaling.Node        // the node as an operator has it
}

// Node returns one node, ErrUnknownNode where there is none.
func (p *Pool) Node(ctx context.Context, id signaling.NodeID) (NodeStatus, error) {
	return NodeStatus{}, errSoon
}
