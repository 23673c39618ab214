package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Explanation counts why nodes that were looked at are no candidates. Each node is counted once, by the first filter that it
// fails, in this order.
type Explanation struct {
	Type        signaling.TaskType
	Needs       signaling.Resources
	Nodes       int // in the snapshot
	Fit         int // candidates found
	NotType     int // do not take tasks of this type
	Stays       int // are where the data must not go
	TooFar      int // beyond MaxDistanceMs
	BeyondCloud int // not nearer than the cloud
	NotReady    int // starting, draining or lost
	Cordoned    int // an operator keeps tasks away
	Closing     int // go away before the task is expected to end, or are closed now (B4.2)
	NoOneGPU    int // no GPU of theirs has enough free alone
	Excluded    int // would fit, but are excluded
	// Complete says that all nodes were looked at. A search that found as many candidates as it was asked for
	// stops early.
	Complete bool
	T1       float64 // s, what a node's time had to be above; 0 where any time would do

	lacking [kinds]int
}

func (s *search) explanation(ix *index, complete bool) Explanation {
	n := &s.counts
	e := Explanation{Type: s.q.Type, Needs: s.q.Needs, Nodes: len(ix.nodes), Fit: len(s.out), NotType: n[notType], Stays: n[stays],
		TooFar: n[tooFar], BeyondCloud: n[beyondCloud], NotReady: n[notReady], Cordoned: n[isCordoned], NoOneGPU: n[noOneGPU],
		Excluded: n[excluded], Closing: n[closing], T1: s.q.t1, Complete: complete}
	copy(e.lacking[:], n[lacking:])
	return e
}

// Lacking is the number of nodes on which some resource is short.
func (e *Explanation) Lacking() int {
	n := e.NoOneGPU
	for _, v := range e.lacking {
		n += v
	}
	return n
}

// String says it in a sentence without a full stop, fit for a refusal, for example "of 3 nodes 1 takes no
// rendering tasks and 2 have less than one video encoder free".
func (e Explanation) String() string {
	if e.Nodes == 0 {
		return "no node has registered"
	}
	var parts []string
	add := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, strconv.Itoa(n)+" "+many)
		}
	}
	add(e.Fit, "fits", "fit")
	add(e.NotType, "takes no "+string(e.Type)+" tasks", "take no "+string(e.Type)+" tasks")
	add(e.Stays, "is where the data must not go", "are where the data must not go")
	add(e.NotReady, "is not ready", "are not ready")
	add(e.Cordoned, "is cordoned", "are cordoned")
	add(e.TooFar, "is too far away", "are too far away")
	add(e.BeyondCloud, "is no nearer than the cloud", "are no nearer than the cloud")
	needs := amountsOf(e.Needs)
	for k, n := range e.lacking {
		less := "less than " + describe(k, needs[k]) + " free"
		add(n, "has "+less, "have "+less)
	}
	if e.T1 > 0 {
		time := " stay for longer than the " + seconds(e.T1) + " that it is expected to need"
		add(e.Closing, "does not"+time, "do not"+time)
	} else {
		add(e.Closing, "is closed at this time", "are closed at this time")
	}
	add(e.NoOneGPU, "has no single GPU with enough free", "have no single GPU with enough free")
	add(e.Excluded, "has refused or is excluded", "have refused or are excluded")
	nodes := "nodes"
	if e.Nodes == 1 {
		nodes = "node"
	}
	if len(parts) > 1 {
		last := len(parts) - 1
		parts = append(parts[:last-1], parts[last-1]+" and "+parts[last])
	}
	return fmt.Sprintf("of %d %s %s", e.Nodes, nodes, strings.Join(parts, ", "))
}

// Verdict is what a request makes of one node.
type Verdict struct {
	Node       signaling.NodeID    `json:"node"`
	Tier       signaling.Tier      `json:"tier" enum:"edge,cloud"`
	State      signaling.NodeState `json:"state" enum:"starting,ready,cordoned,draining,lost"`
	Zone       string              `json:"zone,omitempty"`
	Fits       bool                `json:"fits"`
	Rejected   string              `json:"rejected,omitempty" doc:"every filter that it fails, in words"`
	DistanceMs float64             `json:"distanceMs" doc:"round trip to the terminal, milliseconds"`
	Basis      signaling.Basis     `json:"basis" enum:"configured,network,remembered,measured" doc:"how the distance is known"`
	Terms      []signaling.Term    `json:"terms" nullable:"false" doc:"what its cost is made of"`
	CostMs     float64             `json:"costMs" doc:"the sum of the terms: of the nodes of a tier that fit, the lowest is taken"`
}

