package pool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxFencing keeps tokens within what Lua's numbers hold exactly (53 bits), with room to count on.
	maxFencing = 1 << 52
	// maxLedger bounds a ledger, so that the script that reads it stays short.
	maxLedger = 4096
	// maxIdle is the longest time without input that is told apart, milliseconds: about a year.
	maxIdle = 1 << 35
)

// Registration is what became of a registration.
type Registration struct {
	// Ended are the attempts of the ledger that a newer fencing token has overruled: the edge must end them.
	Ended []signaling.AttemptID
	// Node is the node as an operator has it, without State, Free and SeenAt: as it registered, where there is no override.
	Node signaling.Node
}

// Register brings a node into the pool, or back into it, with the state and the capacity that it names, or that an
// operator has set instead (SetOverride), and stays cordoned or draining where an operator had it so (Free and SeenAt
// are ignored; an empty State is starting). epoch is the highest fencing token that the edge has seen; the counter is
// raised above it and above the ledger's. What the ledger has is held again, with its request, so that it can move
// on, and standbys as standbys. What the pool held for the node, confirmed, and the ledger does not have any more,
// fails.
func (p *Pool) Register(ctx context.Context, node signaling.Node, epoch int64, ledger []signaling.LedgerEntry) (Registration, error) {
	if node.State == "" {
		node.State = signaling.NodeStarting
	}
	if err := checkRegistration(&node, epoch, ledger); err != nil {
		return Registration{}, fmt.Errorf("register node: %w", err)
	}
	p.saw(epoch)
	entries, err := p.ledgerArgs(ledger)
	if err != nil {
		return Registration{}, fmt.Errorf("register node %s: %w", node.ID, err)
	}
	state := node.State
	node = bare(node)
	var override string // most have none: the script says where that is wrong
	for range overrideTries {
		effective, err := overridden(node, override)
		if err != nil {
			return Registration{}, fmt.Errorf("register node %s: %w", node.ID, err)
		}
		doc, own, err := encodeDocs(&effective, &node)
		if err != nil {
			return Registration{}, fmt.Errorf("register node %s: %w", node.ID, err)
		}
		args := append([]any{string(node.ID), doc, string(state), encodeTypes(effective.Types), encodeCapacity(&effective), epoch,
			p.o.Lease.Milliseconds(), p.o.HistoryLimit, rand.Text(), override, own, p.o.PlacingTTL.Milliseconds()}, entries...)
		v, err := p.run(ctx, registerScript, args...).Result()
		if err != nil {
			return Registration{}, fmt.Errorf("register node %s: %w", node.ID, err)
		}
		answer, err := texts(v)
		if err != nil {
			return Registration{}, fmt.Errorf("register node %s: %w", node.ID, err)
		}
		if answer[0] == "override" {
			override = answer[1]
			continue
		}
		r := Registration{Node: effective}
		for _, id := range answer[1:] {
			r.Ended = append(r.Ended, signaling.AttemptID(id))
		}
		return r, nil
	}
	return Registration{}, fmt.Errorf("register node %s: its override changes all the time", node.ID)
}

// maxLedgerRequest bounds a request of a ledger as JSON. What is larger is rebuilt without.
const maxLedgerRequest = 16 << 10

// ledgerArgs are the entries of a ledger as the register script takes them.
func (p *Pool) ledgerArgs(ledger []signaling.LedgerEntry) ([]any, error) {
	args := make([]any, 0, 9*len(ledger))
	for i, e := range ledger {
		p.saw(e.Attempt.Fencing)
		// Of an edge that kept no request, what is known is the type and what it takes.
		rebuilt := signaling.TaskRequest{Type: e.Type, Resources: &e.Resources}
		if e.Request != nil && e.Request.Type == e.Type {
			rebuilt = *e.Request
		}
		req, err := json.Marshal(asked{Creator: clip(e.Creator, maxCreator), Request: rebuilt})
		if err != nil || len(req) > maxLedgerRequest {
			req, err = json.Marshal(asked{Creator: clip(e.Creator, maxCreator), Request: signaling.TaskRequest{Type: e.Type, Resources: &e.Resources}})
		}
		if err != nil {
			return nil, fmt.Errorf("ledger[%d]: %w", i, err)
		}
		shadow := ""
		if e.Shadow {
			shadow = "1"
		}
		args = append(args, string(e.Attempt.ID), string(e.Task), e.Attempt.Fencing, string(e.State), req, encodeAmounts(e.Resources),
			e.Attempt.GPU, shadow, Pseudonym(clip(e.Creator, maxCreator)))
	}
	return args, nil
}

