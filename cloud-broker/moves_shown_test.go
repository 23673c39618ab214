package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/signaling"
)

// told waits until all of some words are in one thing that the brokers have told of what they do. It asks the pool, which has
// no limit of requests.
func (b *running) told(about string, words ...string) {
	b.t.Helper()
	b.eventually("the brokers have told of it", func() bool {
		underWay, reports, err := b.pooled.Load().Told(b.t.Context(), about)
		if err != nil {
			b.t.Fatal(err)
		}
		return slices.ContainsFunc(append(slices.Collect(maps.Values(underWay)), reports...), func(text string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
		})
	})
}

// shows is the only move that a broker shows.
func (b *running) shows(task signaling.TaskID) signaling.Moving {
	b.t.Helper()
	all := b.moving()
	if len(all) != 1 || all[0].Task != task {
		b.t.Fatalf("shown are %+v", all)
	}
	return all[0]
}

// TestB9OperatorsSeeTheMovesOfAllBrokers: whichever broker they ask, under way and ended, with the task's type; and what a
// broker does that was asked by another one.
func TestB9OperatorsSeeTheMovesOfAllBrokers(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		m, _ := bs.begins("a", "b")
		bs[0].told("moves", string(m.grant.Task), "handing-over")
		for _, b := range bs {
			if got := b.shows(m.grant.Task); got.State != "handing-over" || got.Type != signaling.Rendering || got.From != "a" || got.To != "b" || got.EndedAt != nil {
				t.Errorf("under way: %+v", got)
			}
		}
		line := decode[signaling.NodeTime](t, bs.at(0).ask("GET", "/api/v1/nodes/b/time", ""), http.StatusOK)
		if len(line.Tasks) != 1 || !line.Tasks[0].Moves || line.Tasks[0].Shadow {
			t.Errorf("on its way to b: %+v", line.Tasks)
		}
		m.b.arrived(m.there)
		bs[0].told("moves", string(m.grant.Task), "endedAt")
		for _, b := range bs {
			if got := b.shows(m.grant.Task); got.State != "moved" || got.Type != signaling.Rendering || got.EndedAt == nil {
				t.Errorf("ended: %+v", got)
			}
		}
	})
}

// TestB9OperatorsSeeTheOrdersOfAllBrokers: the orders about tasks on an edge are made by the broker that has its link.
func TestB9OperatorsSeeTheOrdersOfAllBrokers(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		e := bs.join(1, newNode("a"))
		g := bs.at(0).submit()
		receive(t, "the instruction", e.instructions)
		e.update(g, signaling.TaskRunning)
		asked := e.has().GPUMilli
		e.uses(0.01, "it is shrunk", func() bool { return e.has().GPUMilli < asked })
		bs[0].told("scaling", string(g.Task), "shrink", "done")
		for _, b := range bs {
			all := decode[struct{ Reports []scaling.Order }](t, b.ask("GET", "/api/v1/scaling", ""), http.StatusOK)
			if !slices.ContainsFunc(all.Reports, func(o scaling.Order) bool {
				return o.Task == g.Task && o.Node == "a" && o.Direction == "shrink" && o.State == "done"
			}) {
				t.Errorf("shown are %+v", all.Reports)
			}
		}
	}, "--sites", hasty(t))
}