// Explain says what r makes of every node: first those that fit, in the order of Candidates, then the others, edges before the cloud
// tier and by cost. At most limit are returned. It looks at every node, and is for people.
func (s *Snapshot) Explain(r Request, limit int) []Verdict {
	if limit <= 0 {
		return []Verdict{}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	run := s.scan(&r, r.window(limit), false)
	run.out = run.out[:min(limit, len(run.out))]
	w := words{q: &run.q}
	out := make([]Verdict, 0, len(run.out))
	for i := range run.out {
		c := &run.out[i]
		v := Verdict{Node: c.it.ID, Tier: c.it.Tier, State: c.it.State, Zone: c.it.Zone, DistanceMs: c.distance.ms(), Basis: c.basis,
			CostMs: c.cost.ms(), Terms: w.terms(nil, c, string(w.distance(nil, c.it, c.basis)))}
		if c.rank > 0 {
			v.Terms, v.CostMs = run.rank.terms(v.Terms, c)
		}
		v.Rejected = run.q.rejections(c.it, c.distance)
		v.Fits = v.Rejected == ""
		out = append(out, v)
	}
	return out
}

// Scan returns what Candidates does, without reasons, by scoring every node: the plain way, which Candidates is measured against.
func (s *Snapshot) Scan(r Request, limit int) []Candidate {
	if limit <= 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	run := s.scan(&r, r.window(limit), true)
	run.out = run.out[:min(limit, len(run.out))]
	out := make([]Candidate, 0, len(run.out))
	for i := range run.out {
		c := &run.out[i]
		out = append(out, Candidate{Node: c.it.ID, Tier: c.it.Tier, DistanceMs: c.distance.ms(), Basis: c.basis,
			Holds: run.q.byVolume && c.it.holds(run.q.volume)})
	}
	return out
}

// scan scores every node and keeps the best limit ones: those that fit before the others, which are left out where onlyFit.
func (s *Snapshot) scan(r *Request, limit int, onlyFit bool) *search {
	run := &search{q: s.query(r)}
	q := &run.q
	q.setCloud(s.distances, q.sightings(s.ix, nil))
	var preferred []*item
	if q.byVolume {
		preferred = s.ix.held.nearest(q.volume, &q.row, nil)
	}
	type scored struct {
		choice
		fits bool
	}
	compare := func(a, b *scored) int {
		if a.fits != b.fits {
			if a.fits {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.it.tier, b.it.tier), a.before(&b.choice))
	}
	// A few are kept in order from the beginning; many are put in order in the end.
	few := limit <= 256
	best := make([]scored, 0, min(limit, len(s.ix.nodes))+1)
	for _, it := range s.ix.nodes {
		if onlyFit && (q.kind < 0 || it.tier < 0 || !it.takes(q.kind)) {
			continue
		}
		d, basis := q.distance(it)
		c := scored{choice{it: it, distance: d, basis: basis}, q.kind >= 0 && it.tier >= 0 && it.takes(q.kind) && q.judge(it, d) == fits}
		if onlyFit && !c.fits {
			continue
		}
		c.cost = d + it.history(q.kind)
		if c.preferred = q.byVolume && it.holds(q.volume) && (basis != signaling.BasisConfigured || slices.Contains(preferred, it)); c.preferred {
			c.cost -= nearEnough
		}
		if !few {
			best = append(best, c)
			continue
		}
		if len(best) == limit && compare(&c, &best[limit-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, c, func(a, b scored) int { return compare(&a, &b) })
		if best = slices.Insert(best, at, c); len(best) > limit {
			best = best[:limit]
		}
	}
	if !few {
		slices.SortFunc(best, func(a, b scored) int { return compare(&a, &b) })
		best = best[:min(limit, len(best))]
	}
	fitting := 0
	for i := range best {
		run.out = append(run.out, best[i].choice)
		if best[i].fits {
			fitting++
		}
	}
	rest := run.out[fitting:]
	run.out = run.out[:fitting:fitting]
	run.order()
	run.out = append(run.out, rest...)
	return run
}

// rejections says every filter that a node at a distance fails, in words; empty where it fits.
func (q *query) rejections(it *item, d micros) string {
	var parts []string
	if q.kind < 0 || !it.takes(q.kind) {
		parts = append(parts, "takes no "+string(q.Type)+" tasks")
	}
	if it.tier < 0 {
		parts = append(parts, "is of a tier that this broker does not know")
	}
	if q.leaves(it.Zone) {
		parts = append(parts, "is where the data must not go")
	}
	switch it.State {
	case signaling.NodeReady:
	case signaling.NodeCordoned:
		parts = append(parts, "is cordoned")
	default:
		parts = append(parts, "is not ready: "+string(it.State))
	}
	if it.Tier != signaling.TierCloud {
		if d > q.limit {
			parts = append(parts, "is too far away: "+d.String()+", at most "+q.limit.String())
		}
		if d >= q.cloud {
			parts = append(parts, "is no nearer than the cloud, which is "+q.cloud.String()+" away")
		}
	}
	// What is free is told whatever the state.
	n := it.Node
	n.State = signaling.NodeReady
	free := offers(&n)
	short := false
	for k := range free {
		if q.needs[k] > free[k] {
			parts = append(parts, "has less than "+describe(k, q.needs[k])+" free")
			short = true
		}
	}
	if !short && !q.needs.fitsOneGPU(&n) {
		parts = append(parts, "has no single GPU with enough free")
	}
	switch {
	case it.span.Free > q.t1:
	case q.t1 > 0 && it.span.Free > 0:
		parts = append(parts, "stays for "+seconds(it.span.Free)+", and the task is expected to need "+seconds(q.t1))
	default:
		parts = append(parts, "is closed at this time")
	}
	if slices.Contains(q.Exclude, it.ID) {
		parts = append(parts, "has refused or is excluded")
	}
	return strings.Join(parts, "; ")
}