// bare is a node as its registration is kept: what changes all the time is elsewhere.
func bare(n signaling.Node) signaling.Node {
	n.State, n.Free, n.FreeGPUs, n.SeenAt = "", signaling.Resources{}, nil, time.Time{}
	return n
}

func encodeTypes(types []signaling.TaskType) string {
	text := ","
	for _, t := range types {
		text += string(t) + ","
	}
	return text
}

func checkRegistration(node *signaling.Node, epoch int64, ledger []signaling.LedgerEntry) error {
	if err := node.Validate(); err != nil {
		return err
	}
	if err := checkState(node.State); err != nil {
		return err
	}
	if epoch < 0 || epoch > maxFencing {
		return fmt.Errorf("epoch %d: 0 to %d", epoch, int64(maxFencing))
	}
	if len(ledger) > maxLedger {
		return fmt.Errorf("ledger has %d entries: at most %d", len(ledger), maxLedger)
	}
	seen := make(map[signaling.AttemptID]bool, len(ledger))
	for i, e := range ledger {
		err := checkName("task", string(e.Task))
		if err == nil {
			err = checkName("attempt", string(e.Attempt.ID))
		}
		switch {
		case err != nil:
		case seen[e.Attempt.ID]:
			err = fmt.Errorf("attempt %s appears twice", e.Attempt.ID)
		case e.Attempt.Node != node.ID:
			err = fmt.Errorf("attempt %s is of node %.70q", e.Attempt.ID, string(e.Attempt.Node))
		case e.Attempt.GPU < 0 || e.Attempt.GPU >= signaling.MaxGPUs:
			err = fmt.Errorf("GPU %d: 0 to %d", e.Attempt.GPU, signaling.MaxGPUs-1)
		case e.Attempt.Fencing < 0 || e.Attempt.Fencing > maxFencing:
			err = fmt.Errorf("fencing %d: 0 to %d", e.Attempt.Fencing, int64(maxFencing))
		case !e.Type.Valid():
			err = fmt.Errorf("type %.40q is unknown", string(e.Type))
		case e.State != signaling.TaskReserved && e.State != signaling.TaskRunning:
			err = fmt.Errorf("state %.20q: reserved or running", string(e.State))
		default:
			err = e.Resources.Validate()
		}
		if err != nil {
			return fmt.Errorf("ledger[%d]: %w", i, err)
		}
		seen[e.Attempt.ID] = true
	}
	return nil
}

// checkState refuses states that a node cannot say of itself.
func checkState(s signaling.NodeState) error {
	switch s {
	case signaling.NodeStarting, signaling.NodeReady, signaling.NodeDraining:
		return nil
	}
	return fmt.Errorf("state %.20q: starting, ready or draining", string(s))
}

