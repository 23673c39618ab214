package predict

import (
	"container/list"
	"slices"
)

const (
	// kept is how many ended tasks of a kind are remembered, the largest of windows.
	kept = 160
	// maxKinds bounds the kinds that are remembered; the one that was used least recently makes room.
	maxKinds = 32 << 10
)

// windows are the numbers of ended tasks whose median is an estimate.
var windows = [...]int{3, 10, 20, 80, kept}

// past is what is remembered of the ended tasks of one kind.
type past struct {
	key    key
	ring   []float32 // logarithms, up to kept of them
	next   int
	errors [estimators]rolling // of the estimators on tasks of this kind; of scopes only
	misses []float32           // errors of the estimate, actual less estimated, for quantiles; of scopes only
	missed int
	fitted [shapes]rolling // how badly each shape of the distribution did; of scopes only
}

// add remembers one more ended task.
func (p *past) add(v float64) { p.ring, p.next = push(p.ring, p.next, v) }

// miss remembers the error of an estimate.
func (p *past) miss(v float64) { p.misses, p.missed = push(p.misses, p.missed, v) }

// push writes v over the oldest of up to kept values.
func push(ring []float32, next int, v float64) ([]float32, int) {
	if len(ring) < kept {
		return append(ring, float32(v)), 0
	}
	ring[next] = float32(v)
	return ring, (next + 1) % kept
}

// medians are the medians of the last n values for each n of windows; those of windows that are not filled are those of
// what there is. last is the newest.
func (p *past) medians() (m [len(windows)]float64, last float64) {
	n := len(p.ring)
	order := make([]float32, n) // the newest first
	for i := range order {
		order[i] = p.ring[((p.next-1-i)%n+n)%n]
	}
	last = float64(order[0])
	sorted := make([]float32, 0, n)
	done := 0
	for i, w := range windows {
		if w = min(w, n); w > done {
			sorted = append(sorted, order[done:w]...)
			slices.Sort(sorted)
			done = w
		}
		m[i] = (float64(sorted[(w-1)/2]) + float64(sorted[w/2])) / 2
	}
	return m, last
}

// kinds remembers the pasts of kinds, up to maxKinds.
type kinds struct {
	at   map[key]*list.Element // of *past
	used list.List             // the most recently used first
}

// find is the past of a kind, nil where there is none.
func (k *kinds) find(name key) *past {
	e := k.at[name]
	if e == nil {
		return nil
	}
	return e.Value.(*past)
}

// of is the past of a kind, which begins where there is none.
func (k *kinds) of(name key) *past {
	if e := k.at[name]; e != nil {
		k.used.MoveToFront(e)
		return e.Value.(*past)
	}
	if len(k.at) >= maxKinds {
		oldest := k.used.Back()
		delete(k.at, oldest.Value.(*past).key)
		k.used.Remove(oldest)
	}
	p := &past{key: name}
	k.at[name] = k.used.PushFront(p)
	return p
}
