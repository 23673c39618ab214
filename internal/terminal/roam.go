package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// arriveWithin is how long a terminal tries to arrive at the target of a move, lookWithin how long an edge that it no
	// longer hears of by the broker may take to answer before it counts as lost.
	arriveWithin = 60 * time.Second
	lookWithin   = 500 * time.Millisecond
	// backWithin is how long a terminal tries to come back to a session whose edge was lost.
	backWithin = 60 * time.Second
	// shownQueue is how many pictures wait for a reader.
	shownQueue = 256
)

// Move is how a move of a terminal's session ended for it.
type Move struct {
	From, To signaling.NodeID
	// Err is why the terminal stays, nil where it has arrived.
	Err error
	// Lost says that the edge before was lost.
	Lost bool
	Took time.Duration // from the word that it is to go
}

// Roaming is a terminal in a session which goes along when the session moves to another edge (B8), and comes back to it when
// its edge is lost, as a page does: it connects to the target while the old connection goes on, sends its view there and every
// input to both, and lets go of the old one when a picture of the target as new as the one on the screen has come. Its
// methods may be called from several goroutines.
type Roaming struct {
	client  *Client
	options Options
	ctx     context.Context
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup
	shown   chan Shown
	moves   chan Move
	cuts    chan *Session
	task    signaling.TaskID

	mu   sync.Mutex
	at   *Session // whose pictures are on the screen
	next *place   // where the session goes, once it is there; nil
	stay func()   // gives the move under way up, nil while there is none
	goes signaling.AttemptID
	view signaling.ViewState
	seq  uint64
	on   Shown // the screen
	gap  time.Duration
}

// place is a session that the terminal is on its way to.
type place struct {
	*Session
	seq     uint64 // of the view that was sent there: what does not cover it may show another one
	lost    bool   // it takes the place of one that is lost: nobody waits for the word that the terminal has arrived
	arrived chan struct{}
	once    sync.Once
}

// Roam opens the session of a grant and waits until all of its series is there.
func (c *Client) Roam(ctx context.Context, grant signaling.Grant, o Options) (*Roaming, error) {
	r := &Roaming{client: c, options: o, shown: make(chan Shown, shownQueue), moves: make(chan Move, 64), cuts: make(chan *Session, 8), task: grant.Task}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	s, err := r.connect(ctx, grant)
	if err == nil {
		r.at = s
		if r.view, err = whole(ctx, s); err != nil {
			s.Close()
		}
	}
	if err != nil {
		r.cancel(err)
		return nil, err
	}
	r.work.Go(func() { r.watch(s, nil) })
	r.work.Go(r.lookAfter)
	return r, nil
}

// connect opens a connection for the terminal.
func (r *Roaming) connect(ctx context.Context, grant signaling.Grant) (*Session, error) {
	var self *Session
	known := make(chan struct{})
	o := r.options
	o.OnCut = func() {
		<-known
		select {
		case r.cuts <- self:
		case <-r.ctx.Done():
		}
	}
	defer close(known)
	s, err := r.client.Connect(ctx, grant, o)
	self = s
	return s, err
}

// whole waits until a session shows all of its series, and returns the view.
func whole(ctx context.Context, s *Session) (signaling.ViewState, error) {
	for {
		select {
		case e := <-s.Events():
			switch {
			case e.Type == signaling.EventEnding && e.Problem != nil:
				return signaling.ViewState{}, e.Problem
			case e.Type == signaling.EventLoaded && e.View != nil && (e.Loading == nil || !e.Loading.Preview):
				return *e.View, nil
			}
		case <-ctx.Done():
			return signaling.ViewState{}, fmt.Errorf("the series is not there yet: %w", ctx.Err())
		case <-s.Done():
			return signaling.ViewState{}, fmt.Errorf("the series is not there yet: %w", s.Err())
		}
	}
}

// Shown are the pictures as they come to the screen. The oldest are dropped where nobody reads.
func (r *Roaming) Shown() <-chan Shown { return r.shown }

// Moves are the moves that have ended.
func (r *Roaming) Moves() <-chan Move { return r.moves }

// Session is the connection whose pictures are on the screen. Its pictures, stamps and events are read already.
func (r *Roaming) Session() *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// View is the view as the terminal has it.
func (r *Roaming) View() signaling.ViewState {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.view
	v.Viewports = append([]signaling.Viewport(nil), v.Viewports...)
	return v
}

// Gap is the longest time between two pictures on the screen since it was asked last.
func (r *Roaming) Gap() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.gap
	r.gap = 0
	return g
}