// Heartbeat keeps a node in the pool, renews the leases of its attempts, and notes which volumes it holds and which
// sessions have no input. Its state counts as far as no operator says otherwise.
// ErrUnknownNode says that the edge must register: the pool does not know it, had given it up, or does not hold one
// of its attempts.
func (p *Pool) Heartbeat(ctx context.Context, id signaling.NodeID, h signaling.Heartbeat) error {
	if err := checkState(h.State); err != nil {
		return fmt.Errorf("heartbeat of %s: %w", id, err)
	}
	if len(h.Attempts) > maxLedger {
		return fmt.Errorf("heartbeat of %s: %d attempts: at most %d", id, len(h.Attempts), maxLedger)
	}
	l := h.Load
	args := []any{string(id), string(h.State), fmt.Sprintf("%d %d %d %d", l.GPUMilli, l.CPUMilli, l.MemoryMB, l.Sessions),
		p.o.Lease.Milliseconds(), encodeVolumes(h.Volumes)}
	for _, a := range h.Attempts {
		if err := checkName("attempt", string(a)); err != nil {
			return fmt.Errorf("heartbeat of %s: %w", id, err)
		}
		entry := string(a)
		if ms := h.Idle[a]; ms > 0 {
			entry += " " + strconv.FormatInt(min(ms, maxIdle), 10)
		}
		args = append(args, entry)
	}
	v, err := p.run(ctx, heartbeatScript, args...).Result()
	if err != nil {
		return fmt.Errorf("heartbeat of %s: %w", id, err)
	}
	answer, err := texts(v)
	switch {
	case err != nil:
		return fmt.Errorf("heartbeat of %s: %w", id, err)
	case answer[0] == "unknown":
		return fmt.Errorf("heartbeat of %s: %w", id, ErrUnknownNode)
	case answer[0] == "attempts":
		return fmt.Errorf("heartbeat of %s: attempts %s are not held: %w", id, clip(strings.Join(answer[1:], ", "), maxReason), ErrUnknownNode)
	}
	return nil
}

// encodeVolumes joins the volumes of a heartbeat with spaces, in an order that changes only when they do, so that the
// brokers are told only then. What is no volume's key is left out.
func encodeVolumes(names []string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !volumeKey.MatchString(s) })
	names = names[:min(len(names), signaling.MaxVolumes)]
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// volumeKey is what signaling.VolumeKey makes.
var volumeKey = regexp.MustCompile(`^[0-9a-f]{12}$`)

// SetState changes whether a node takes work, as if it had said so itself, until its next heartbeat says otherwise.
// ErrUnknownNode where the pool does not know it or has given it up.
func (p *Pool) SetState(ctx context.Context, id signaling.NodeID, state signaling.NodeState) error {
	err := checkState(state)
	if err == nil {
		err = p.flag(ctx, ErrUnknownNode, stateScript, string(id), string(state))
	}
	if err != nil {
		return fmt.Errorf("set state of node %s: %w", id, err)
	}
	return nil
}

// Remove takes a node out of the pool, with what operators said of it and what was learnt of it; the tasks there fail.
// Where it is alive it will register again, as a new one.
func (p *Pool) Remove(ctx context.Context, id signaling.NodeID) error {
	args := []any{string(id), p.o.HistoryLimit, p.o.PlacingTTL.Milliseconds()}
	for _, t := range signaling.TaskTypes {
		args = append(args, string(t))
	}
	if err := p.flag(ctx, ErrUnknownNode, removeScript, args...); err != nil {
		return fmt.Errorf("remove node %s: %w", id, err)
	}
	return nil
}

// NodeStatus is a node with what its heartbeats and its operators tell.
type NodeStatus struct {
	signaling.Node
	Load         signaling.Load      `json:"load"`
	Volumes      int                 `json:"volumes" doc:"series that it has loaded, in memory or on disk"`
	Reservations int                 `json:"reservations" doc:"attempts that hold resources there"`
	Cordoned     bool                `json:"cordoned,omitempty" doc:"an operator keeps new tasks away"`
	Draining     bool                `json:"draining,omitempty" doc:"an operator has it finish what runs and take nothing new"`
	DrainUntil   *time.Time          `json:"drainUntil,omitempty" doc:"when what still runs there is released"`
	Override     *signaling.Override `json:"override,omitempty" doc:"what an operator says of it"`
	// Registered is the capacity that it registered with, whatever an operator says of it.
	Registered signaling.Resources `json:"-"`

	volumes []string // each as signaling.VolumeKey names it
}

// statusFields are the fields of a node's record that are read for its status; each is there or not, and every other
// one is a reservation (lua/common.lua).
var statusFields = []string{"doc", "state", "load", "f", "volumes", "op", "until", "over", "own", "said", "types", "cap"}

