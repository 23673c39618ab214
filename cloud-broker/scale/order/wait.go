package order

import (
	"slices"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Wait is an order that waits in a component.
type Wait struct {
	Order
	Due time.Time // when it is looked at again
	End time.Time // when it is given up
	Why string
}

func (w Wait) waits() Wait { return w }

// Waits are the orders that wait in a component, each a Wait or with one embedded, in the order in which they came.
type Waits[W interface{ waits() Wait }] []W

// Due takes out those that are due.
func (q *Waits[W]) Due(now time.Time) []W {
	return q.take(func(w Wait) bool { return !now.Before(w.Due) })
}

// Of takes out those of a task.
func (q *Waits[W]) Of(task signaling.TaskID) []W {
	return q.take(func(w Wait) bool { return w.Task == task })
}

func (q *Waits[W]) take(wanted func(Wait) bool) (out []W) {
	*q = slices.DeleteFunc(*q, func(w W) bool {
		if wanted(w.waits()) {
			out = append(out, w)
			return true
		}
		return false
	})
	return out
}

// Next is when the first is due; false where none waits.
func (q Waits[W]) Next() (next time.Time, ok bool) {
	for i, w := range q {
		if due := w.waits().Due; i == 0 || due.Before(next) {
			next = due
		}
	}
	return next, len(q) > 0
}

// All are those that wait, as they are known outside their component.
func (q Waits[W]) All() []Wait {
	out := make([]Wait, len(q))
	for i, w := range q {
		out[i] = w.waits()
	}
	return out
}

// Reasons are why each waits, by the order's id.
func (q Waits[W]) Reasons() map[int64]string {
	out := make(map[int64]string, len(q))
	for _, w := range q {
		out[w.waits().ID] = w.waits().Why
	}
	return out
}
