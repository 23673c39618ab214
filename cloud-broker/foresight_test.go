package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// histogram is a request for a computation, without its end.
const histogram = `{"type":"data-computation","operation":"histogram","modality":"CT","dataMB":12,"series":{"studyInstanceUID":"` + study +
	`","seriesInstanceUID":"` + series + `"}`

func computation(more ...string) string {
	return strings.Join(append([]string{histogram}, more...), ",") + "}"
}

// completes has an edge run a granted task to its end.
func (e *edge) completes(g signaling.Grant, usage signaling.Usage) {
	e.t.Helper()
	e.update(g, signaling.TaskRunning)
	e.b.eventually("the task runs", func() bool { return e.state(g) == signaling.TaskRunning })
	e.send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{Task: g.Task, Attempt: g.Attempt.ID, State: signaling.TaskFinished, Usage: &usage}})
	e.b.eventually("the task has ended", func() bool { return e.state(g) == signaling.TaskFinished })
}

// TestB2PredictionsAreLearntFromThePool by every broker alike, told with the task, kept with it, and measured against what was said
// when it was asked for.
func TestB2PredictionsAreLearntFromThePool(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		e := bs.join(0, newNode("near"))
		if f := decode[signaling.Forecast](t, bs.at(0).ask("POST", "/api/v1/forecast", computation()), http.StatusOK); f.Known || !strings.Contains(f.Basis, "no task") {
			t.Errorf("a cold start says %+v", f)
		}
		for i := range 4 {
			g := decode[signaling.Grant](t, bs.at(i).ask("POST", "/api/v1/tasks", computation()), http.StatusCreated)
			e.completes(g, signaling.Usage{RunMs: 1000, CPUMs: 700})
		}
		for i := range bs {
			bs.at(i).learns(4)
		}
		g := decode[signaling.Grant](t, bs.at(1).ask("POST", "/api/v1/tasks", computation()), http.StatusCreated)
		said := decode[signaling.Task](t, bs.at(2).ask("GET", "/api/v1/tasks/"+string(g.Task), ""), http.StatusOK)
		if said.Forecast == nil || !said.Forecast.Known || said.Forecast.ExpectedMs <= 0 || said.Forecast.HighMs < said.Forecast.ExpectedMs || said.Forecast.Basis == "" {
			t.Fatalf("%+v", said.Forecast)
		}
		e.update(g, signaling.TaskRunning)
		bs.at(0).eventually("the task runs", func() bool { return e.state(g) == signaling.TaskRunning })
		if now := decode[signaling.Task](t, bs.at(0).ask("GET", "/api/v1/tasks/"+string(g.Task), ""), http.StatusOK).Forecast; now == nil || now.ExpectedMs != said.Forecast.ExpectedMs || now.LeftMs <= 0 {
			t.Errorf("while it runs: %+v", now)
		}
		e.completes(g, signaling.Usage{RunMs: 1000, CPUMs: 700})
		bs.at(1).learns(5)
		scores := decode[struct{ Scores []foresight.Score }](t, bs.at(1).ask("GET", "/api/v1/predictions", ""), http.StatusOK).Scores
		if !slices.ContainsFunc(scores, func(s foresight.Score) bool { return s.Type == signaling.DataComputation && s.Tasks > 0 }) {
			t.Errorf("%+v", scores)
		}
		if m := string(bs.at(1).ask("GET", "/metrics", "").body); !strings.Contains(m, `tomocast_prediction_error_log{type="data-computation"}`) ||
			!strings.Contains(m, "tomocast_prediction_covered_90_ratio") || !strings.Contains(m, "tomocast_prediction_within_factor_2_ratio") {
			t.Error("the error is no metric")
		}
		h := decode[struct{ Tasks []pool.HistoryEntry }](t, bs.at(0).ask("GET", "/api/v1/history", ""), http.StatusOK).Tasks
		if h[0].Forecast == nil || h[0].Forecast.ExpectedMs != said.Forecast.ExpectedMs || h[0].Modality != "CT" || h[0].DataMB != 12 || h[0].Creator == "" {
			t.Errorf("%+v", h[0])
		}
	})
}