// Node returns one node, ErrUnknownNode where there is none of this id.
func (p *Pool) Node(ctx context.Context, id signaling.NodeID) (NodeStatus, error) {
	nodes, err := p.statuses(ctx, []string{string(id)})
	if err == nil && len(nodes) == 0 {
		err = ErrUnknownNode
	}
	if err != nil {
		return NodeStatus{}, fmt.Errorf("read node %.70q: %w", string(id), err)
	}
	return nodes[0], nil
}

// Nodes returns up to limit nodes in the order of their ids, beginning behind after (empty: from the first), read
// from Redis with their last heartbeats. For placing work use the snapshot that Follow keeps.
func (p *Pool) Nodes(ctx context.Context, after signaling.NodeID, limit int) ([]NodeStatus, error) {
	if limit < 1 {
		return nil, nil
	}
	from := "-"
	if after != "" {
		from = "(" + string(after)
	}
	ids, err := p.rdb.ZRangeByLex(ctx, p.key("nodes"), &redis.ZRangeBy{Min: from, Max: "+", Count: int64(limit)}).Result()
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	nodes, err := p.statuses(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return nodes, nil
}

// statuses reads those nodes that are there, in order.
func (p *Pool) statuses(ctx context.Context, ids []string) ([]NodeStatus, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	records := make([]*redis.SliceCmd, len(ids))
	sizes := make([]*redis.IntCmd, len(ids))
	beats := make([]*redis.FloatCmd, len(ids))
	// A node without a heartbeat (lost) answers redis.Nil; each command's own error is looked at below.
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			records[i] = pipe.HMGet(ctx, p.key("node", id), statusFields...)
			sizes[i] = pipe.HLen(ctx, p.key("node", id))
			beats[i] = pipe.ZScore(ctx, p.key("beats"), id)
		}
		return nil
	})
	if err != nil && err != redis.Nil {
		return nil, err
	}
	nodes := make([]NodeStatus, 0, len(ids))
	for i, id := range ids {
		v, err := records[i].Result()
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", id, err)
		}
		f := make([]string, len(v))
		rest := int(sizes[i].Val())
		for k := range v {
			var there bool
			if f[k], there = v[k].(string); there {
				rest--
			}
		}
		if f[0] == "" { // gone since it was listed
			continue
		}
		s, err := decodeStatus(f)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", id, err)
		}
		s.Reservations = max(rest, 0)
		if ms, err := beats[i].Result(); err == nil {
			s.SeenAt = time.UnixMilli(int64(ms)).UTC()
		}
		nodes = append(nodes, s)
	}
	return nodes, nil
}

// decodeStatus reads statusFields.
func decodeStatus(f []string) (s NodeStatus, err error) {
	if s.Node, err = decodeNode(f[0], f[1], f[3]); err != nil {
		return s, err
	}
	s.volumes = strings.Fields(f[4])
	s.Volumes = len(s.volumes)
	s.Load, _ = decodeLoad(f[2]) // a node that has sent no heartbeat yet has none
	s.Cordoned, s.Draining, s.DrainUntil = f[5] == "cordoned", f[5] == "draining", instant(f[6])
	s.Registered = s.Capacity
	if f[8] != "" {
		var own signaling.Node
		if err := json.Unmarshal([]byte(f[8]), &own); err != nil {
			return s, fmt.Errorf("its own registration: %w", err)
		}
		s.Registered = own.Capacity
	}
	if f[7] != "" {
		s.Override = new(signaling.Override)
		if err := json.Unmarshal([]byte(f[7]), s.Override); err != nil {
			return s, fmt.Errorf("override: %w", err)
		}
	}
	return s, nil
}

func decodeNode(doc, state, free string) (n signaling.Node, err error) {
	if err := json.Unmarshal([]byte(doc), &n); err != nil {
		return n, fmt.Errorf("registration: %w", err)
	}
	n.State = signaling.NodeState(state)
	n.Free, n.FreeGPUs, err = decodeFree(free)
	return n, err
}
