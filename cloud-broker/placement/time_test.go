package placement

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

// staying are edges a millisecond apart that stay for so many seconds each, infinitely where that is 0.
func staying(seconds ...float64) *Snapshot {
	s := NewSnapshot()
	spans := map[signaling.NodeID]fit.Span{}
	for i, v := range seconds {
		n := node(fmt.Sprintf("n%d", i), signaling.TierEdge, float64(1+i), signaling.Rendering)
		s.Apply(Change{Kind: Put, Node: n})
		if v != 0 {
			spans[n.ID] = fit.Span{Total: 10_000, Free: max(v, 0)}
		}
	}
	s.SetSpans(spans)
	return s
}

func ordered(t testing.TB, policy string, run float64) Request {
	t.Helper()
	p, err := fit.Named(policy)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Order: &Order{Policy: p.Live(), Error: math.Inf(1)}}
	if run > 0 {
		r.Order.Run = fit.Exactly(run)
	}
	return r
}

// Only nodes with t > t1 come into question (B4.2): one whose time is t1 does not, and where none has more the reason is said.
func TestB42OnlyNodesThatStayLonger(t *testing.T) {
	s := staying(50, 100, 101, 0)
	r := ordered(t, "patent", 100)
	if got, why := s.Candidates(r, 10); names(got) != "n3 n2" || why.Closing != 2 || why.T1 != 100 {
		t.Errorf("%s: %+v", names(got), why)
	}
	r = ordered(t, "patent", 20_000)
	s = staying(50, 100, 101)
	got, why := s.Candidates(r, 10)
	if len(got) != 0 || why.String() != "of 3 nodes 3 do not stay for longer than the 5h33m0s that it is expected to need" {
		t.Errorf("%s: %s", names(got), why)
	}
	for _, v := range s.Explain(r, 10) {
		if v.Fits || !strings.Contains(v.Rejected, "stays for") || !strings.Contains(v.Rejected, "5h33m0s") {
			t.Errorf("%+v", v)
		}
	}
}

// The closer t is to t1 the better, by the document's rule: the score grows as what is left over shrinks relative to T (B4.2).
func TestB42TheCloserTheBetter(t *testing.T) {
	s := staying(9000, 150, 0, 500, 110)
	if got, _ := s.Candidates(ordered(t, "patent", 100), 10); names(got) != "n2 n4 n1 n3 n0" {
		// A node that stays has no left-over time relative to its total, and comes with the smallest.
		t.Errorf("%s", names(got))
	}
}

// Nothing is placed on a node that is closed, also where nobody knows how long a task runs and whatever the policy.
func TestB3NothingIsPlacedWhileClosed(t *testing.T) {
	s := staying(-1, 0)
	for _, r := range []Request{ordered(t, "risk", 0), ordered(t, "spread", 5), {Type: signaling.Rendering}} {
		if got, why := s.Candidates(r, 10); names(got) != "n1" || why.Closing != 1 {
			t.Errorf("%s: %+v", names(got), why)
		}
	}
	if !s.Lasts("n1", nil) || s.Lasts("n0", nil) || !s.Lasts("unheard-of", nil) {
		t.Error("what lasts is not what is open")
	}
	s.SetSpans(nil)
	if got, _ := s.Candidates(Request{Type: signaling.Rendering}, 10); names(got) != "n0 n1" {
		t.Errorf("open again there are %s", names(got))
	}
}

// The nodes' times hold also for those that register later, and behind a new snapshot of the pool.
func TestB3TimesOutliveRegistrations(t *testing.T) {
	s := NewSnapshot()
	s.SetSpans(map[signaling.NodeID]fit.Span{"n0": {Total: 10, Free: 0}})
	nodes := []signaling.Node{node("n0", signaling.TierEdge, 1, signaling.Rendering), node("n1", signaling.TierEdge, 2, signaling.Rendering)}
	s.Apply(Change{Kind: Put, Node: nodes[0]}, Change{Kind: Put, Node: nodes[1]})
	for range 2 {
		if got, _ := s.Candidates(Request{Type: signaling.Rendering}, 10); names(got) != "n1" {
			t.Errorf("%s", names(got))
		}
		s.Replace(nodes, nil)
	}
}

// The nearest nodes may all close soon: the search goes on behind them, and passes whole blocks of them.
func TestB42SearchGoesOnBehindNodesThatClose(t *testing.T) {
	s := NewSnapshot()
	nodes := fleet(5000, 0)
	spans := map[signaling.NodeID]fit.Span{}
	for _, n := range nodes[:4000] {
		spans[n.ID] = fit.Span{Total: 3600, Free: 60}
	}
	s.Replace(nodes, nil)
	s.SetSpans(spans)
	for _, policy := range []string{"filter", "risk"} {
		got, why := s.Candidates(ordered(t, policy, 600), 16)
		if len(got) != 16 || why.Closing < 4000 {
			t.Fatalf("%s: %d candidates, %d close", policy, len(got), why.Closing)
		}
		for _, c := range got {
			if _, closes := spans[c.Node]; closes {
				t.Errorf("%s: %s closes", policy, c.Node)
			}
		}
	}
}

// t1 grows after a miss, is never above what a share of the nodes stay for, and becomes less while the task waits (B4.2): so nothing
// starves, also where all nodes close at the same time.
func TestB42NothingStarves(t *testing.T) {
	s := staying(1000, 2000, 3000, 4000, 5000)
	fits := func(r Request) string {
		got, _ := s.Candidates(r, 10)
		return fmt.Sprint(len(got))
	}
	r := ordered(t, "risk", 1500)
	if got := fits(r); got != "4" {
		t.Errorf("%s fit at first", got)
	}
	r.Order.Misses = 2 // 1500 x 1.2 x 1.2 = 2160
	if got := fits(r); got != "3" {
		t.Errorf("%s fit after two misses", got)
	}
	r.Order.Misses = 50 // capped: three of five stay for 3000 s at least
	if got := fits(r); got != "2" {
		t.Errorf("%s fit after fifty misses", got)
	}
	s = staying(600, 600, 600)
	r = ordered(t, "risk", 7200)
	if got := fits(r); got != "0" {
		t.Errorf("%s fit though all close before", got)
	}
	longest := 0.0
	for waited := 0.0; waited <= 7200; waited += 60 {
		r.Order.Waited = waited
		if fits(r) == "3" {
			longest = waited
			break
		}
	}
	if longest == 0 || longest > 7200 {
		t.Errorf("it starves")
	}
}
