package dispatch

import (
	"net/netip"

	"github.com/tomocast/tomocast/cloud-broker/capacity"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// Terminal is who asks, and from where.
type Terminal struct {
	identity.Principal
	// Address is the terminal's network address; the zero Addr where it is not known.
	Address netip.Addr
	// Zone is the zone that its token names; empty where it names none.
	Zone string
}

// Answer is what a request gets: a grant, or where it waits for one. One of the two is set.
type Answer struct {
	Grant   *signaling.Grant
	Pending *signaling.Pending
}

// EventsPath is the path of a task's events at the broker.
func EventsPath(task signaling.TaskID) string { return "/api/v1/tasks/" + string(task) + "/events" }

// Explained is why a request would be placed as it would, now.
type Explained struct {
	Site          string              `json:"site,omitempty" doc:"site that the terminal is at"`
	Zone          string              `json:"zone,omitempty" doc:"zone that the terminal is in"`
	MaxDistanceMs float64             `json:"maxDistanceMs,omitempty" doc:"the smaller of the request's limit and the site's"`
	WhenFull      signaling.WhenFull  `json:"whenFull" enum:"queue,refuse" doc:"what becomes of it where nothing is free"`
	Within        []string            `json:"within,omitempty" doc:"zones that its data must not leave"`
	Needs         signaling.Resources `json:"needs" doc:"what it takes"`
	Policy        string              `json:"policy" doc:"how nodes are chosen: distance, or the policy that orders those that are about as near as the nearest"`
	Forecast      *signaling.Forecast `json:"forecast,omitempty" doc:"what is predicted of it"`
	Summary       string              `json:"summary" doc:"how many nodes fit, and why the others do not"`
	Verdicts      []placement.Verdict `json:"verdicts" nullable:"false" doc:"nodes with what speaks for and against them, the best first"`
}

// Overview is the pool at a glance.
type Overview struct {
	Nodes    map[signaling.NodeState]int `json:"nodes" doc:"how many nodes are in each state"`
	Edges    int                         `json:"edges" doc:"nodes of the edge tier"`
	Cloud    int                         `json:"cloud" doc:"nodes of the cloud tier"`
	Capacity signaling.Resources         `json:"capacity" doc:"of the nodes that are ready, cordoned or draining"`
	Free     signaling.Resources         `json:"free" doc:"of the nodes that are ready"`
	Sessions int64                       `json:"sessions" doc:"video encoders that are held: one for each session"`
	Queue    int                         `json:"queue" doc:"tasks that wait for a place"`
	Desired  int                         `json:"desired" doc:"how many nodes the buffer policy asks for"`
	Plan     capacity.Plan               `json:"plan" doc:"how that comes about"`
}
