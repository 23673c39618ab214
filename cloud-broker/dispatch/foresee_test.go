package dispatch

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// dispatcher has a snapshot with a node that closes in a minute and one that stays, farther away.
func dispatcher(t *testing.T, config string) *Dispatcher {
	t.Helper()
	c, err := sites.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	d := &Dispatcher{Config: Config{Snapshot: placement.NewSnapshot(), Sites: c}, policies: policiesOf(c)}
	capacity := signaling.Resources{GPUMemoryMB: 8192, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 8000, MemoryMB: 16384}
	for id, ms := range map[signaling.NodeID]float64{"closing": 1, "staying": 3} {
		d.Snapshot.Apply(placement.Change{Kind: placement.Put, Node: signaling.Node{ID: id, Tier: signaling.TierEdge, State: signaling.NodeReady,
			DistanceMs: ms, Types: signaling.TaskTypes, Capacity: capacity, Free: capacity}})
	}
	d.Snapshot.SetSpans(map[signaling.NodeID]fit.Span{"closing": {Total: 3600, Free: 60}})
	return d
}

func (d *Dispatcher) first(t *testing.T, r signaling.TaskRequest, run float64) (signaling.NodeID, placement.Explanation) {
	t.Helper()
	w := d.locate(Terminal{}, &r)
	q := d.ordered(d.search(&r, &w, nil), &r, &w, time.Now(), 0)
	if q.Order != nil && run > 0 {
		q.Order.Run = fit.Exactly(run)
	}
	c, why := d.Snapshot.Candidates(q, 4)
	if len(c) == 0 {
		return "", why
	}
	return c[0].Node, why
}

// plain is a configuration that says nothing of policies.
const plain = "buffer: {min: 1}\n"

// The policy is data (B4): where none is configured risk decides as soon as some node closes, and distance where none does; distance
// can be chosen whatever closes, and so can the document's rule.
func TestB4PolicyIsChosenByConfiguration(t *testing.T) {
	compute, session := signaling.TaskRequest{Type: signaling.Training, Operation: "x"}, signaling.TaskRequest{Type: signaling.Rendering}
	for config, want := range map[string]string{plain: "risk", "policy: patent\n": "patent", "policy: spread\n": "spread", "policy: distance\n": ""} {
		p, some := dispatcher(t, config).policy(signaling.Training)
		if some != (want != "") || p.Name != want {
			t.Errorf("%q: %q, %v", config, p.Name, some)
		}
	}
	d := dispatcher(t, plain)
	if node, why := d.first(t, compute, 600); node != "staying" || why.Closing != 1 {
		t.Errorf("a computation of 10 minutes goes to %s: %s", node, why)
	}
	if node, why := d.first(t, session, 600); node != "staying" || why.Closing != 0 {
		t.Errorf("a session of 10 minutes goes to %s: %s", node, why)
	}
	d.Snapshot.Apply(placement.Change{Kind: placement.Remove, Node: signaling.Node{ID: "staying"}})
	if node, why := d.first(t, compute, 600); node != "" || !strings.Contains(why.String(), "does not stay for longer") {
		t.Errorf("a computation of 10 minutes does not wait but goes to %s: %s", node, why)
	}
	if node, _ := d.first(t, session, 600); node != "closing" { // it moves when the node closes
		t.Errorf("a session goes to %q", node)
	}
	d.Snapshot.SetSpans(nil)
	if _, some := d.policy(signaling.Training); some {
		t.Error("where all nodes stay there is a policy beside distance")
	}
	if node, _ := dispatcher(t, "policy: distance\n").first(t, compute, 600); node != "closing" {
		t.Errorf("by distance a computation goes to %s", node)
	}
	d = dispatcher(t, "policy: patent\n")
	d.Snapshot.Apply(placement.Change{Kind: placement.Remove, Node: signaling.Node{ID: "staying"}})
	if node, _ := d.first(t, session, 600); node != "" {
		t.Errorf("by the document's rule a session goes to %s", node)
	}
}

// A site can have who asks left out of predictions (B2).
func TestB2CreatorsAreLeftOutBySite(t *testing.T) {
	d := dispatcher(t, "sites:\n  - name: north\n    zones: [north]\n    predict-by-creator: off\n  - name: south\n    zones: [south]\n")
	for zone, want := range map[string]string{"north": "", "south": "anna", "": "anna"} {
		r := signaling.TaskRequest{Type: signaling.Training, Operation: "x", Zone: zone}
		w := d.locate(Terminal{Principal: identity.Principal{Subject: "anna"}}, &r)
		if got := w.creator(); got != want || d.foretold(&w, &r).Unnamed != (want == "") {
			t.Errorf("zone %q: %q", zone, got)
		}
	}
	if !math.IsInf(d.Foresight.Error(), 1) {
		t.Error("without predictions there is an error")
	}
}
