package dicomweb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

const (
	// headStart is how long a series may take to come before the server is asked what is in it. Orthanc needs 1.2 ms
	// per instance to say that, but sends a whole CT of 100 slices in 50 ms.
	headStart = 150 * time.Millisecond
	// almostThere is how long is waited for the rest of a series that is coming once it is known what is in it. Over
	// slower ways the instances that are wanted first are asked for instead.
	almostThere = 500 * time.Millisecond
)

// early is the instances of a series that came before they were asked for.
type early struct {
	data  map[string][]byte
	whole bool // they are all that the server has
	first time.Time
	last  time.Time
}

// remaining estimates how long the rest of n instances takes.
func (e *early) remaining(n int) time.Duration {
	if len(e.data) < 2 {
		return time.Hour // nothing is known
	}
	return e.last.Sub(e.first) / time.Duration(len(e.data)-1) * time.Duration(max(n-len(e.data), 0))
}

// list says what instances a series has, and returns those that have come meanwhile.
func (c *Client) list(ctx context.Context, study, series string) ([]source.Instance, map[string][]byte, error) {
	if err := checkUIDs(study, series); err != nil || c.ahead() < 0 {
		list, err := c.Metadata(ctx, study, series)
		return list, nil, err
	}
	taking, stop := context.WithCancel(ctx)
	defer stop()
	taken := make(chan *early, 1) // what came in the end
	got := make(chan struct{}, 1) // something came since
	state := make(chan *early, 1) // what has come so far; who takes it puts it back
	state <- &early{data: map[string][]byte{}}
	go func() { taken <- c.take(taking, study, series, state, got) }()

	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	type answer struct {
		list []source.Instance
		err  error
	}
	answered := make(chan answer, 1)
	ask := func() {
		list, err := c.Metadata(asking, study, series)
		answered <- answer{list, err}
	}
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	asked := false
	var result answer
	var came *early
wait:
	for {
		select {
		case <-timer.C:
			asked = true
			go ask()
		case came = <-taken:
			if came.whole {
				if list := came.instances(); list != nil {
					giveUp()
					if asked {
						<-answered
					}
					return list, came.data, nil
				}
			}
			if !asked {
				timer.Stop()
				asked = true
				go ask()
			}
			result = <-answered
			break wait
		case result = <-answered:
			came = c.settle(len(result.list), result.err, stop, taken, got, state)
			break wait
		}
	}
	if result.err != nil {
		return nil, nil, result.err
	}
	return result.list, came.data, nil
}

// settle waits for the rest of n instances where it comes soon, and ends the taking.
func (c *Client) settle(n int, err error, stop func(), taken <-chan *early, got <-chan struct{}, state chan *early) *early {
	defer stop()
	deadline := time.NewTimer(2 * almostThere)
	defer deadline.Stop()
	for err == nil {
		var rest time.Duration
		select {
		case e := <-taken: // which leaves nothing in state
			return e
		case e := <-state:
			rest = e.remaining(n)
			state <- e
		}
		if rest > almostThere {
			break
		}
		select {
		case e := <-taken:
			return e
		case <-got:
			continue
		case <-deadline.C:
		}
		break
	}
	stop()
	return <-taken
}

// take takes a series as it comes, up to a number of bytes. It puts what it has into state after each instance.
func (c *Client) take(ctx context.Context, study, series string, state chan *early, got chan<- struct{}) *early {
	begin := time.Now()
	in, err := c.openSeries(ctx, study, series)
	if err != nil {
		return <-state
	}
	defer in.Close()
	room := c.ahead()
	for {
		in.in.maxPart = min(in.in.maxPart, room, pages.Large-1) // what is larger is read when it is wanted, not kept
		o, err := in.next(&pages.Buffer{})
		e := <-state
		if e.first.IsZero() {
			e.first = begin
		}
		if errors.Is(err, io.EOF) {
			e.whole = true
			return e
		}
		if room -= int64(len(o.Data)); err != nil || o.Name == "" || room < 0 || e.data[o.Name] != nil {
			return e
		}
		e.data[o.Name] = o.Data
		e.last = time.Now()
		state <- e
		select {
		case got <- struct{}{}:
		default:
		}
	}
}

// instances describes what came by its own headers; nil where one of them can't be read.
func (e *early) instances() []source.Instance {
	if len(e.data) == 0 {
		return nil
	}
	list := make([]source.Instance, 0, len(e.data))
	for uid, data := range e.data {
		f := &catalog.File{Path: uid, Size: int64(len(data))}
		catalog.Read(bytes.NewReader(data), f)
		if f.Instance == nil || f.Problem != "" || f.Instance.SOPInstanceUID != uid {
			return nil
		}
		list = append(list, *f.Instance)
	}
	source.SortInstances(list)
	return list
}
