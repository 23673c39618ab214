package pool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
)

// Register brings a node into the pool, or back into it, with the state and the capacity that it names (Free
// and SeenAt are ignored; an empty State is starting). epoch is the highest fencing token that the edge has seen;
// the counter is raised above it and above the ledger's. What the ledger has is held again; it returns the
// attempts of the ledger that a newer token has overruled, which the edge must end. What the pool held for the
// node, confirmed, and the ledger does not have any more, fails.
func (p *Pool) Register(ctx context.Context, node signaling.Node, epoch int64, ledger []signaling.LedgerEntry) ([]signaling.AttemptID, error) {
	if node.State == "" {
		node.State = signaling.NodeStarting
	}
	if err := checkRegistration(&node, epoch, ledger); err != nil {
		return nil, fmt.Errorf("register node: %w", err)
	}
	p.saw(epoch)
	state := node.State
	node.State, node.Free, node.SeenAt = "", signaling.Resources{}, time.Time{}
	doc, err := json.Marshal(node)
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", node.ID, err)
	}
	types := ","
	for _, t := range node.Types {
		types += string(t) + ","
	}
	args := []any{string(node.ID), doc, string(state), types, encodeAmounts(node.Capacity), epoch, p.o.Lease.Milliseconds(),
		p.o.HistoryLimit, rand.Text()}
	for _, e := range ledger {
		p.saw(e.Attempt.Fencing)
		// The edge keeps no request: what it knows of it is the type and what it takes.
		req, err := json.Marshal(asked{clip(e.Creator, maxCreator), signaling.TaskRequest{Type: e.Type, Resources: &e.Resources}})
		if err != nil {
			return nil, fmt.Errorf("register node %s: ledger: %w", node.ID, err)
		}
		args = append(args, string(e.Attempt.ID), string(e.Task), e.Attempt.Fencing, string(e.State), req, encodeAmounts(e.Resources))
	}
	v, err := p.run(ctx, registerScript, args...).Result()
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", node.ID, err)
	}
	ids, err := texts(v)
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", node.ID, err)
	}
	var ended []signaling.AttemptID
	for _, id := range ids {
		ended = append(ended, signaling.AttemptID(id))
	}
	return ended, nil
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

// Heartbeat keeps a node in the pool, renews the leases of its attempts, and notes which volumes it holds.
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
		args = append(args, string(a))
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

// SetState changes whether a node takes work, until its next heartbeat says otherwise. ErrUnknownNode where the
// pool does not know it or has given it up.
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

// Remove takes a node out of the pool; the tasks there fail. Where it is alive it will register again.
func (p *Pool) Remove(ctx context.Context, id signaling.NodeID) error {
	if err := p.flag(ctx, ErrUnknownNode, removeScript, string(id), p.o.HistoryLimit); err != nil {
		return fmt.Errorf("remove node %s: %w", id, err)
	}
	return nil
}

// NodeStatus is a node with what only its heartbeats tell.
type NodeStatus struct {
	signaling.Node
	Load    signaling.Load `json:"load"`
	Volumes int            `json:"volumes" doc:"series that it has loaded, in memory or on disk"`

	volumes []string // each as signaling.VolumeKey names it
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
	if len(ids) == 0 {
		return nil, nil
	}
	records := make([]*redis.SliceCmd, len(ids))
	beats := make([]*redis.FloatCmd, len(ids))
	// A node without a heartbeat (lost) answers redis.Nil; each command's own error is looked at below.
	_, err = p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			records[i] = pipe.HMGet(ctx, p.key("node", id), "doc", "state", "load", "f", "volumes")
			beats[i] = pipe.ZScore(ctx, p.key("beats"), id)
		}
		return nil
	})
	if err != nil && err != redis.Nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	nodes := make([]NodeStatus, 0, len(ids))
	for i, id := range ids {
		v, err := records[i].Result()
		if err != nil {
			return nil, fmt.Errorf("read node %s: %w", id, err)
		}
		f := make([]string, len(v))
		for k := range v {
			f[k], _ = v[k].(string) // nil where it has gone since it was listed
		}
		if f[0] == "" {
			continue
		}
		n, err := decodeNode(f[0], f[1], f[3])
		if err != nil {
			return nil, fmt.Errorf("read node %s: %w", id, err)
		}
		s := NodeStatus{Node: n, volumes: strings.Fields(f[4])}
		s.Volumes = len(s.volumes)
		// Written by Heartbeat; a node that has sent none yet has an empty load.
		_, _ = fmt.Sscanf(f[2], "%d %d %d %d", &s.Load.GPUMilli, &s.Load.CPUMilli, &s.Load.MemoryMB, &s.Load.Sessions)
		if ms, err := beats[i].Result(); err == nil {
			s.SeenAt = time.UnixMilli(int64(ms)).UTC()
		}
		nodes = append(nodes, s)
	}
	return nodes, nil
}

func decodeNode(doc, state, free string) (n signaling.Node, err error) {
	if err := json.Unmarshal([]byte(doc), &n); err != nil {
		return n, fmt.Errorf("registration: %w", err)
	}
	n.State = signaling.NodeState(state)
	n.Free, err = decodeAmounts(free)
	return n, err
}
