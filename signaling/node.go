package signaling

import (
	"fmt"
	"regexp"
	"time"
)

// Tier is where a node stands.
type Tier string

// The tiers. The cloud tier is chosen only when no edge is free (A8).
const (
	TierEdge  Tier = "edge"
	TierCloud Tier = "cloud"
)

// NodeState is whether a node takes work.
type NodeState string

// The states of a node.
const (
	NodeStarting NodeState = "starting"
	NodeReady    NodeState = "ready"
	NodeDraining NodeState = "draining" // finishes what runs, takes nothing new
	NodeLost     NodeState = "lost"     // its heartbeats stopped
)

// Node is a renderer as it registers and as the broker knows it.
type Node struct {
	ID         NodeID     `json:"id"`
	Tier       Tier       `json:"tier" enum:"edge,cloud"`
	State      NodeState  `json:"state" enum:"starting,ready,draining,lost"`
	Version    string     `json:"version" doc:"of the program"`
	Zone       string     `json:"zone,omitempty" doc:"site or zone, for distance"`
	DistanceMs float64    `json:"distanceMs" doc:"configured round trip to its terminals, milliseconds"`
	Renderer   string     `json:"renderer" doc:"what renders there, for example OpenGL 4.5 (llvmpipe)"`
	Codecs     []string   `json:"codecs" doc:"video encoders that opened there"`
	Types      []TaskType `json:"types" doc:"task types it takes"`
	Capacity   Resources  `json:"capacity"`
	Free       Resources  `json:"free" doc:"capacity less reservations"`
	// DirectURL is the edge's own signalling WebSocket, where it has a certificate of its own; else the
	// broker relays.
	DirectURL string    `json:"directURL,omitempty"`
	SeenAt    time.Time `json:"seenAt,omitempty" doc:"last heartbeat"`
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// ValidName says whether s can name a node, zone or source: letters, digits, dot, dash and underscore, at
// most 63.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// Validate refuses a registration with an impossible field, naming it.
func (n *Node) Validate() error {
	if !ValidName(string(n.ID)) {
		return fmt.Errorf("id %.70q: letters, digits, '.', '-' and '_', at most 63", string(n.ID))
	}
	if n.Tier != TierEdge && n.Tier != TierCloud {
		return fmt.Errorf("tier %.20q: edge or cloud", string(n.Tier))
	}
	if n.Zone != "" && !ValidName(n.Zone) {
		return fmt.Errorf("zone %.70q: letters, digits, '.', '-' and '_', at most 63", n.Zone)
	}
	if !(n.DistanceMs >= 0 && n.DistanceMs < 1e6) {
		return fmt.Errorf("distanceMs %g: 0 to 1000000", n.DistanceMs)
	}
	if len(n.Types) == 0 || len(n.Types) > len(TaskTypes) {
		return fmt.Errorf("types has %d entries: 1 to %d", len(n.Types), len(TaskTypes))
	}
	for _, t := range n.Types {
		if !t.Valid() {
			return fmt.Errorf("types has %.40q: it must be one of %v", string(t), TaskTypes)
		}
	}
	if err := n.Capacity.Validate(); err != nil {
		return fmt.Errorf("capacity: %w", err)
	}
	if n.Capacity.IsZero() {
		return fmt.Errorf("capacity is empty: a node offers at least some processor time")
	}
	return nil
}
