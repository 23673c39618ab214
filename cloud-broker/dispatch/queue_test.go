package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// line is a queue over a few nodes, with a clock of its own.
type line struct {
	*queue
	t   *testing.T
	now time.Time
	all []pool.Queued
}

// memory is more than all tasks of a line take.
const memory = 1 << 20

// newLine makes nodes with processor time free of what they have, in thousandths.
func newLine(t *testing.T, free, capacity map[signaling.NodeID]int64) *line {
	s := placement.NewSnapshot()
	for id, f := range free {
		s.Apply(placement.Change{Node: signaling.Node{ID: id, Tier: signaling.TierEdge, State: signaling.NodeReady,
			Types: []signaling.TaskType{signaling.DataComputation}, Capacity: signaling.Resources{CPUMilli: capacity[id], MemoryMB: memory},
			Free: signaling.Resources{CPUMilli: f, MemoryMB: memory}}})
	}
	return &line{queue: newQueue(&Dispatcher{Config: Config{Snapshot: s, Changed: NewBell()}}), t: t, now: time.Unix(1000, 0)}
}

func request(cpu int64) signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.DataComputation, Resources: &signaling.Resources{CPUMilli: cpu}}
}

// waits puts a task at the end, and follows it where followed is set.
func (l *line) waits(id signaling.TaskID, cpu int64, urgent, followed bool) {
	l.t.Helper()
	r := request(cpu)
	l.all = append(l.all, pool.Queued{Task: id, Type: r.Type, Needs: r.Needs(), Request: r, Urgent: urgent})
	if followed {
		if _, err := l.join(job{id: id, request: r}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// turns goes through the queue once, and returns whose turn it is and which nodes each must leave to others.
func (l *line) turns() map[signaling.TaskID][]signaling.NodeID {
	l.read(l.all, len(l.all), l.now)
	out := map[signaling.TaskID][]signaling.NodeID{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.goThrough(l.now, func(f *follower, exclude []signaling.NodeID) { out[f.id] = exclude })
	return out
}

// comes says whether a request that comes now is behind all that is free.
func (l *line) comes(cpu int64, urgent bool) bool {
	r := request(cpu)
	r.Urgent = urgent
	behind, _ := l.before(&job{request: r})
	return behind
}

func (l *line) is(id signaling.TaskID, turn bool, exclude ...signaling.NodeID) {
	l.t.Helper()
	got, has := l.turns()[id]
	if has != turn || turn && !slices.Equal(got, exclude) {
		l.t.Errorf("%s has its turn: %v without %q, want %v without %q", id, has, got, turn, exclude)
	}
}

func TestEachGetsAShareOfItsOwn(t *testing.T) {
	l := newLine(t, map[signaling.NodeID]int64{"a": 1000, "b": 500}, map[signaling.NodeID]int64{"a": 1000, "b": 1000})
	l.waits("first", 1000, false, true)
	l.waits("second", 500, false, true)
	l.waits("third", 500, false, true)
	l.is("first", true)
	l.is("second", true, "a")
	l.is("third", false)
	if !l.comes(500, false) {
		t.Error("who comes takes what others wait for")
	}
	if l.comes(500, true) {
		t.Error("an urgent request is behind others")
	}
}

// Whoever is not there to take what is free is waited for, but not for long.
func TestWhoDoesNotTakeItsTurnLosesIt(t *testing.T) {
	l := newLine(t, map[signaling.NodeID]int64{"a": 500}, map[signaling.NodeID]int64{"a": 500})
	l.waits("nobody's", 500, false, false)
	l.waits("mine", 500, false, true)
	l.is("mine", false)
	l.now = l.now.Add(chanceFor)
	l.is("mine", false)
	l.now = l.now.Add(time.Millisecond)
	l.is("mine", true)
}

// A large task is overtaken by smaller ones only until it has waited for long; then the node that lacks least is kept free
// for it.
func TestALargeTaskDoesNotStarve(t *testing.T) {
	l := newLine(t, map[signaling.NodeID]int64{"a": 300, "b": 600, "small": 400}, map[signaling.NodeID]int64{"a": 1000, "b": 1000, "small": 400})
	l.waits("large", 1000, false, true)
	l.waits("little", 300, false, true)
	l.is("large", false)
	l.is("little", true)
	if l.comes(500, false) {
		t.Error("a request may take what is too little for the large task")
	}
	l.now = l.now.Add(oldAfter + time.Millisecond)
	l.is("large", false)
	l.is("little", true, "b")
	if !l.comes(500, false) {
		t.Error("a request overtakes a task that has waited for long")
	}
	if l.comes(300, false) {
		t.Error("a request may take what the large task can never have")
	}
	l.d.Snapshot.Apply(placement.Change{Kind: placement.Amounts, Node: signaling.Node{ID: "b", State: signaling.NodeReady, Free: signaling.Resources{CPUMilli: 1000, MemoryMB: memory}}})
	l.is("large", true)
}

// An urgent task that finds nothing free has its turn all the same: it may take an idle session's place.
func TestAnUrgentTaskAlwaysHasItsTurn(t *testing.T) {
	l := newLine(t, map[signaling.NodeID]int64{"a": 0}, map[signaling.NodeID]int64{"a": 500})
	l.waits("urgent", 500, true, true)
	l.waits("usual", 500, false, true)
	l.is("urgent", true)
	l.is("usual", false)
}

func TestANodeThatRefusedIsAvoidedForAWhile(t *testing.T) {
	l := newLine(t, map[signaling.NodeID]int64{"a": 500}, map[signaling.NodeID]int64{"a": 500})
	l.waits("mine", 500, false, true)
	l.is("mine", true)
	l.back(l.followers["mine"][0], []signaling.NodeID{"a"}, l.now)
	l.is("mine", false)
	l.now = l.now.Add(avoidFor + time.Millisecond)
	l.is("mine", true)
}

func TestFollowersAreBounded(t *testing.T) {
	l := newLine(t, nil, nil)
	l.count = maxFollowers
	if _, err := l.join(job{id: "t"}); err == nil {
		t.Error("one more than there may be")
	}
	l.count = 0
	f, err := l.join(job{id: "t"})
	if err != nil {
		t.Fatal(err)
	}
	l.waits("t", 500, false, false)
	l.turns()
	l.all = nil
	l.turns()
	select {
	case <-f.poke: // its task has left the queue
	default:
		t.Error("a follower was not told that its task has left the queue")
	}
	l.leave(f)
	if l.count != 0 || len(l.followers) != 0 || len(l.seen) != 0 || len(l.able) != 0 {
		t.Errorf("%d followers, %v, %v, %v", l.count, l.followers, l.seen, l.able)
	}
}

// A terminal hears of changes that matter, and of nothing else.
func TestWhatATerminalIsTold(t *testing.T) {
	at := func(position, length int, ms int64) *signaling.Queue {
		return &signaling.Queue{Position: position, Length: length, ExpectedWaitMs: ms}
	}
	for _, c := range []struct {
		a, b *signaling.Queue
		want bool
	}{
		{at(2, 3, 41_000), at(2, 3, 44_000), true},
		{at(2, 3, 41_000), at(2, 3, 31_000), false},
		{at(2, 3, 0), at(1, 3, 0), false},
		{at(2, 3, 0), at(2, 4, 0), false},
		{nil, at(1, 1, 0), false},
		{at(1, 1, 0), nil, true},
		{nil, nil, true},
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("%+v and %+v alike: %v", c.a, c.b, got)
		}
	}
}
