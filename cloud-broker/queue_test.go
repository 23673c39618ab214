package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// TestTheQueueGivesPlacesInItsOrder, whichever broker each terminal follows its task at, and tells each where it stands.
func TestTheQueueGivesPlacesInItsOrder(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		bs.join(0, single("only", 0))
		last := bs.at(0).submit().Task
		bs.full("only")
		const n = 5
		var waiting [n]*listener
		var tasks [n]signaling.TaskID
		for i := range n {
			p := bs.at(i).wait(waits)
			if p.Queue == nil || p.Queue.Position != i+1 {
				t.Errorf("%d: %+v", i, p.Queue)
			}
			tasks[i], waiting[i] = p.Task, bs.at(i+1).follow(p.Task) // at another broker than it was asked
			waiting[i].stands(i + 1)
		}
		for i := range n {
			bs.at(i).finish(last)
			g := waiting[i].grant()
			if g.Task != tasks[i] {
				t.Fatalf("%d: %+v", i, g)
			}
			last = g.Task
			for k := i + 1; k < n; k++ {
				waiting[k].stands(k - i)
			}
		}
	})
}

// TestWhoeverComesDoesNotOvertake those who wait for what is free.
func TestWhoeverComesDoesNotOvertake(t *testing.T) {
	b := start(t)
	b.join(single("only", 0))
	first := b.submit()
	brokers{b}.full("only")
	waiting := b.wait(waits) // nobody follows it yet, so nobody places it
	b.eventually("the broker knows of the queue", func() bool {
		return strings.Contains(string(b.ask("GET", "/metrics", "").body), "tomocast_queue_length 1\n")
	})
	b.finish(first.Task)
	brokers{b}.know("it is free", "only", func(n signaling.Node) bool { return n.Free.EncoderSessions == 1 })
	if p := b.ask("POST", "/api/v1/tasks", rendering).problem(t); p.Code != signaling.ProblemNoFreeNode || !strings.Contains(p.Detail, "thers wait") {
		t.Errorf("%+v", p)
	}
	if c := b.ask("GET", "/api/v1/nodes/only", ""); c.status != 200 {
		t.Error(c.status)
	}
	if g := b.follow(waiting.Task).grant(); g.Task != waiting.Task {
		t.Errorf("%+v", g)
	}
}

// TestASmallTaskTakesWhatALargeOneCannot, until the large one has waited for long: the broker's rule for that is tested with
// its own clock.
func TestASmallTaskTakesWhatALargeOneCannot(t *testing.T) {
	b := start(t)
	b.join(single("only", 0))
	b.submit()
	brokers{b}.full("only")
	large := b.wait(waits)
	b.follow(large.Task).stands(1)
	if g := decode[signaling.Grant](t, b.ask("POST", "/api/v1/tasks", `{"type":"data-computation","operation":"histogram"}`), 201); g.Attempt.Node != "only" {
		t.Errorf("%+v", g)
	}
}

// TestATaskOutlivesTheBrokerThatItIsFollowedAt: its terminal comes to another one and is placed in its turn.
func TestATaskOutlivesTheBrokerThatItIsFollowedAt(t *testing.T) {
	with := []string{"--redis", "redis://" + redistest.Addr(t)}
	bs := brokers{start(t, with...), start(t, with...)}
	bs.join(1, single("only", 0))
	first := bs[1].submit()
	bs.full("only")
	p := bs[0].wait(waits, "Idempotency-Key", "k")
	bs[0].follow(p.Task).stands(1)
	behind := bs[1].wait(waits)
	later := bs[1].follow(behind.Task)
	later.stands(2)
	if err := bs[0].end(); err != nil {
		t.Fatal(err)
	}
	// The request repeated at another broker is the same task in the same place.
	again := bs[1].wait(waits, "Idempotency-Key", "k")
	if again.Task != p.Task || again.Queue.Position != 1 {
		t.Errorf("%+v", again)
	}
	s := bs[1].follow(p.Task)
	s.stands(1)
	bs[1].finish(first.Task)
	if g := s.grant(); g.Task != p.Task {
		t.Errorf("%+v", g)
	}
	later.stands(1)
}

// TestARefusedTurnIsNoEnd: a node that refuses a waiting task is not asked again soon, and another one that becomes free
// is.
func TestARefusedTurnIsNoEnd(t *testing.T) {
	b := start(t)
	refusing := b.join(single("refusing", 0), func(e *edge) {
		first := true
		e.instruct = func(signaling.Instruction) *signaling.Problem {
			if first {
				first = false
				return nil
			}
			return &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "The texture is too large."}
		}
	})
	g := b.submit()
	brokers{b}.full("refusing")
	p := b.wait(waits)
	s := b.follow(p.Task)
	s.stands(1)
	b.finish(g.Task)
	receive(t, "the first instruction", refusing.instructions)
	receive(t, "the second instruction", refusing.instructions)
	b.join(single("other", 5))
	if g := s.grant(); g.Attempt.Node != "other" {
		t.Errorf("%+v", g)
	}
	if len(refusing.instructions) != 0 {
		t.Error("the node that refused was asked again")
	}
}

