package placement

import "github.com/tomocast/tomocast/signaling"

// Verdict is what a request makes of one node.
type Verdict struct {
	Node       signaling.NodeID    `json:"node"`
	Tier       signaling.Tier      `json:"tier" enum:"edge,cloud"`
	State      signaling.NodeState `json:"state" enum:"starting,ready,cordoned,draining,lost"`
	Zone       string              `json:"zone,omitempty"`
	Fits       bool                `json:"fits"`
	Rejected   string              `json:"rejected,omitempty" doc:"why it cannot have the task, in words: every filter that it fails"`
	DistanceMs float64             `json:"distanceMs" doc:"round trip to the terminal, milliseconds"`
	Basis      signaling.Basis     `json:"basis" enum:"configured,network,remembered,measured" doc:"how the distance is known"`
	Terms      []signaling.Term    `json:"terms" nullable:"false" doc:"what its cost is made of"`
	CostMs     float64             `json:"costMs" doc:"the sum of the terms: of those that fit in a tier, the lowest is taken"`
}
