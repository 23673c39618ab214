package share

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// device is a device of one worker on a virtual clock, whose clients always want more.
type device struct {
	queue Queue
	cost  func(*Client) time.Duration
	got   map[*Client]time.Duration
	now   time.Duration
}

func newDevice(cost func(*Client) time.Duration) *device {
	return &device{cost: cost, got: map[*Client]time.Duration{}}
}

// step has the device do one step of whoever is next, and adds the client's next job where its last one has ended.
func (d *device) step(t *testing.T) *Client {
	t.Helper()
	s, ok := d.queue.Next()
	if !ok {
		t.Fatal("somebody wants more, and nobody is next")
	}
	c := s.Task.Client
	took := d.cost(c)
	d.now += took
	d.got[c] += took
	d.queue.Done(s, took, true)
	return c
}

func (d *device) add(c *Client, p Priority) *Task {
	t := &Task{Client: c, Priority: p, Width: 1}
	d.queue.Add(t)
	return t
}

// Clients that always want more get the device's time by their weights, at every moment to within one step of each of the two
// that are compared (Goyal, Vin, Cheng 1996, theorem 1), whatever their steps cost.
func TestB5SharesFollowWeights(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const longest = 9 * time.Millisecond
	d := newDevice(func(*Client) time.Duration { return time.Duration(1 + random.Int64N(int64(longest))) })
	clients := []*Client{NewClient(250), NewClient(500), NewClient(1750)}
	for _, c := range clients {
		d.add(c, Interactive)
	}
	for d.now < 100*time.Second {
		d.step(t)
		for i, a := range clients {
			for _, b := range clients[:i] {
				apart := math.Abs(float64(d.got[a])/float64(a.Weight()) - float64(d.got[b])/float64(b.Weight()))
				if bound := float64(longest)/float64(a.Weight()) + float64(longest)/float64(b.Weight()); apart > bound {
					t.Fatalf("after %v weights %d and %d are %g apart, at most %g", d.now, a.Weight(), b.Weight(), apart, bound)
				}
			}
		}
	}
	for _, c := range clients {
		if got, want := float64(d.got[c])/float64(d.now), float64(c.Weight())/2500; math.Abs(got/want-1) > 0.001 {
			t.Errorf("weight %d has %.4f of the time, want %.4f", c.Weight(), got, want)
		}
	}
}

// A weight that changes while everybody works counts from the client's next step on.
func TestB5WeightsChangeWhileRunning(t *testing.T) {
	d := newDevice(func(*Client) time.Duration { return time.Millisecond })
	a, b := NewClient(500), NewClient(500)
	d.add(a, Interactive)
	d.add(b, Interactive)
	for d.now < time.Second {
		d.step(t)
	}
	a.SetWeight(1500)
	began, had := d.now, d.got[a]
	for d.now < began+4*time.Second {
		d.step(t)
	}
	if got := d.got[a] - had; got < 2995*time.Millisecond || got > 3005*time.Millisecond {
		t.Errorf("with 1500 of 2000 it had %v of 4 s", got)
	}
}

// Who comes new stands where the others are: it neither catches up with what was before it, nor waits for it.
func TestNewcomerStartsNow(t *testing.T) {
	d := newDevice(func(*Client) time.Duration { return time.Millisecond })
	a, b := NewClient(1000), NewClient(1000)
	d.add(a, Interactive)
	for d.now < 10*time.Second {
		d.step(t)
	}
	d.add(b, Interactive)
	for range 100 {
		d.step(t)
	}
	if got := d.got[b]; got < 49*time.Millisecond || got > 51*time.Millisecond {
		t.Errorf("the newcomer had %v of the first 100 ms", got)
	}
}

