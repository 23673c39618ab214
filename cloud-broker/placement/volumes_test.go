package placement

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

func volumeKey(i int) string {
	return signaling.VolumeKey(signaling.SeriesRef{Source: "s", StudyInstanceUID: "1.2", SeriesInstanceUID: fmt.Sprintf("1.2.%d", i)})
}

func TestAStudyGoesWhereItIs(t *testing.T) {
	wanted, other := volumeKey(1), volumeKey(2)
	s := NewSnapshot()
	full := node("full", signaling.TierEdge, 1, signaling.Rendering)
	full.Free = signaling.Resources{}
	trainer := node("trainer", signaling.TierEdge, 1, signaling.Training)
	s.Replace([]signaling.Node{
		node("near", signaling.TierEdge, 2, signaling.Rendering), node("middle", signaling.TierEdge, 10, signaling.Rendering),
		node("within", signaling.TierEdge, 22, signaling.Rendering), node("beyond", signaling.TierEdge, 22.5, signaling.Rendering),
		node("cloud", signaling.TierCloud, 1, signaling.Rendering), node("cloud-2", signaling.TierCloud, 5, signaling.Rendering), full, trainer,
	}, map[signaling.NodeID][]string{
		"within": {other, wanted}, "beyond": {wanted}, "full": {wanted}, "trainer": {wanted}, "cloud-2": {wanted}, "gone": {wanted},
	})
	for _, c := range []struct {
		name   string
		volume string
		edit   func(*Request)
		limit  int
		want   string
	}{
		{"nobody asked", "", nil, 10, "near middle within beyond cloud cloud-2"},
		{"unknown volume", volumeKey(3), nil, 10, "near middle within beyond cloud cloud-2"},
		{"no key", "not a key of it", nil, 10, "near middle within beyond cloud cloud-2"},
		{"held and near enough", wanted, nil, 10, "within near beyond middle cloud-2 cloud"},
		{"beyond the first ones by distance", wanted, nil, 1, "within"},
		{"the limit holds", wanted, nil, 2, "within near"},
		{"too far", wanted, func(r *Request) { r.MaxDistanceMs = 20 }, 10, "near middle cloud-2 cloud"},
		{"excluded", wanted, func(r *Request) { r.Exclude = []signaling.NodeID{"within"} }, 10, "near beyond middle cloud-2 cloud"},
		{"the nearest are gone", wanted, func(r *Request) { r.Exclude = []signaling.NodeID{"near"} }, 10, "within beyond middle cloud-2 cloud"},
		{"no edge is free", wanted, func(r *Request) { r.Exclude = []signaling.NodeID{"near", "middle", "within", "beyond"} }, 10, "cloud-2 cloud"},
		{"of the type", wanted, func(r *Request) { r.Type = signaling.Training }, 10, "trainer"},
	} {
		r := Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Volume: c.volume}
		if c.edit != nil {
			c.edit(&r)
		}
		cands, _ := s.Candidates(r, c.limit)
		if got := names(cands); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	cands, _ := s.Candidates(Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Volume: wanted}, 3)
	if got, want := cands[0].Reasons[0], "has this series loaded already, 22 ms away; the next free edge node without it is 2 ms away"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	if !cands[0].Holds || cands[1].Holds {
		t.Errorf("%+v", cands)
	}

	// What a node holds follows it.
	search := func() string {
		cands, _ := s.Candidates(Request{Type: signaling.Rendering, Needs: signaling.DefaultResources(signaling.Rendering), Volume: wanted}, 2)
		return names(cands)
	}
	s.Apply(Change{Kind: Held, Node: node("within", signaling.TierEdge, 22), Volumes: []string{other}})
	if got := search(); got != "near beyond" {
		t.Errorf("after it let go: %q", got)
	}
	s.Apply(Change{Kind: Held, Node: node("middle", signaling.TierEdge, 10), Volumes: []string{wanted, "garbage", wanted}})
	if got := search(); got != "middle near" {
		t.Errorf("after another one has it: %q", got)
	}
	s.Apply(Change{Kind: Put, Node: node("middle", signaling.TierEdge, 11, signaling.Rendering)})
	if got := search(); got != "near beyond" {
		t.Errorf("after it registered anew: %q", got)
	}
	for _, n := range s.Nodes() {
		s.Apply(Change{Kind: Remove, Node: n})
	}
	if len(s.ix.held.holders) != 0 {
		t.Errorf("after all have left: %+v", s.ix.held)
	}
}

func TestAHeartbeatOfAnyKind(t *testing.T) {
	many := make([]string, 3*signaling.MaxVolumes)
	for i := range many {
		many[i] = volumeKey(i)
	}
	s := NewSnapshot()
	s.Apply(Change{Kind: Put, Node: node("a", signaling.TierEdge, 1, signaling.Rendering), Volumes: many})
	if n := len(s.ix.nodes["a"].volumes); n != signaling.MaxVolumes {
		t.Errorf("%d volumes are kept", n)
	}
	s.Apply(Change{Kind: Held, Node: node("a", signaling.TierEdge, 1), Volumes: []string{"", "x", strings.Repeat("0", 13), "00000000000g"}})
	if len(s.ix.nodes["a"].volumes)+len(s.ix.held.holders) != 0 {
		t.Errorf("%+v", s.ix.held)
	}
}
