package dicomweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

// Source is a series of the server.
//
// Each takes the series in one answer, which is the fastest there is, and finds out beside whether that was all of it.
// Instances begins to take it so too: where the server is quick, the files are there before it has said what it has,
// and their own headers say it. Where it is not, Fetch gets the rest one by one, in the order that it is told. What
// fails is asked for again, but nothing that came is.
func (c *Client) Source(study, series string) source.Series {
	return &remoteSeries{client: c, study: study, series: series}
}

type remoteSeries struct {
	client        *Client
	study, series string

	listing sync.Mutex // one listing at a time

	mu        sync.Mutex
	instances []source.Instance // nil until asked for
	early     map[string][]byte // instances that came before they were asked for, by UID
}

func (s *remoteSeries) Instances(ctx context.Context) ([]source.Instance, error) {
	s.listing.Lock()
	defer s.listing.Unlock()
	if list := s.known(); list != nil {
		return list, nil
	}
	list, early, err := s.client.list(ctx, s.study, s.series)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.instances, s.early = list, early
	s.mu.Unlock()
	return list, nil
}

func (s *remoteSeries) known() []source.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instances
}

// take is an instance that is there already; nil where it is not. It is given away once.
func (s *remoteSeries) take(uid string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.early[uid]
	delete(s.early, uid)
	return data
}

func (s *remoteSeries) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	list, err := s.Instances(ctx)
	if err != nil {
		return err
	}
	byUID := make(map[string]*source.Instance, len(list))
	for i := range list {
		byUID[list[i].SOPInstanceUID] = &list[i]
	}
	for _, uid := range uids {
		if byUID[uid] == nil {
			return fmt.Errorf("instance %.70q of the series: %w", uid, source.ErrNotFound)
		}
	}
	return catalog.Each(ctx, workers, len(uids), func(i int, buf *pages.Buffer) (source.Object, error) {
		if data := s.take(uids[i]); data != nil {
			return source.Object{Name: uids[i], Data: data}, nil
		}
		accept := acceptStored
		if byUID[uids[i]].Media != "" {
			accept = acceptFiles
		}
		return s.client.fetch(ctx, s.study, s.series, uids[i], accept, buf)
	}, fn)
}

func (s *remoteSeries) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	if list := s.known(); list != nil {
		return s.Fetch(ctx, workers, uidsOf(list), fn)
	}
	came := map[string]bool{}
	n, expected, err := s.client.stream(ctx, s.study, s.series, workers, came, fn)
	if err == nil && n == expected || err != nil && !recoverable(ctx, err) {
		return err
	}
	// Not all of it came, or that is not certain: what has not come is asked for by itself.
	list, listErr := s.Instances(ctx)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	missing := slices.DeleteFunc(uidsOf(list), func(uid string) bool { return came[uid] })
	if len(list)-len(missing) < len(came) { // what came can't be told from what did not
		return fmt.Errorf("retrieve the series: %w: %d instances came of the %d that the server lists, %d of them of other UIDs; try again",
			source.ErrIncomplete, len(came), len(list), len(came)-len(list)+len(missing))
	}
	if len(missing) > 0 {
		if err := s.Fetch(ctx, workers, missing, fn); err != nil {
			return fmt.Errorf("retrieve the series: %w: %d instances came of the %d that the server lists: %w", source.ErrIncomplete, len(came), len(list), err)
		}
	}
	if expected > len(list) {
		// The count may be of the time before something was removed.
		if again := s.client.count(ctx, s.study, s.series); again >= 0 {
			expected = again
		}
	}
	if expected > len(list) {
		return fmt.Errorf("retrieve the series: %w: %d instances came of the %d that the server counts; try again", source.ErrIncomplete, len(list), expected)
	}
	return nil
}

// recoverable says whether asking for instances one by one may succeed where the series at once did not.
func recoverable(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var status *StatusError
	return passing(err) || errors.As(err, &status) && status.Status == 406
}

func uidsOf(list []source.Instance) []string {
	uids := make([]string, len(list))
	for i := range list {
		uids[i] = list[i].SOPInstanceUID
	}
	return uids
}

// stream takes a series in one answer and calls fn for each instance from at most workers goroutines at a time. It notes
// in came what fn was given, and returns its number and the number that the server counts, -1 where it does not say.
func (c *Client) stream(ctx context.Context, study, series string, workers int, came map[string]bool, fn func(source.Object) error) (n, expected int, err error) {
	expected = -1
	counting, stop := context.WithCancel(ctx)
	var count errgroup.Group
	count.Go(func() error {
		expected = c.count(counting, study, series)
		return nil // without a number the instances are listed
	})
	defer func() {
		if err != nil {
			stop()
		}
		_ = count.Wait()
		stop()
	}()
	in, err := c.openSeries(ctx, study, series)
	if err != nil {
		return 0, expected, err
	}
	defer in.Close()
	err = spread(ctx, workers, func(buf *pages.Buffer) (source.Object, error) {
		for {
			o, err := in.next(buf)
			if err != nil {
				return o, err
			}
			if o.Name == "" {
				o.Name = fmt.Sprintf("part %d", in.in.number)
			}
			if !came[o.Name] {
				came[o.Name] = true
				n++
				return o, nil
			}
		}
	}, func() { in.cancel(context.Canceled) }, fn)
	return n, expected, err
}

// count is the number of a series' instances that the server counts, -1 where it does not say.
func (c *Client) count(ctx context.Context, study, series string) int {
	list, err := c.querySeries(ctx, study, series)
	if err != nil || len(list) != 1 || list[0].InstanceCount <= 0 {
		return -1
	}
	return list[0].InstanceCount
}

// RetrieveSeries takes a series in one answer, once, and calls fn for each instance from at most workers goroutines at a
// time, while the next ones arrive. It returns the number of instances that came; nil only after the answer's proper end.
func (c *Client) RetrieveSeries(ctx context.Context, study, series string, workers int, fn func(source.Object) error) (int, error) {
	in, err := c.openSeries(ctx, study, series)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	err = spread(ctx, workers, in.next, func() { in.cancel(context.Canceled) }, fn)
	return in.in.number, err
}

// spread reads objects one after the other into buffers that are used again, and has workers deal with them. read
// returns io.EOF after the last one. At an error abort is called, which must end a read that is under way.
func spread(ctx context.Context, workers int, read func(buf *pages.Buffer) (source.Object, error), abort func(), fn func(source.Object) error) error {
	workers = max(workers, 1)
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, abort)()
	type job struct {
		o   source.Object
		buf *pages.Buffer
	}
	jobs := make(chan job)
	buffers := make([]pages.Buffer, workers+1) // one for each worker, one to read into meanwhile
	free := make(chan *pages.Buffer, len(buffers))
	for i := range buffers {
		free <- &buffers[i]
		defer buffers[i].Free()
	}
	g.Go(func() error {
		defer close(jobs)
		for {
			var buf *pages.Buffer
			select {
			case buf = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			o, err := read(buf)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			select {
			case jobs <- job{o, buf}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for range workers {
		g.Go(func() error {
			for j := range jobs {
				if err := fn(j.o); err != nil {
					return err
				}
				free <- j.buf // never waits: there are no more buffers than places
			}
			return nil
		})
	}
	return g.Wait()
}
