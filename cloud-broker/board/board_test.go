package board_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/board"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
)

// thing is what is shown.
type thing struct {
	Name  string
	Began time.Time
	Ended *time.Time
}

func entry(t thing) board.Entry {
	e := board.Entry{Key: t.Name, Began: t.Began}
	if t.Ended != nil {
		e.Ended = *t.Ended
	}
	return e
}

// broker is one with a board.
type broker struct {
	*board.Board[thing]
	t    *testing.T
	stop func()

	mu  sync.Mutex
	now []thing
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func newBroker(t *testing.T, rdb redis.UniversalClient, name string) *broker {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	p, err := pool.Open(t.Context(), rdb, pool.Options{Prefix: "{board}", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t}
	b.Board = board.New(board.Config[thing]{Pool: p, About: "things", Broker: name, Of: entry, Log: log, UnderWay: func() []thing {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Clone(b.now)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = b.Run(ctx) }) // it ends with ctx
	b.stop = func() {
		cancel()
		run.Wait()
	}
	t.Cleanup(b.stop)
	return b
}

// begin and end have things begin and end at a number of seconds after noon.
func (b *broker) begin(name string, at int) {
	b.mu.Lock()
	b.now = append(b.now, thing{Name: name, Began: noon.Add(time.Duration(at) * time.Second)})
	b.mu.Unlock()
	b.Changed()
}

func (b *broker) end(name string, at int) {
	when := noon.Add(time.Duration(at) * time.Second)
	b.mu.Lock()
	i := slices.IndexFunc(b.now, func(t thing) bool { return t.Name == name })
	t := b.now[i]
	b.now = slices.Delete(b.now, i, i+1)
	b.mu.Unlock()
	t.Ended = &when
	b.Report(t)
	b.Changed()
}

// shows is what a broker shows: the names of what is under way, a bar, and the names of what has ended.
func (b *broker) shows() string {
	underWay, ended := b.All(b.t.Context())
	var names []string
	for _, t := range underWay {
		names = append(names, t.Name)
	}
	names = append(names, "|")
	for _, t := range ended {
		names = append(names, t.Name)
	}
	return strings.Join(names, " ")
}

// eventually waits until a broker shows something.
func (b *broker) eventually(want string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); b.shows() != want; {
		if time.Now().After(deadline) {
			b.t.Fatalf("%q is shown, not %q", b.shows(), want)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// TestB9AllBrokersShowTheSame: what begins and ends at either is shown at both in one order, and what a broker had under way
// goes when it stops.
func TestB9AllBrokersShowTheSame(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		a, b := newBroker(t, rdb, "a"), newBroker(t, rdb, "b")
		a.begin("a1", 1)
		b.begin("b2", 2)
		a.begin("a3", 3)
		for _, at := range []*broker{a, b} {
			at.eventually("a1 b2 a3 |")
		}
		a.end("a1", 10)
		b.end("b2", 11)
		a.end("a3", 12)
		b.begin("b4", 4)
		for _, at := range []*broker{a, b} {
			at.eventually("b4 | a3 b2 a1")
		}
		b.stop()
		a.eventually("| a3 b2 a1")
		newBroker(t, rdb, "c").eventually("| a3 b2 a1")
	})
}

// TestB9WhatADeadBrokerHadUnderWayGoes: its word counts for seconds only, by Redis' clock.
func TestB9WhatADeadBrokerHadUnderWayGoes(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		a := newBroker(t, rdb, "a")
		if err := a.Pool.Tell(t.Context(), "things", "dead", []byte(`[{"Name":"d1"}]`), nil, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		a.eventually("|")
		a.begin("a1", 1)
		a.eventually("a1 |")
	})
}

// TestB9WithoutRedisABrokerShowsWhatItKnows, and tells the others when Redis is there again.
func TestB9WithoutRedisABrokerShowsWhatItKnows(t *testing.T) {
	s := redistest.Run(t)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = rdb.Close() })
	a := newBroker(t, rdb, "a")
	a.begin("a1", 1)
	a.begin("a2", 2)
	a.eventually("a1 a2 |")
	s.Stop()
	a.end("a1", 3)
	if got := a.shows(); got != "a2 | a1" {
		t.Errorf("%q is shown", got)
	}
}

// TestABoardIsBounded: the last reports are kept, and others are told of the first that began.
func TestABoardIsBounded(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		a, b := newBroker(t, rdb, "a"), newBroker(t, rdb, "b")
		const many = 1500
		for i := range many {
			a.begin(fmt.Sprint("n", i), i)
		}
		for i := range pool.MaxReports + 50 {
			a.end(fmt.Sprint("n", i), many+i)
		}
		last := fmt.Sprint("n", pool.MaxReports+49)
		for deadline := time.Now().Add(30 * time.Second); ; {
			underWay, ended := b.All(t.Context())
			if len(ended) == pool.MaxReports && ended[0].Name == last && len(underWay) == 1000 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d are under way, %d have ended", len(underWay), len(ended))
			}
			<-time.After(5 * time.Millisecond)
		}
	})
}

// TestWhatCannotBeReadIsLeftOut: a broker of another version may have told it.
func TestWhatCannotBeReadIsLeftOut(t *testing.T) {
	redistest.Kinds(t, func(t *testing.T, rdb redis.UniversalClient) {
		a := newBroker(t, rdb, "a")
		a.begin("a1", 1)
		err := a.Pool.Tell(t.Context(), "things", "other", []byte(`[{"Name":7}]`), [][]byte{[]byte(`{"Name":[]}`), []byte("{")}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		a.eventually("a1 |")
	})
}
