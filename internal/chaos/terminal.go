package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// tryWithin bounds one request, answerWithin all tries of it.
	tryWithin    = 12 * time.Second
	answerWithin = 45 * time.Second
	// queueMost is how long a terminal waits for a place.
	queueMost = 30 * time.Second
	// What a terminal waits between two tries.
	pauseLeast, pauseMost = 50 * time.Millisecond, 2 * time.Second
	// handoverWithin is how long a terminal waits until a target that it has reached has the task.
	handoverWithin = 5 * time.Second
	// greetTries is how often a terminal seeks its session before it gives up.
	greetTries = 6
)

// person is somebody at a terminal, who has one task after the other.
type person struct {
	world *world
	name  string
	token string
	// hurried has the right to urgent places, and asks for them.
	hurried bool
	rng     *rand.Rand
}

// errUnanswered says that no broker gave an answer in time.
var errUnanswered = errors.New("no answer")

// run has tasks until stop is closed, and then finishes the one that it has.
func (p *person) run(ctx context.Context, stop <-chan struct{}) {
	for p.wait(ctx, stop, p.world.pace.pause(p.rng)) {
		p.work(ctx, stop)
	}
}

// wait says whether the time has passed without the end.
func (p *person) wait(ctx context.Context, stop <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
	case <-ctx.Done():
	}
	return false
}

// request is what p asks for: mostly a session whose files it sends itself, so that no study has to be there and an edge can
// take it while every broker is away.
func (p *person) request() signaling.TaskRequest {
	if p.rng.IntN(4) == 0 {
		return signaling.TaskRequest{Type: signaling.Rendering, Series: &series, WhenFull: signaling.WhenFullQueue}
	}
	r := signaling.TaskRequest{Type: signaling.Rendering, Parameters: json.RawMessage(`{"upload":true}`), WhenFull: signaling.WhenFullRefuse}
	switch p.rng.IntN(10) {
	case 0:
		r = signaling.TaskRequest{Type: signaling.DataComputation, Operation: "histogram", WhenFull: signaling.WhenFullRefuse}
	case 1:
		r.MaxDistanceMs = 6
	case 2:
		r.Shadow = true
	}
	if p.rng.IntN(2) == 0 {
		r.WhenFull = signaling.WhenFullQueue
	}
	r.Urgent = p.hurried
	return r
}

// way is whom p asks first.
func (p *person) way() terminal.Way {
	if p.rng.IntN(2) == 0 {
		return terminal.EdgeFirst
	}
	return terminal.BrokerFirst
}

// work is one task from its request to its end.
func (p *person) work(ctx context.Context, stop <-chan struct{}) {
	g, err := p.submit(ctx)
	if err != nil {
		return
	}
	if g, err = p.arrive(ctx, g); err == nil {
		var how leaving
		switch g, how = p.stay(ctx, stop, g); how {
		case vanish:
			p.vanish(g)
			p.world.count(func(r *Report) { r.Kills.Terminals++ })
			return
		case bye:
			if w := p.world.find(g.Attempt); w != nil {
				offer(w.bye, struct{}{})
				return
			}
		}
	}
	p.finish(ctx, g)
}

