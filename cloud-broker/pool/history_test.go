package pool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// The history keeps the task's parameters (B1) and what was predicted of it; a site can have who asked left out (B2).
func TestB1HistoryKeepsTheParameters(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		c := claim("t1", "e1")
		c.Request = signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", Framework: "cpu", Modality: "CT", DataMB: 12,
			Parameters: json.RawMessage(`{"bins":64}`)}
		c.Said = pool.Said{Forecast: &signaling.Forecast{Known: true, ExpectedMs: 5000, HighMs: 9000, Basis: "3 ended tasks"}}
		r := p.claim(c)
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskRunning}))
		if f := p.wantTask("t1", signaling.TaskRunning).Forecast; f == nil || f.ExpectedMs != 5000 {
			t.Errorf("what was predicted is %+v", f)
		}
		p.must(p.Update(p.ctx, signaling.Update{Task: "t1", Attempt: r.Attempt.ID, State: signaling.TaskFinished}))
		_, err := p.EnqueueSaid(p.ctx, "", signaling.Task{ID: "t2", Request: signaling.TaskRequest{Type: signaling.Rendering,
			Parameters: json.RawMessage(`{"view":{"viewports":[{"mode":"mip","preset":"vessels"}]}}`)}, Creator: "anna"}, false, pool.Said{Unnamed: true})
		p.must(err)
		_, err = p.Release(p.ctx, "t2", "", signaling.TaskExpired, "it left", nil)
		p.must(err)
		h, err := p.History(p.ctx, 10)
		p.must(err)
		if len(h) != 2 {
			t.Fatalf("%d entries", len(h))
		}
		if e := h[1]; e.Framework != "cpu" || e.Modality != "CT" || e.DataMB != 12 || e.Operation != "histogram" || e.Creator != pool.Pseudonym("anna") ||
			e.Creator == "anna" || e.Forecast == nil || e.Forecast.HighMs != 9000 || string(e.Parameters) != `{"bins":64}` {
			t.Errorf("%+v", e)
		}
		if e := h[0]; e.Creator != "" || e.Preset != "mip vessels" {
			t.Errorf("%+v", e)
		}
	})
}

// What was predicted is no part of what was asked: a repeated request is the same when the prediction has changed meanwhile.
func TestB2PredictionsDoNotMakeRequestsDiffer(t *testing.T) {
	onBoth(t, pool.Options{}, func(p fixture) {
		p.register(edge("e1"), 0)
		c := claim("t1", "e1")
		c.Key = "k"
		c.Said.Forecast = &signaling.Forecast{Known: true, ExpectedMs: 1}
		p.claim(c)
		c.Said.Forecast, c.Task = &signaling.Forecast{Known: true, ExpectedMs: 2}, "t2"
		if r := p.claim(c); r.Task != "t1" {
			t.Errorf("the repeated request got task %s", r.Task)
		}
	})
}

// The history is read as it grows: every ended task once, in the order in which they ended, also those of one moment.
func TestB2HistoryIsReadAsItGrows(t *testing.T) {
	onBoth(t, pool.Options{HistoryLimit: 1000}, func(p fixture) {
		end := func(id string) {
			_, err := p.PutTask(p.ctx, "", signaling.Task{ID: signaling.TaskID(id), State: signaling.TaskFailed, Request: rendering()})
			p.must(err)
		}
		var at pool.Cursor
		var got []string
		read := func(limit int) {
			for {
				some, next, err := p.Ended(p.ctx, at, limit)
				p.must(err)
				at = next
				if len(some) == 0 {
					return
				}
				for _, e := range some {
					got = append(got, string(e.Task))
				}
			}
		}
		want := map[string]bool{}
		for round := range 3 {
			for i := range 20 {
				id := fmt.Sprintf("t%d-%d", round, i)
				end(id)
				want[id] = true
			}
			read(3 + round)
		}
		if len(got) != len(want) {
			t.Fatalf("%d tasks were read, %d ended", len(got), len(want))
		}
		for i, id := range got {
			if !want[id] {
				t.Errorf("%s was read twice, or is nobody's", id)
			}
			delete(want, id)
			if round := fmt.Sprint("t", i/20); !strings.HasPrefix(id, round) {
				t.Errorf("number %d is %s", i, id)
			}
		}
		from, err := p.Latest(p.ctx, 5)
		p.must(err)
		newest, _, err := p.Ended(p.ctx, from, 100)
		p.must(err)
		if len(newest) > 5 {
			t.Errorf("of the newest 5 there are %d", len(newest))
		}
		begun, err := p.Begun(p.ctx, 100, func(id signaling.TaskID) bool { return id != "t2-19" })
		p.must(err)
		if len(begun) != 1 || begun[0].Task != "t2-19" {
			t.Errorf("%+v", begun)
		}
	})
}
