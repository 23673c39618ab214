package placement

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/signaling"
)

// SetSpans sets the times of nodes (B3), in place of what was set before; a node that is not among them stays. Nothing is placed on a
// node whose time is 0: it is closed. The map is the snapshot's from then on.
func (s *Snapshot) SetSpans(spans map[signaling.NodeID]fit.Span) {
	s.writing.Lock()
	defer s.writing.Unlock()
	changed := map[*zone][]*item{}
	note := func(id signaling.NodeID, to fit.Span) {
		if it := s.ix.nodes[id]; it != nil && it.span != to {
			changed[it.zone] = append(changed[it.zone], it)
		}
	}
	for id, to := range spans {
		note(id, to)
	}
	for id := range s.spans {
		if _, still := spans[id]; !still {
			note(id, fit.Always)
		}
	}
	s.mu.Lock()
	s.spans = spans
	s.mu.Unlock()
	for z, items := range changed { // searches go on in between
		s.mu.Lock()
		for _, it := range items {
			it.setSpan(spans)
		}
		z.measureTime()
		s.mu.Unlock()
	}
	ends := s.ix.ends(spans)
	s.mu.Lock()
	s.ends = ends // last, since what t1 is capped at must not be less than a node's time that is not known yet to have passed
	s.mu.Unlock()
}

func (it *item) setSpan(spans map[signaling.NodeID]fit.Span) {
	span, some := spans[it.ID]
	if !some || span.Check() != nil {
		span = fit.Always
	}
	it.span = span
}

// measureTime has the blocks of a zone know how long their nodes stay.
func (z *zone) measureTime() {
	for k := range z.lists {
		for t := range z.lists[k] {
			for _, b := range z.lists[k][t].blocks {
				b.measureTime()
			}
		}
	}
}

// ends are the times of those nodes that do not stay, ascending, seconds.
func (ix *index) ends(spans map[signaling.NodeID]fit.Span) []float64 {
	out := make([]float64, 0, len(spans))
	for id, span := range spans {
		if ix.nodes[id] != nil && span.Bounded() {
			out = append(out, span.Free)
		}
	}
	slices.Sort(out)
	return out
}

// stays is what a share of the nodes stays for at least, busy ones too, seconds; infinite where so many do not go at all.
func (s *Snapshot) stays(share float64) float64 {
	at := int((1 - share) * float64(len(s.ix.nodes)))
	if share == 0 || at >= len(s.ends) {
		return math.Inf(1)
	}
	return s.ends[at]
}

// Bounded says that some node has a time of its own.
func (s *Snapshot) Bounded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.spans) > 0
}

// Lasts says whether a node's time is above what an order asks for; nil asks only that it is open. Of a node that is not known
// that is so.
func (s *Snapshot) Lasts(id signaling.NodeID, o *Order) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	it := s.ix.nodes[id]
	t1 := 0.0
	if o != nil {
		t1 = o.t1(s)
	}
	return it == nil || it.span.Free > t1
}

// seconds says a time in words.
func seconds(v float64) string {
	if v < 120 {
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64) + " s"
	}
	if v > 48*3600 {
		return strconv.FormatFloat(math.Round(v/360)/10/24, 'f', 1, 64) + " days"
	}
	return (time.Duration(math.Round(v/60)) * time.Minute).String()
}
