package signaling

import (
	"fmt"
	"net/netip"
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
	NodeCordoned NodeState = "cordoned" // an operator keeps new tasks away; what runs goes on
	NodeDraining NodeState = "draining" // finishes what runs, takes nothing new
	NodeLost     NodeState = "lost"     // its heartbeats stopped
)

// Node is a renderer as it registers and as the broker knows it.
type Node struct {
	ID         NodeID     `json:"id"`
	Tier       Tier       `json:"tier" enum:"edge,cloud"`
	State      NodeState  `json:"state" enum:"starting,ready,cordoned,draining,lost"`
	Version    string     `json:"version" doc:"of the program"`
	Zone       string     `json:"zone,omitempty" doc:"site or zone, for distance"`
	DistanceMs float64    `json:"distanceMs" doc:"configured round trip to its terminals, milliseconds"`
	Renderer   string     `json:"renderer" doc:"what renders there, for example OpenGL 4.5 (llvmpipe)"`
	Codecs     []string   `json:"codecs" doc:"video encoders that opened there"`
	Types      []TaskType `json:"types" doc:"task types it takes"`
	Capacity   Resources  `json:"capacity"`
	Free       Resources  `json:"free" doc:"capacity less reservations"`
	// GPUs are the node's GPUs where it has more than one; a task uses one of them. Capacity and Free have their sums.
	GPUs     []GPU                 `json:"gpus,omitempty" maxItems:"16" doc:"capacity of each GPU, where there are several"`
	FreeGPUs []GPU                 `json:"freeGPUs,omitempty" maxItems:"16" doc:"what is free of each"`
	Handling map[TaskType]Handling `json:"handling,omitempty" doc:"how it handles tasks of each type (A9)"`
	Networks []string              `json:"networks,omitempty" maxItems:"16" doc:"prefixes of its local networks, like 10.1.2.0/24"`
	// URL is where terminals reach the edge's own API (edge first, pings), where it has an address of its own.
	URL string `json:"url,omitempty"`
	// DirectURL is the edge's own signalling WebSocket, where it has a certificate of its own; else the
	// broker relays.
	DirectURL string    `json:"directURL,omitempty"`
	SeenAt    time.Time `json:"seenAt,omitempty" doc:"last heartbeat"`
	// Expires is when the machine goes, where it knows (a spot machine).
	Expires *time.Time `json:"expires,omitempty" doc:"when the machine goes, where it knows"`
}

// GPU is the amounts of one GPU, as in Resources.
type GPU struct {
	MemoryMB int64 `json:"memoryMB"`
	Milli    int64 `json:"milli"`
}

// MaxGPUs bounds Node.GPUs, MaxNetworks bounds Node.Networks.
const (
	MaxGPUs     = 16
	MaxNetworks = 16
)

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
	return n.validateParts()
}

// validateParts refuses impossible GPUs, networks and handling.
func (n *Node) validateParts() error {
	if len(n.GPUs) > MaxGPUs {
		return fmt.Errorf("gpus has %d entries: at most %d", len(n.GPUs), MaxGPUs)
	}
	var sum GPU
	for i, g := range n.GPUs {
		if g.MemoryMB < 0 || g.MemoryMB > 1<<31 || g.Milli < 0 || g.Milli > 1<<31 {
			return fmt.Errorf("gpus[%d] is %+v: amounts are 0 to %d", i, g, 1<<31)
		}
		sum = GPU{sum.MemoryMB + g.MemoryMB, sum.Milli + g.Milli}
	}
	if len(n.GPUs) > 0 && (sum.MemoryMB != n.Capacity.GPUMemoryMB || sum.Milli != n.Capacity.GPUMilli) {
		return fmt.Errorf("gpus have %d MiB and %d thousandths in all, capacity has %d and %d", sum.MemoryMB, sum.Milli,
			n.Capacity.GPUMemoryMB, n.Capacity.GPUMilli)
	}
	if len(n.Networks) > MaxNetworks {
		return fmt.Errorf("networks has %d entries: at most %d", len(n.Networks), MaxNetworks)
	}
	for i, p := range n.Networks {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("networks[%d] %.60q: a prefix like 10.1.2.0/24", i, p)
		}
	}
	for t, h := range n.Handling {
		if !t.Valid() || !h.Valid() {
			return fmt.Errorf("handling %.40q: %.40q: a task type with resident, allocate, defer or ask", string(t), string(h))
		}
	}
	return nil
}
