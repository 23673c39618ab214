package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxOverrides bounds how many nodes have an override.
	maxOverrides = 16_384
	// overrideTries is how often a step is done again because its node or override has changed under it.
	overrideTries = 8
	// maxDrain is the latest deadline of a drain.
	maxDrain = 365 * 24 * time.Hour
)

// Cordon keeps new tasks away from a node, or with on false ends that, and a drain. What runs there goes on. It holds
// whatever the node's heartbeats say, also when the node registers again or was forgotten in between; Remove ends it.
// ErrUnknownNode where the pool does not know the node.
func (p *Pool) Cordon(ctx context.Context, node signaling.NodeID, on bool) error {
	what := "open"
	if on {
		what = "cordon"
	}
	if err := p.flag(ctx, ErrUnknownNode, cordonScript, string(node), what, 0); err != nil {
		return fmt.Errorf("cordon node %.70q (%t): %w", string(node), on, err)
	}
	return nil
}

// Drain has a node finish what runs and take nothing new. After within, Sweep releases what still runs there; 0 is never.
// It holds like Cordon as long as the pool knows the node, and ends with Cordon(false) or Remove.
func (p *Pool) Drain(ctx context.Context, node signaling.NodeID, within time.Duration) error {
	var err error
	if within < 0 || within > maxDrain || within > 0 && within < time.Millisecond {
		err = fmt.Errorf("within %s: 0, or 1ms to %s", within, maxDrain)
	} else {
		err = p.flag(ctx, ErrUnknownNode, cordonScript, string(node), "drain", within.Milliseconds())
	}
	if err != nil {
		return fmt.Errorf("drain node %.70q: %w", string(node), err)
	}
	return nil
}

// SetOverride keeps what an operator says of a node, in place of what it registers with, now and when it registers again; nil
// takes it back. The node need not be in the pool yet. ErrFull where too many nodes have one.
func (p *Pool) SetOverride(ctx context.Context, node signaling.NodeID, o *signaling.Override) error {
	if err := p.setOverride(ctx, node, o); err != nil {
		return fmt.Errorf("override node %.70q: %w", string(node), err)
	}
	return nil
}

func (p *Pool) setOverride(ctx context.Context, node signaling.NodeID, o *signaling.Override) error {
	if err := checkName("node", string(node)); err != nil {
		return err
	}
	text := ""
	if o != nil {
		if err := o.Validate(); err != nil {
			return err
		}
		b, err := json.Marshal(o)
		if err != nil {
			return err
		}
		text = string(b)
	}
	for range overrideTries {
		args, err := p.overrideArgs(ctx, node, text)
		if err != nil {
			return err
		}
		v, err := p.run(ctx, overrideScript, args...).Result()
		if err != nil {
			return err
		}
		answer, err := texts(v)
		switch {
		case err != nil:
			return err
		case answer[0] == "ok":
			return nil
		case answer[0] == "full":
			return ErrFull
		}
	}
	return errors.New("the node registers again all the time")
}

// overrideArgs reads a node, where it is in the pool, and makes it as the override has it.
func (p *Pool) overrideArgs(ctx context.Context, node signaling.NodeID, override string) ([]any, error) {
	args := []any{string(node), override, maxOverrides}
	v, err := p.rdb.HMGet(ctx, p.key("node", string(node)), "own", "doc").Result()
	if err != nil {
		return nil, err
	}
	registered, ok := v[0].(string)
	if !ok {
		if registered, ok = v[1].(string); !ok {
			return args, nil
		}
	}
	var own signaling.Node
	if err := json.Unmarshal([]byte(registered), &own); err != nil {
		return nil, fmt.Errorf("registration: %w", err)
	}
	effective, err := overridden(own, override)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(effective)
	if err != nil {
		return nil, err
	}
	differs := ""
	if string(doc) != registered {
		differs = "1"
	}
	return append(args, registered, doc, encodeTypes(effective.Types), encodeCapacity(&effective), differs), nil
}

// Overrides returns what operators say of nodes.
func (p *Pool) Overrides(ctx context.Context) (map[signaling.NodeID]signaling.Override, error) {
	all, err := p.rdb.HGetAll(ctx, p.key("overrides")).Result()
	if err != nil {
		return nil, fmt.Errorf("read overrides: %w", err)
	}
	overrides := make(map[signaling.NodeID]signaling.Override, len(all))
	for id, text := range all {
		var o signaling.Override
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, fmt.Errorf("read the override of node %s: %w", id, err)
		}
		overrides[signaling.NodeID(id)] = o
	}
	return overrides, nil
}

// overridden is a node with an override, given as JSON or empty.
func overridden(n signaling.Node, override string) (signaling.Node, error) {
	if override == "" {
		return n, nil
	}
	var o signaling.Override
	if err := json.Unmarshal([]byte(override), &o); err != nil {
		return n, fmt.Errorf("override: %w", err)
	}
	return o.Apply(n), nil
}

// encodeDocs are a node's documents, as an operator has it and as it registered; the latter is empty where they are the
// same.
func encodeDocs(effective, own *signaling.Node) (doc, registered []byte, err error) {
	if doc, err = json.Marshal(effective); err != nil {
		return nil, nil, err
	}
	if registered, err = json.Marshal(own); err != nil {
		return nil, nil, err
	}
	if string(doc) == string(registered) {
		registered = nil
	}
	return doc, registered, nil
}