// SendInput changes a viewport, wherever the session is, and returns the number of the input.
func (r *Roaming) SendInput(patch signaling.ViewportPatch, active bool) (uint64, error) {
	id, err := patch.ID()
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.view.Viewports {
		if v := &r.view.Viewports[i]; v.ID == id {
			if *v, err = patch.Apply(*v); err != nil {
				return 0, err
			}
		}
	}
	r.seq++
	in := signaling.Input{Seq: r.seq, Viewport: patch, Active: active}
	_, err = r.at.SendInput(in)
	if r.next != nil {
		_, there := r.next.SendInput(in)
		if err != nil {
			err = there
		}
	}
	return in.Seq, err
}

// Finish asks for the end of the session, and leaves.
func (r *Roaming) Finish(ctx context.Context) error {
	_, err := r.Session().Request(ctx, signaling.Request{Type: signaling.RequestFinish})
	r.Close()
	if err != nil {
		return fmt.Errorf("finish session: %w", err)
	}
	return nil
}

// Close leaves the session and waits until nothing of it runs.
func (r *Roaming) Close() {
	r.cancel(ErrClosed)
	r.mu.Lock()
	at, next := r.at, r.next
	r.mu.Unlock()
	at.Close()
	if next != nil {
		next.Close()
	}
	r.work.Wait()
}

// watch takes what comes over a connection until it ends. to is where the connection leads, nil for the first one.
func (r *Roaming) watch(s *Session, to *place) {
	var m matcher
	for {
		select {
		case p := <-s.Pictures():
			if stamp, ok := m.picture(p); ok {
				r.show(s, to, p, stamp)
			}
		case stamp := <-s.Stamps():
			if p, ok := m.stamp(stamp); ok {
				r.show(s, to, p, stamp)
			}
		case e := <-s.Events():
			r.event(s, e)
		case <-s.Stills():
		case <-s.Bulks():
		case <-s.Done():
			r.mu.Lock()
			here := r.at == s
			r.mu.Unlock()
			if here && r.ctx.Err() == nil {
				select {
				case r.cuts <- s:
				case <-r.ctx.Done():
				}
			}
			return
		}
	}
}

// show puts a picture on the screen, where it comes from where the session is. The first one of the place that it goes to
// which is as new as what is there makes that the place.
func (r *Roaming) show(s *Session, to *place, p Picture, stamp signaling.Stamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left *Session
	switch {
	case r.at == s:
	case to != nil && r.next == to && stamp.Seq >= max(r.on.Stamp.Seq, to.seq) && (to.lost || stamp.Width >= r.on.Stamp.Width):
		left, r.at, r.next = r.at, s, nil
	default:
		return
	}
	shown := Shown{Picture: p, Stamp: stamp, Node: s.Grant().Attempt.Node}
	if !r.on.ReceivedAt.IsZero() {
		shown.Since = p.ReceivedAt.Sub(r.on.ReceivedAt)
		r.gap = max(r.gap, shown.Since)
	}
	r.on = shown
	put(r.shown, shown)
	if left == nil {
		return
	}
	to.once.Do(func() { close(to.arrived) })
	r.work.Go(func() {
		if !to.lost {
			_, _ = s.Request(r.ctx, signaling.Request{Type: signaling.RequestArrived}) // a loss of the edge is noticed elsewhere
		}
		left.Close()
	})
}

// event takes an event of an edge.
func (r *Roaming) event(s *Session, e signaling.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != s || r.ctx.Err() != nil {
		return
	}
	switch {
	case e.Type == signaling.EventMove && e.Grant != nil:
		if r.stay != nil && r.goes == e.Grant.Attempt.ID {
			return // it came twice
		}
		if r.stay != nil {
			r.stay()
		}
		grant := *e.Grant
		ctx, cancel := context.WithTimeout(r.ctx, arriveWithin)
		r.stay, r.goes = cancel, grant.Attempt.ID
		r.work.Go(func() { defer cancel(); r.follow(ctx, s, grant) })
	case e.Type == signaling.EventStay && r.stay != nil:
		r.stay()
	case e.View != nil && r.seq == 0: // nobody has changed it here
		r.view = *e.View
	}
}

// follow follows a grant to another edge, while what is shown comes from the old one.
func (r *Roaming) follow(ctx context.Context, from *Session, grant signaling.Grant) {
	began := time.Now()
	err := r.arrive(ctx, from, grant, false)
	r.mu.Lock()
	if r.goes == grant.Attempt.ID {
		r.stay, r.goes = nil, ""
	}
	r.mu.Unlock()
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		p := &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The terminal cannot reach the other edge", Detail: err.Error()}
		say, done := context.WithTimeout(r.ctx, lookWithin)
		_, _ = from.Request(say, signaling.Request{Type: signaling.RequestStayed, Problem: p}) // the broker waits for no longer than it likes
		done()
	}
	put(r.moves, Move{From: from.Grant().Attempt.Node, To: grant.Attempt.Node, Err: err, Took: time.Since(began)})
}

