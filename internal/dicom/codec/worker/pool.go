package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Pool is a number of children that decode. It is safe for concurrent use.
type Pool struct {
	cfg    Config
	slots  chan struct{}   // one for each image that is being decoded
	starts chan chan start // asks run for a child
	quit   chan struct{}
	ran    chan struct{}  // run has ended
	jobs   sync.WaitGroup // images that are being decoded

	mu     sync.Mutex
	closed bool
	idle   []*child            // the one used last stands at the end
	all    map[*child]struct{} // every child that has not been let go
}

// start is a new child, or why there is none.
type start struct {
	child *child
	err   error
}

// New makes a pool. Its children start with the work. The caller closes it.
func New(cfg Config) *Pool {
	cfg = cfg.withDefaults()
	p := &Pool{
		cfg:    cfg,
		slots:  make(chan struct{}, cfg.Processes),
		starts: make(chan chan start),
		quit:   make(chan struct{}),
		ran:    make(chan struct{}),
		all:    map[*child]struct{}{},
	}
	go p.run()
	return p
}

// Decoder decodes images of a kind in the pool's children. It waits while all are at work.
func (p *Pool) Decoder(kind Kind) codec.Decoder {
	return func(frame []byte, want codec.Want) (codec.Image, error) { return p.decode(kind, frame, want) }
}

// Close ends all children and waits until they are gone. Images that are being decoded fail.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.jobs.Wait()
		<-p.ran
		return
	}
	p.closed = true
	close(p.quit)
	idle := p.idle
	p.idle = nil
	for c := range p.all {
		c.kill()
	}
	p.mu.Unlock()
	for _, c := range idle {
		p.discard(c)
	}
	p.jobs.Wait()
	<-p.ran
}

// run starts children and lets go of those that have nothing to do. A child gets a signal when the thread that started
// it ends, so all start on one thread, which lasts as long as the pool.
func (p *Pool) run() {
	defer close(p.ran)
	lockStarter()
	look := time.NewTicker(max(p.cfg.Idle/4, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case to := <-p.starts:
			c, err := startChild(p.cfg)
			to <- start{c, err}
		case now := <-look.C:
			for _, c := range p.expired(now) {
				p.discard(c)
			}
		case <-p.quit:
			return
		}
	}
}

// expired takes the children out of the idle ones that have been there too long, or have ended.
func (p *Pool) expired(now time.Time) []*child {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out, stay []*child
	for _, c := range p.idle {
		if c.ended() || now.Sub(c.idleSince) >= p.cfg.Idle {
			out = append(out, c)
		} else {
			stay = append(stay, c)
		}
	}
	p.idle = stay
	return out
}

// decode decodes one image in a child.
func (p *Pool) decode(kind Kind, frame []byte, want codec.Want) (codec.Image, error) {
	c, err := lookup(kind)
	switch {
	case err != nil:
		return codec.Image{}, err
	case !Enabled():
		return codec.Image{}, fmt.Errorf("%w: this program does not start decoders (it has to call worker.Main first)", codec.ErrUnsupported)
	case want.Width <= 0 || want.Height <= 0 || want.Components <= 0 || want.Width > 65535 || want.Height > 65535 || want.Components > 4:
		return codec.Image{}, fmt.Errorf("%w: no image of %dx%d with %d components", codec.ErrUnsupported, want.Width, want.Height, want.Components)
	}
	if need := c.Memory(want) + int64(len(frame)); need > p.cfg.MaxMemoryBytes {
		return codec.Image{}, fmt.Errorf("%w: decoding a %s image of %dx%d with %d components takes about %d MB, %d MB are allowed",
			codec.ErrLimit, kind, want.Width, want.Height, want.Components, need>>20, p.cfg.MaxMemoryBytes>>20)
	}
	if !p.enter() {
		return codec.Image{}, errClosed
	}
	defer p.jobs.Done()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.quit:
		return codec.Image{}, errClosed
	}
	for {
		child, fresh, err := p.take()
		if err != nil {
			return codec.Image{}, err
		}
		m, err := child.decode(kind, frame, want)
		var lost *lostError
		if !errors.As(err, &lost) {
			p.put(child)
			return m, err
		}
		p.discard(child)
		if lost.before && !fresh {
			continue // it had ended while idle, which says nothing about the image
		}
		if p.isClosed() {
			return codec.Image{}, errClosed
		}
		p.cfg.Logger.Warn("a codec worker was lost", "codec", string(kind), "reason", lost.Error())
		return codec.Image{}, err
	}
}

var errClosed = fmt.Errorf("%w: the program is ending", codec.ErrLimit)

// enter counts an image in, unless the pool is closed.
func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.jobs.Add(1)
	}
	return !p.closed
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// take gives an idle child, or else a new one, which is fresh.
func (p *Pool) take() (c *child, fresh bool, err error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, false, nil
	}
	p.mu.Unlock()
	answer := make(chan start, 1)
	select {
	case p.starts <- answer:
	case <-p.quit:
		return nil, false, errClosed
	}
	s := <-answer
	if s.err != nil {
		return nil, false, fmt.Errorf("%w: no process could be started for decoding: %v", codec.ErrLimit, s.err)
	}
	p.mu.Lock()
	p.all[s.child] = struct{}{}
	if p.closed {
		s.child.kill()
	}
	p.mu.Unlock()
	return s.child, true, nil
}

// put takes a child back that has done its work.
func (p *Pool) put(c *child) {
	c.idleSince = time.Now()
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if closed {
		p.discard(c)
	}
}

// discard ends a child and waits until it is gone.
func (p *Pool) discard(c *child) {
	c.close()
	p.mu.Lock()
	delete(p.all, c)
	p.mu.Unlock()
}