// TestARedisThatForgotTheQueue gets it back from those who follow their tasks.
func TestARedisThatForgotTheQueue(t *testing.T) {
	addr := redistest.Addr(t)
	b := start(t, "--redis", "redis://"+addr)
	e := b.join(single("only", 0))
	first := b.submit()
	brokers{b}.full("only")
	p := b.wait(waits)
	s := b.follow(p.Task)
	s.stands(1)
	rdb, err := pool.Connect("redis://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	e.beat()
	receive(t, "the link's end", e.done)
	e.connect()
	b.eventually("the task waits again", func() bool {
		_, err := b.pooled.Load().Task(t.Context(), p.Task)
		return err == nil
	})
	b.finish(first.Task)
	if g := s.grant(); g.Task != p.Task {
		t.Errorf("%+v", g)
	}
}

// TestUrgentGoesFirst: before others in the queue, for who has the right.
func TestUrgentGoesFirst(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		bs.join(0, single("only", 0))
		first := bs.at(0).submit()
		bs.full("only")
		usual, urgent := bs.at(0).wait(waits), bs.at(1).wait(body(`"whenFull":"queue"`, `"urgent":true`))
		if urgent.Queue.Position != 1 || !urgent.Queue.Urgent {
			t.Errorf("%+v", urgent.Queue)
		}
		s, u := bs.at(1).follow(usual.Task), bs.at(2).follow(urgent.Task)
		s.stands(2)
		u.stands(1)
		bs.at(0).finish(first.Task)
		if g := u.grant(); g.Task != urgent.Task {
			t.Errorf("%+v", g)
		}
		s.stands(1)
	})
}

// TestUrgentEndsAnIdleSession where nothing is free: the one that has been idle for longest, whose terminal is told why; none
// that is in use or urgent itself.
func TestUrgentEndsAnIdleSession(t *testing.T) {
	eachPool(t, func(t *testing.T, bs brokers) {
		node := newNode("only")
		node.Capacity.EncoderSessions = 4
		node.Capacity.GPUMilli = 1000
		e := bs.join(0, node)
		inUse, idle, idler := bs.at(0).submit(), bs.at(1).submit(), bs.at(2).submit()
		urgent := decode[signaling.Grant](t, bs.at(0).ask("POST", "/api/v1/tasks", body(`"urgent":true`)), 201)
		bs.full("only")
		for _, g := range []signaling.Grant{inUse, idle, idler, urgent} {
			e.update(g, signaling.TaskRunning)
		}
		ask := body(`"urgent":true`)
		if p := bs.at(1).ask("POST", "/api/v1/tasks", ask).problem(t); p.Code != signaling.ProblemNoFreeNode {
			t.Errorf("nobody is idle: %+v", p)
		}
		e.mu.Lock()
		e.idle = map[signaling.AttemptID]int64{idle.Attempt.ID: 31_000, idler.Attempt.ID: 50_000, urgent.Attempt.ID: 60_000, inUse.Attempt.ID: 1000}
		e.mu.Unlock()
		e.beat()
		var g signaling.Grant
		bs.at(1).eventually("an idle session makes room", func() bool {
			r := bs.at(1).ask("POST", "/api/v1/tasks", ask)
			if r.status == 201 {
				g = decode[signaling.Grant](t, r, 201)
			}
			return r.status == 201
		})
		release := receive(t, "the release", e.releases)
		if release.Attempt != idler.Attempt.ID || release.Problem == nil || release.Problem.Code != signaling.ProblemPreempted || release.Fencing <= idler.Attempt.Fencing {
			t.Errorf("%+v", release)
		}
		if g.Attempt.Node != "only" || !strings.Contains(strings.Join(g.Reasons, " "), "made room") {
			t.Errorf("%+v", g)
		}
		ended := decode[signaling.Task](t, bs.at(2).ask("GET", "/api/v1/tasks/"+string(idler.Task), ""), 200)
		if !ended.State.Ended() || !strings.Contains(ended.Reason, "pre-empted") {
			t.Errorf("%+v", ended)
		}
		if look := decode[signaling.Task](t, bs.at(0).ask("GET", "/api/v1/tasks/"+string(idle.Task), ""), 200); look.State.Ended() {
			t.Errorf("%+v", look)
		}
	})
}

// TestUrgentIsARight of its own: without it the request is refused by name.
func TestUrgentIsARight(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-urgent", "surgeons")
	b.join(newNode("near"))
	ask := func(groups ...string) reply {
		return b.do("POST", "/api/v1/tasks", body(`"urgent":true`), "Authorization", "Bearer "+token("anna", groups...))
	}
	if r := ask(); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "urgent") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := ask("surgeons"); r.status != http.StatusCreated {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// TestAFloodDelaysOnlyWhoFloods: somebody else's task is next after one of theirs, however many they have waiting, and more
// than so many of one person are not taken.
func TestAFloodDelaysOnlyWhoFloods(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast")
	b.join(single("only", 0))
	as := func(who string) []string { return []string{"Authorization", "Bearer " + token(who)} }
	first := decode[signaling.Grant](t, b.do("POST", "/api/v1/tasks", rendering, as("anna")...), 201)
	brokers{b}.full("only")
	var flood signaling.TaskID
	for i := range 20 {
		p := decode[signaling.Pending](t, b.do("POST", "/api/v1/tasks", waits, as("anna")...), 202)
		if i == 0 {
			flood = p.Task
		}
	}
	p := decode[signaling.Pending](t, b.do("POST", "/api/v1/tasks", waits, as("bert")...), 202)
	if p.Queue.Position > 2 || p.Queue.Length != 21 {
		t.Errorf("%+v", p.Queue)
	}
	bert, anna := b.follow(p.Task, as("bert")...), b.follow(flood, as("anna")...)
	r := b.do("DELETE", "/api/v1/tasks/"+string(first.Task), "", as("anna")...)
	if r.status != 200 {
		t.Fatal(fmt.Sprint(r.status, string(r.body)))
	}
	g := anna.grant()
	b.do("DELETE", "/api/v1/tasks/"+string(g.Task), "", as("anna")...)
	if g := bert.grant(); g.Task != p.Task {
		t.Errorf("%+v", g)
	}
}
