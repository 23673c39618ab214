package scaling

import (
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/board"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
)

func told(o *order.Order) Order {
	return Order{Task: o.Task, Node: o.Node, Kind: o.Kind.String(), Direction: string(o.Direction), From: o.From, To: o.To(),
		CreatedAt: o.Created.UTC().Round(0)}
}

func waits(w order.Wait) Order {
	o := told(&w.Order)
	due := w.Due.UTC().Round(0)
	o.State, o.Why, o.DueAt = "waiting", w.Why, &due
	return o
}

func ended(r order.Report) Order {
	o := told(&r.Order)
	at := r.At.UTC().Round(0)
	o.State, o.Why, o.EndedAt = string(r.Outcome), r.Reason, &at
	return o
}

// report hears how an order ended.
func (s *Scaler) report(r order.Report) {
	o := ended(r)
	s.orders.WithLabelValues(o.Kind, o.Direction, o.State).Inc()
	s.Log.Debug("scaled", "task", o.Task, "node", o.Node, "kind", o.Kind, "direction", o.Direction, "from", o.From, "to", o.To,
		"outcome", o.State, "reason", o.Why, "took", r.At.Sub(r.Order.Created).Round(time.Millisecond))
	s.board.Report(o)
}

// entry is an order as the board tells it apart.
func entry(o Order) board.Entry {
	e := board.Entry{Key: fmt.Sprint(o.Task, " ", o.Node, " ", o.Kind, " ", o.CreatedAt.UnixNano()), Began: o.CreatedAt}
	if o.EndedAt != nil {
		e.Ended = *o.EndedAt
	}
	return e
}
