package chaos

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// way leads from one edge to whichever broker lives, as a load balancer does, and can be cut.
type way struct {
	addr string

	choosing sync.Mutex
	choose   func() string // the address of a broker; empty where none lives

	mu       sync.Mutex
	listener net.Listener // nil while it is cut
	pairs    map[*pair]struct{}
	since    time.Time // when the newest connection was made; zero while there is none
	lost     time.Time // when the last one ended
	outages  []outage  // the newest last, at most maxOutages
	wait     sync.WaitGroup
}

// pair is a connection of the edge and the one to a broker behind it.
type pair struct {
	in, out *net.TCPConn
	mute    atomic.Bool   // out is kept, though nothing comes any more
	over    chan struct{} // closed when out is not kept any longer
}

// outage is a time without a connection.
type outage struct{ from, to time.Time }

const maxOutages = 64

func newWay(choose func() string) (*way, error) {
	w := &way{choose: choose, pairs: map[*pair]struct{}{}, lost: time.Now()}
	return w, w.join()
}

// linked says since when the edge has a connection to a broker; zero where it has none.
func (w *way) linked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since
}

// away is the longest time without a connection that ended after since.
func (w *way) away(since time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for _, o := range w.outages {
		if o.to.After(since) {
			longest = max(longest, o.to.Sub(o.from))
		}
	}
	return longest
}

// join lets connections through, at the same address as before.
func (w *way) join() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener != nil {
		return nil
	}
	open := listen
	if w.addr != "" {
		open = func() (net.Listener, error) { return net.Listen("tcp", w.addr) }
	}
	l, err := open()
	if err != nil {
		return fmt.Errorf("chaos: a way for an edge: %w", err)
	}
	w.addr, w.listener = l.Addr().String(), l
	w.wait.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			w.wait.Go(func() { w.lead(in.(*net.TCPConn)) })
		}
	})
	return nil
}

// lead joins a connection to a broker until either side ends.
func (w *way) lead(in *net.TCPConn) {
	defer in.Close()
	w.choosing.Lock()
	to := w.choose()
	w.choosing.Unlock()
	if to == "" {
		return
	}
	c, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	p := &pair{in: in, out: c.(*net.TCPConn), over: make(chan struct{})}
	defer p.out.Close()
	if !w.enter(p) {
		return
	}
	defer w.leave(p)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(p.in, p.out) // the end of either side is the end of both
		p.in.Close()
	})
	_, _ = io.Copy(p.out, p.in)
	if p.mute.Load() { // the broker shall not learn of it
		<-p.over
	}
	p.out.Close()
	back.Wait()
}

func (w *way) enter(p *pair) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener == nil {
		return false
	}
	now := time.Now()
	if w.since.IsZero() {
		if len(w.outages) == maxOutages {
			w.outages = w.outages[1:]
		}
		w.outages = append(w.outages, outage{w.lost, now})
	}
	w.pairs[p] = struct{}{}
	w.since = now
	return true
}

func (w *way) leave(p *pair) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pairs, p)
	if w.live() == 0 && !w.since.IsZero() {
		w.since, w.lost = time.Time{}, time.Now()
	}
}

// live is the number of connections that are not mute. The caller has the lock.
func (w *way) live() int {
	n := 0
	for p := range w.pairs {
		if !p.mute.Load() {
			n++
		}
	}
	return n
}

// cut ends every connection at once, without a goodbye, and lets none through.
func (w *way) cut() {
	w.mu.Lock()
	if w.listener != nil {
		w.listener.Close()
		w.listener = nil
	}
	for p := range w.pairs {
		select {
		case <-p.over:
		default:
			close(p.over)
		}
		for _, c := range []*net.TCPConn{p.in, p.out} {
			_ = c.SetLinger(0) // what is under way is lost
			c.Close()
		}
	}
	w.mu.Unlock()
	w.wait.Wait()
}

// silence ends every connection for the edge alone: a broker hears nothing more and is not told why, as when the power
// fails. The next cut ends them for the broker, too.
func (w *way) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.pairs {
		p.mute.Store(true)
		p.in.Close()
	}
	w.since, w.lost = time.Time{}, time.Now()
}