// submit asks for a task until there is an answer, at one broker after the other with the same key, and waits in the queue
// where that is the answer. A terminal that has waited too long leaves.
func (p *person) submit(ctx context.Context) (g signaling.Grant, err error) {
	r, way, key, began, tries := p.request(), p.way(), fmt.Sprintf("%s-%x", p.name, p.rng.Uint64()), time.Now(), 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(answerWithin, cancel)
	defer late.Stop()
	queued := false
	waiting := func(signaling.Pending) {
		if !queued {
			queued = true
			p.world.answered(time.Since(began), tries, errQueued)
			late.Reset(queueMost)
		}
	}
	for pause := pauseLeast; ; pause = min(2*pause, pauseMost) {
		tries++
		var place terminal.Place
		place, err = p.world.client(p.rng, p.token).Place(ctx, r, terminal.PlaceOptions{Way: way, Key: key, Waiting: waiting})
		if g = place.Grant; err == nil || said(err) || ctx.Err() != nil {
			break
		}
		p.wait(ctx, nil, pause/2+rand.N(pause))
	}
	switch {
	case err == nil:
		p.world.referee.granted(g)
		if g.Answer == signaling.EdgeAccepts {
			p.world.count(func(r *Report) { r.ByEdges++ })
		}
	case ctx.Err() != nil && !queued && time.Since(began) >= answerWithin:
		err = fmt.Errorf("%w: %w", errUnanswered, err)
		p.world.referee.violation("%s got no answer to a request in %v: %v", p.name, time.Since(began).Round(time.Second), err)
	case ctx.Err() != nil && queued && time.Since(began) >= queueMost:
		p.world.count(func(r *Report) { r.GaveUp++ })
	}
	if !queued {
		p.world.answered(time.Since(began), tries, err)
	} else if err == nil {
		p.world.count(func(r *Report) { r.Granted++ })
	}
	return g, err
}

// errQueued is the answer that a request waits.
var errQueued = errors.New("it waits in the queue")

// said says whether an error is what another broker would say as well.
func said(err error) bool {
	var problem *signaling.Problem
	return errors.As(err, &problem) && problem.Code != signaling.ProblemUnavailable && problem.Code != signaling.ProblemRateLimited &&
		problem.Code != signaling.ProblemInternal
}

// persist tries until a broker says something that another would say as well.
func (p *person) persist(ctx context.Context, try func(*terminal.Client) error) error {
	late, pause, last := time.Now().Add(answerWithin), pauseLeast, -1
	for {
		var c *terminal.Client
		c, last = p.world.ask(p.rng, p.token, last)
		err := try(c)
		if err == nil || said(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(late) {
			return fmt.Errorf("%w: %w", errUnanswered, err)
		}
		p.wait(ctx, nil, pause/2+rand.N(pause))
		pause = min(2*pause, pauseMost)
	}
}

// arrive greets the edge of a grant, and seeks another place where that is lost.
func (p *person) arrive(ctx context.Context, g signaling.Grant) (signaling.Grant, error) {
	for range greetTries {
		err := p.greet(ctx, g)
		if err == nil {
			return g, nil
		}
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		if g, err = p.renew(ctx, g); err != nil {
			return g, err
		}
		p.wait(ctx, nil, 100*time.Millisecond+rand.N(400*time.Millisecond))
	}
	return g, errors.New("the edge could not be greeted")
}

// greet says hello over a broker's relay and closes the connection again, which ends no session.
func (p *person) greet(ctx context.Context, g signaling.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	url := "ws://" + p.world.address(p.rng, -1) + dispatch.SignalPath + string(g.Attempt.ID) // any broker reaches any edge
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return fmt.Errorf("open signalling: %w", err)
	}
	conn := signaling.NewConn(ws, signaling.MaxSignal)
	defer conn.Close(websocket.CloseNormalClosure, "")
	over := context.AfterFunc(ctx, func() { conn.Close(websocket.CloseGoingAway, "") })
	defer over()
	if err := conn.Send(signaling.Signal{Type: signaling.SignalHello, Token: g.Token}); err != nil {
		return err
	}
	var answer signaling.Signal
	switch err := conn.Receive(&answer); {
	case err != nil:
		return fmt.Errorf("greet: %w", err)
	case answer.Type == signaling.SignalError && answer.Problem != nil:
		return answer.Problem
	case answer.Type != signaling.SignalWelcome:
		return fmt.Errorf("greet: answered %q", answer.Type)
	}
	return nil
}

// renew comes back to a task whose edge does not answer.
func (p *person) renew(ctx context.Context, g signaling.Grant) (again signaling.Grant, err error) {
	p.world.referee.loosen(g.Task)
	err = p.persist(ctx, func(c *terminal.Client) error {
		ctx, cancel := context.WithTimeout(ctx, tryWithin)
		defer cancel()
		return c.Do(ctx, http.MethodPost, "/api/v1/tasks/"+string(g.Task)+"/grant", []byte(`{"lost":true}`), nil, &again)
	})
	if err != nil {
		return g, err
	}
	if again.Attempt.ID != g.Attempt.ID {
		p.world.count(func(r *Report) { r.Moved++ })
		p.world.referee.granted(again)
	}
	return again, nil
}

