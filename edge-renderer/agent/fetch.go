package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxPrefetches and maxThumbnails bound what waits for its turn and runs; more is refused.
	maxPrefetches = 8
	maxThumbnails = 64
	// thumbnailsAtOnce is how many are made at a time, so that sessions hardly notice.
	thumbnailsAtOnce = 2
	// thumbnailWithin is how long one may take, fetching its image included.
	thumbnailWithin = 20 * time.Second
)

// limited runs work beside the link: some at a time, some that waits, and no more.
type limited struct {
	ctx    context.Context
	cancel context.CancelFunc
	places chan struct{} // one for each that runs or waits
	turns  chan struct{} // one for each that runs
	work   *sync.WaitGroup
}

func newLimited(places, turns int) limited {
	ctx, cancel := context.WithCancel(context.Background())
	return limited{ctx, cancel, make(chan struct{}, places), make(chan struct{}, turns), &sync.WaitGroup{}}
}

// run calls fn when it is its turn, unless too much waits already: then it returns false. fn is called with an ended
// context where the agent stops meanwhile.
func (l *limited) run(fn func(context.Context)) bool {
	select {
	case l.places <- struct{}{}:
	default:
		return false
	}
	l.work.Go(func() {
		defer func() { <-l.places }()
		select {
		case l.turns <- struct{}{}:
			defer func() { <-l.turns }()
		case <-l.ctx.Done():
		}
		fn(l.ctx)
	})
	return true
}

// close ends what runs and waits for it.
func (l *limited) close() {
	l.cancel()
	l.work.Wait()
}

// answerer is a link, as far as an answer goes to it.
type answerer interface{ Send(any) error }

// fetched checks what a fetch of the broker names, and makes its source's address whole.
func (a *Agent) fetched(f *signaling.Fetch) error {
	if err := f.Series.Validate(); err != nil {
		return err
	}
	return a.locate(&f.Source)
}

// prefetch loads a series ahead of a task; the broker is told that it has begun.
func (a *Agent) prefetch(link answerer, m *signaling.Control) {
	f := *m.Fetch
	if err := a.fetched(&f); err != nil {
		_ = link.Send(refusal(m.ID, err))
		return
	}
	log := a.cfg.Logger.With("series", signaling.VolumeKey(f.Series))
	ok := a.prefetches.run(func(ctx context.Context) {
		start := time.Now()
		if err := a.cfg.Studies.Prefetch(ctx, f); err != nil {
			if ctx.Err() == nil {
				log.Warn("series not fetched ahead", "reason", title(err))
			}
			return
		}
		log.Info("series fetched ahead", "took", time.Since(start).Round(time.Millisecond))
	})
	if !ok {
		_ = link.Send(refusal(m.ID, busy("It fetches %d series ahead already", maxPrefetches)))
		return
	}
	_ = link.Send(signaling.Control{Type: signaling.ControlConfirm, ID: m.ID})
}

// thumbnail answers with a small picture of a series.
func (a *Agent) thumbnail(link answerer, m *signaling.Control) {
	f := *m.Fetch
	if err := a.fetched(&f); err != nil {
		_ = link.Send(refusal(m.ID, err))
		return
	}
	ok := a.thumbnails.run(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, thumbnailWithin)
		defer cancel()
		t, err := a.cfg.Studies.Thumbnail(ctx, f)
		if err != nil {
			_ = link.Send(refusal(m.ID, err))
			return
		}
		_ = link.Send(signaling.Control{Type: signaling.ControlThumbnail, ID: m.ID, Image: &t})
	})
	if !ok {
		_ = link.Send(refusal(m.ID, busy("%d thumbnails wait already", maxThumbnails)))
	}
}

func busy(format string, n int) *signaling.Problem {
	return &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "The edge is busy", Detail: fmt.Sprintf(format+": try again later", n)}
}

// title is what of an error may stand in a log: of a problem nothing that may name instances of the patient's.
func title(err error) string {
	var p *signaling.Problem
	if errors.As(err, &p) {
		return p.Title
	}
	return "the series could not be loaded"
}
