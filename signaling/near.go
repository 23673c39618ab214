package signaling

import (
	"fmt"
	"slices"
	"time"
)

// Override is what an operator says of a node, in place of what it registers with. Fields that are not set stay the node's.
type Override struct {
	Types      []TaskType `json:"types,omitempty" maxItems:"5" doc:"task types it takes"`
	Capacity   *Resources `json:"capacity,omitempty" doc:"what it offers, at most what the node has; of several GPUs all stay"`
	Zone       *string    `json:"zone,omitempty" maxLength:"63" doc:"where it stands"`
	DistanceMs *float64   `json:"distanceMs,omitempty" minimum:"0" doc:"round trip to its terminals, milliseconds"`
}

// Validate refuses what no node could be, naming the field.
func (o *Override) Validate() error {
	for _, t := range o.Types {
		if !t.Valid() {
			return fmt.Errorf("types has %.40q: it must be one of %v", string(t), TaskTypes)
		}
	}
	if o.Capacity != nil {
		if err := o.Capacity.Validate(); err != nil {
			return fmt.Errorf("capacity: %w", err)
		}
		if o.Capacity.IsZero() {
			return fmt.Errorf("capacity is empty: cordon the node to keep tasks away")
		}
	}
	if o.Zone != nil && *o.Zone != "" && !ValidName(*o.Zone) {
		return fmt.Errorf("zone %.70q: letters, digits, '.', '-' and '_', at most 63", *o.Zone)
	}
	if d := o.DistanceMs; d != nil && !(*d >= 0 && *d < 1e6) {
		return fmt.Errorf("distanceMs %g: 0 to 1000000", *d)
	}
	return nil
}

// Apply returns n as the operator has it. Capacity is never more than the node's own.
func (o *Override) Apply(n Node) Node {
	if o == nil {
		return n
	}
	if len(o.Types) > 0 {
		n.Types = slices.Clone(o.Types)
	}
	if o.Capacity != nil {
		c, most := *o.Capacity, n.Capacity
		n.Capacity = Resources{min(c.GPUMemoryMB, most.GPUMemoryMB), min(c.GPUMilli, most.GPUMilli), min(c.EncoderSessions, most.EncoderSessions),
			min(c.CPUMilli, most.CPUMilli), min(c.MemoryMB, most.MemoryMB)}
		if len(n.GPUs) > 0 { // the sums stay those of the GPUs
			n.Capacity.GPUMemoryMB, n.Capacity.GPUMilli = most.GPUMemoryMB, most.GPUMilli
		}
	}
	if o.Zone != nil {
		n.Zone = *o.Zone
	}
	if o.DistanceMs != nil {
		n.DistanceMs = *o.DistanceMs
	}
	return n
}

// Basis is how a distance is known (A3).
type Basis string

// The bases, from the weakest to the strongest.
const (
	BasisConfigured Basis = "configured" // zones and the cost table
	BasisNetwork    Basis = "network"    // the node is in the terminal's own local network
	BasisRemembered Basis = "remembered" // pings of other terminals of the same zone
	BasisMeasured   Basis = "measured"   // the terminal's own ping
)

// NearEdges are the edges that a terminal may ask first (A2), the likeliest first, with the token to show them.
type NearEdges struct {
	Edges          []NearEdge `json:"edges" nullable:"false"`
	Token          string     `json:"token" doc:"shown to edges as Authorization: Bearer"`
	TokenExpiresAt time.Time  `json:"tokenExpiresAt"`
	Zone           string     `json:"zone,omitempty" doc:"where the broker takes the terminal to be"`
	MaxDistanceMs  float64    `json:"maxDistanceMs,omitempty" doc:"the site's limit"`
}

// NearEdge is an edge near a terminal.
type NearEdge struct {
	Node       NodeID     `json:"node"`
	URL        string     `json:"url,omitempty" doc:"of its API (POST /api/v1/tasks, GET /ping); absent where it is only reached through the broker"`
	Types      []TaskType `json:"types" nullable:"false"`
	DistanceMs float64    `json:"distanceMs"`
	Basis      Basis      `json:"basis" enum:"configured,network,remembered,measured" doc:"how the distance is known"`
}

// Service is the DNS-SD service (RFC 6763) by which edges are found in a local network, in the domain local. Its TXT record
// has node, url and pool.
const Service = "_tomocast-edge._tcp"