// Who wants nothing for a moment has its share when it comes back, but nobody saves up more than a few steps.
func TestReturnerKeepsLittle(t *testing.T) {
	d := newDevice(func(*Client) time.Duration { return time.Millisecond })
	a, b := NewClient(1000), NewClient(1000)
	d.add(a, Interactive)
	d.add(b, Interactive)
	for range 10 {
		d.step(t)
	}
	var end *Task
	for end == nil { // b ends its job
		s, _ := d.queue.Next()
		if s.Task.Client == b {
			end = s.Task
		}
		d.queue.Done(s, time.Millisecond, s.Task.Client != b)
	}
	for range 10_000 {
		if d.step(t) == b {
			t.Fatal("a client without a job was given time")
		}
	}
	d.add(b, Interactive)
	alone := 0
	for d.step(t) == b {
		alone++
	}
	if most := int(keeps/time.Millisecond) + 1; alone == 0 || alone > most {
		t.Errorf("it came back and had %d steps to itself, at least 1 and at most %d", alone, most)
	}
}

// The device is never idle while anybody wants something, whatever the weights.
func TestWorkConserving(t *testing.T) {
	d := newDevice(func(*Client) time.Duration { return time.Millisecond })
	poor := NewClient(1)
	d.add(NewClient(1_000_000), Interactive)
	for range 1000 {
		d.step(t)
	}
	d = newDevice(d.cost)
	d.add(poor, Background)
	for range 1000 {
		if d.step(t) != poor {
			t.Fatal("somebody else")
		}
	}
}

// Interactive steps go before those in the background, of which one goes first now and then, so that none waits for ever.
func TestInteractiveFirstAndNobodyStarves(t *testing.T) {
	d := newDevice(func(*Client) time.Duration { return 4 * time.Millisecond })
	rests, drags := NewClient(1000), NewClient(1000)
	d.add(rests, Background)
	d.add(drags, Interactive)
	since, turns := time.Duration(0), 0
	for d.now < 10*time.Second {
		if d.step(t) == rests {
			if since < patience {
				t.Fatalf("a background step went first after %v", since)
			}
			since = 0
			turns++
			continue
		}
		if since += 4 * time.Millisecond; since > patience+4*time.Millisecond {
			t.Fatalf("a background step waits for %v", since)
		}
	}
	if turns == 0 {
		t.Error("the background starves")
	}
}

// Several workers on one queue keep the weights too, though what a step costs is known only at its end.
func TestB5SharesOfSeveralWorkers(t *testing.T) {
	const workers = 4
	random := rand.New(rand.NewPCG(3, 4))
	var q Queue
	clients := []*Client{NewClient(100), NewClient(200), NewClient(300)}
	got := map[*Client]time.Duration{}
	for _, c := range clients {
		q.Add(&Task{Client: c, Width: workers})
	}
	type under struct {
		step Step
		took time.Duration
		ends time.Duration
	}
	var now time.Duration
	var busy []under
	for now < 60*time.Second {
		for len(busy) < workers {
			s, ok := q.Next()
			if !ok {
				t.Fatal("a worker is idle")
			}
			took := time.Duration(1+random.Int64N(3)) * time.Millisecond
			busy = append(busy, under{s, took, now + took})
		}
		first := 0
		for i := range busy {
			if busy[i].ends < busy[first].ends {
				first = i
			}
		}
		u := busy[first]
		busy = append(busy[:first], busy[first+1:]...)
		now = u.ends
		got[u.step.Task.Client] += u.took
		q.Done(u.step, u.took, true)
	}
	for _, c := range clients {
		if share, want := float64(got[c])/float64(workers*now), float64(c.Weight())/600; math.Abs(share/want-1) > 0.01 {
			t.Errorf("weight %d has %.4f of the time, want %.4f", c.Weight(), share, want)
		}
	}
}

// Clients that are gone are forgotten, however many came.
func TestForgetsClients(t *testing.T) {
	var q Queue
	stays := &Task{Client: NewClient(1), Width: 1}
	q.Add(stays)
	for range 1000 {
		gone := &Task{Client: NewClient(1000), Width: 1}
		q.Add(gone)
		for {
			s, _ := q.Next()
			q.Done(s, time.Millisecond, s.Task == stays)
			if s.Task == gone {
				break
			}
		}
	}
	if n := len(q.flows); n > manyFlows+1 {
		t.Errorf("%d clients are remembered", n)
	}
	q.Cancel(stays)
	if q.Waits() {
		t.Error("something waits")
	}
}