// arrive connects to where the session goes and returns when what is shown comes from there.
func (r *Roaming) arrive(ctx context.Context, from *Session, grant signaling.Grant, lost bool) error {
	s, err := r.connect(ctx, grant)
	if err != nil {
		return err
	}
	to := &place{Session: s, lost: lost, arrived: make(chan struct{})}
	if _, err = whole(ctx, s); err == nil {
		err = r.bring(ctx, from, to)
	}
	if err == nil {
		select {
		case <-to.arrived:
			return nil
		case <-s.Done():
			err = fmt.Errorf("connection to the other edge: %w", s.Err())
		case <-ctx.Done():
			err = fmt.Errorf("no picture of the other edge is as new as the one on the screen: %w", ctx.Err())
		}
	}
	r.mu.Lock()
	if r.at == s { // it has just arrived
		r.mu.Unlock()
		return nil
	}
	if r.next == to {
		r.next = nil
	}
	r.mu.Unlock()
	s.Close()
	return err
}

// errStays says that a move was given up.
var errStays = errors.New("the session stays where it is")

// bring sends the view to where the session goes, and every input from then on.
func (r *Roaming) bring(ctx context.Context, from *Session, to *place) error {
	r.mu.Lock()
	if r.at != from {
		r.mu.Unlock()
		return errStays
	}
	if old := r.next; old != nil {
		r.work.Go(old.Close)
	}
	r.seq++
	r.next, to.seq = to, r.seq
	request := signaling.Request{Type: signaling.RequestSetView, Seq: r.seq, View: &signaling.ViewPatch{}}
	for i := range r.view.Viewports {
		p, err := patchOf(&r.view.Viewports[i])
		if err != nil {
			r.mu.Unlock()
			return err
		}
		request.View.Viewports = append(request.View.Viewports, p)
	}
	r.work.Go(func() { r.watch(to.Session, to) })
	r.mu.Unlock()
	if _, err := to.Request(ctx, request); err != nil {
		return fmt.Errorf("send the view to the other edge: %w", err)
	}
	return nil
}

// patchOf is a patch that makes another viewport show the same.
func patchOf(v *signaling.Viewport) (signaling.ViewportPatch, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the view: %w", err)
	}
	p := signaling.ViewportPatch{}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("encode the view: %w", err)
	}
	for _, field := range []string{"transfer", "window", "slab", "clips", "timePoint", "image"} {
		if _, ok := p[field]; !ok {
			p[field] = json.RawMessage("null")
		}
	}
	if v.Preset == "" {
		p["preset"] = json.RawMessage(`""`)
	}
	delete(p, "series") // it is what the edge has loaded
	return p, nil
}

// lookAfter comes back to the session when its signalling is cut or its edge is lost.
func (r *Roaming) lookAfter() {
	for {
		select {
		case s := <-r.cuts:
			r.mu.Lock()
			here := r.at == s
			r.mu.Unlock()
			if here {
				r.comeBack(s)
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// comeBack asks the broker where the session is, and goes there.
func (r *Roaming) comeBack(s *Session) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.ctx, backWithin)
	defer cancel()
	look, done := context.WithTimeout(ctx, lookWithin)
	_, silent := s.Request(look, signaling.Request{Type: signaling.RequestDisplayed, Display: &signaling.Display{}})
	done()
	retry := firstRetry
	for {
		grant, err := r.client.Renew(ctx, r.task, silent != nil)
		switch {
		case err == nil && grant.Attempt.ID == s.Grant().Attempt.ID && silent == nil:
			if err = s.Resume(ctx); err == nil {
				return
			}
		case err == nil:
			if err = r.arrive(ctx, s, grant, true); err == nil {
				put(r.moves, Move{From: s.Grant().Attempt.Node, To: grant.Attempt.Node, Lost: true, Took: time.Since(began)})
				return
			}
		}
		var p *signaling.Problem
		if errors.As(err, &p) && (p.Code == signaling.ProblemNotFound || p.Code == signaling.ProblemForbidden) || !pause(ctx, &retry) {
			put(r.moves, Move{From: s.Grant().Attempt.Node, Err: err, Lost: true, Took: time.Since(began)})
			return
		}
	}
}