// How a terminal leaves.
type leaving int

const (
	finish leaving = iota // it tells a broker
	bye                   // it tells the edge
	vanish                // it tells nobody
)

// gone is the end of a work whose edge is dead.
var gone = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// stay has the session for a while, and says how the terminal leaves it. Where its edge dies, the terminal seeks another
// place, which the grant is then of, or leaves.
func (p *person) stay(ctx context.Context, stop <-chan struct{}, g signaling.Grant) (signaling.Grant, leaving) {
	timer := time.NewTimer(p.world.pace.stay(p.rng))
	defer timer.Stop()
	for {
		ended, moves := gone, chan *handover(nil)
		w := p.world.find(g.Attempt)
		if w != nil {
			ended, moves = w.done, w.moves
		}
		select {
		case m := <-moves:
			g = p.goOver(ctx, g, w, m)
			continue
		case <-ended:
			if p.rng.IntN(3) == 0 {
				return g, finish
			}
			var err error
			if g, err = p.renew(ctx, g); err != nil {
				return g, finish
			}
			if g, err = p.arrive(ctx, g); err != nil {
				return g, finish
			}
			continue
		case <-timer.C:
			switch n := p.rng.IntN(10); {
			case n == 0:
				return g, bye
			case n <= 2:
				return g, vanish
			}
		case <-stop:
		case <-ctx.Done():
		}
		return g, finish
	}
}

// goOver connects to the target of a move while the session goes on where it is, and stays with the one that has it in the
// end.
func (p *person) goOver(ctx context.Context, g signaling.Grant, from *work, m *handover) signaling.Grant {
	p.world.referee.granted(*m.Grant)
	if err := p.greet(ctx, *m.Grant); err != nil {
		from.reports(m, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The terminal cannot reach the other edge"})
		return g
	}
	to := p.world.find(m.Grant.Attempt)
	if to == nil { // it died meanwhile
		return g
	}
	p.world.referee.loosen(m.Task) // the one before it is released as soon as the broker knows
	to.reports(m, nil)
	late := time.NewTimer(handoverWithin)
	defer late.Stop()
	select {
	case <-to.owns:
		p.world.count(func(r *Report) { r.HandedOver++ })
		return *m.Grant
	case <-m.over:
	case <-to.done:
	case <-late.C:
	case <-ctx.Done():
	}
	return g
}

// finish ends a task at a broker.
func (p *person) finish(ctx context.Context, g signaling.Grant) {
	p.world.referee.loosen(g.Task)
	began := time.Now()
	err := p.persist(ctx, func(c *terminal.Client) error {
		ctx, cancel := context.WithTimeout(ctx, tryWithin)
		defer cancel()
		return c.Do(ctx, http.MethodDelete, "/api/v1/tasks/"+string(g.Task), nil, nil, nil)
	})
	var problem *signaling.Problem
	switch {
	case err == nil:
		p.world.referee.over(g.Task, began, p.name+" finished it", true)
	case errors.As(err, &problem) && problem.Code == signaling.ProblemNotFound:
		p.vanish(g) // Redis may have forgotten the task, and its edge not yet told of it
	case errors.Is(err, errUnanswered):
		p.world.referee.violation("%s could not finish task %s in %v: %v", p.name, g.Task, time.Since(began).Round(time.Second), err)
	case ctx.Err() == nil:
		p.world.referee.violation("%s could not finish task %s: %v", p.name, g.Task, err)
	}
}

// vanish leaves without a word: the edge finds out.
func (p *person) vanish(g signaling.Grant) {
	p.world.referee.gone(g.Task, grace)
	if w := p.world.find(g.Attempt); w != nil {
		offer(w.vanished, struct{}{})
	}
}