// TestB1QuotaOfAUser is kept by all brokers together, whoever gives the place: the request is refused by name, or waits where it would
// wait, until the user holds less.
func TestB1QuotaOfAUser(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		e := bs.join(0, newNode("near"))
		first := bs.at(0).submit()
		second := bs.at(1).submit()
		p := bs.at(2).ask("POST", "/api/v1/tasks", rendering)
		if why := p.problem(t); why.Code != signaling.ProblemQuota || !strings.Contains(why.Detail, "quota") {
			t.Errorf("%+v", why)
		}
		e.update(first, signaling.TaskRunning)
		bs.at(0).eventually("the session runs", func() bool { return e.state(first) == signaling.TaskRunning })
		c := e.accept(signaling.Accept{Task: "t-own", Attempt: "a-own", Request: requested(t, rendering), Creator: bs.at(0).task(first.Task).Creator})
		if c.Problem == nil || c.Problem.Code != signaling.ProblemQuota {
			t.Errorf("an edge took one more: %+v", c.Problem)
		}
		if decode[signaling.Grant](t, bs.at(0).ask("POST", "/api/v1/tasks", computation()), http.StatusCreated).Task == "" {
			t.Error("what is not bounded is refused")
		}
		w := bs.at(1).wait(body(`"whenFull":"queue"`))
		if !strings.Contains(w.Reason, "as much as you may") {
			t.Errorf("%+v", w)
		}
		s := bs.at(2).follow(w.Task)
		s.stands(1)
		bs.at(0).finish(second.Task)
		if g := s.grant(); g.Task != w.Task {
			t.Errorf("%+v", g)
		}
	}, "--sites", written(t, "sites.yaml", "quotas: {each: {encoder-sessions: 2}}\n"))
}

// TestB42ATaskWaitsForANodeThatStays: where no node has t > t1 it waits, with the reason shown, and an edge that closes sooner does
// not take it itself; the terms of the decision are told.
func TestB42ATaskWaitsForANodeThatStays(t *testing.T) {
	addr := redistest.Addr(t)
	b := start(t, "--redis", "redis://"+addr)
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = rdb.Close() }()
	e := b.join(newNode("closing"))
	for range 5 { // such tasks run for hours
		g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", computation()), http.StatusCreated)
		e.update(g, signaling.TaskRunning)
		b.eventually("the task runs", func() bool { return e.state(g) == signaling.TaskRunning })
		b.began(rdb, g.Task, 4*time.Hour)
		e.completes(g, signaling.Usage{RunMs: 4 * 3600 * 1000})
	}
	b.learns(5)
	soon := fmt.Sprintf(`{"expires":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	if r := b.ask("PUT", "/api/v1/nodes/closing/schedule", soon); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	x := decode[dispatch.Explained](t, b.ask("POST", "/api/v1/explain", `{"request":`+computation()+`}`), http.StatusOK)
	if len(x.Verdicts) != 1 || !strings.Contains(x.Verdicts[0].Rejected, "and the task is expected to need") ||
		x.Policy != "risk" || x.Forecast == nil || !x.Forecast.Known {
		t.Errorf("%+v", x)
	}
	w := b.wait(computation(`"whenFull":"queue"`))
	if !strings.Contains(w.Reason, "does not stay for longer than") {
		t.Errorf("%q", w.Reason)
	}
	c := e.accept(signaling.Accept{Task: "t-own", Attempt: "a-own", Request: requested(t, computation()), Creator: b.task(w.Task).Creator})
	if c.Problem == nil || c.Problem.Code != signaling.ProblemNoFreeNode || !strings.Contains(c.Problem.Title, "goes away") {
		t.Errorf("%+v", c.Problem)
	}
	s := b.follow(w.Task)
	s.stands(1)
	b.join(newNode("staying"))
	g := s.grant()
	if g.Attempt.Node != "staying" {
		t.Errorf("%+v", g.Attempt)
	}
	if terms := fmt.Sprint(g.Terms); !strings.Contains(terms, "risk") || !strings.Contains(terms, "distance") || !strings.Contains(terms, "uneven") {
		t.Errorf("%s", terms)
	}
}

// learns waits until a broker has learnt from so many tasks.
func (b *running) learns(tasks int) {
	b.t.Helper()
	b.eventually("the broker has learnt", func() bool {
		return strings.Contains(string(b.ask("GET", "/metrics", "").body), fmt.Sprintf("\ntomocast_history_learned_total %d\n", tasks))
	})
}

// began makes a running task older.
func (b *running) began(rdb *redis.Client, task signaling.TaskID, by time.Duration) {
	b.t.Helper()
	key := b.prefix() + ":task:" + string(task)
	if err := rdb.HIncrBy(b.t.Context(), key, "started", -by.Milliseconds()).Err(); err != nil {
		b.t.Fatal(err)
	}
}
