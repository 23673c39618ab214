package dicomweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/source"
)

// RetrieveInstances fetches instances of a series one by one over at most workers connections and calls fn for each
// on the goroutine that fetched it.
func (c *Client) RetrieveInstances(ctx context.Context, study, series string, uids []string, workers int, fn func(source.Object) error) error {
	const what = "retrieve an instance"
	errs := []error{checkUIDs(study, series)}
	for _, u := range uids {
		errs = append(errs, source.CheckUID("the instance", u))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan string, len(uids))
	for _, u := range uids {
		jobs <- u
	}
	close(jobs)
	for range max(min(workers, len(uids)), 1) {
		g.Go(func() error {
			var buf []byte
			for uid := range jobs {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				var err error
				if buf, err = c.instance(ctx, study, series, uid, buf); err != nil {
					return err
				}
				if err := fn(source.Object{Name: uid, Data: buf}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// instance fetches one instance into buf, or a larger one. It asks for a multipart answer, as every server must give
// one; some refuse a request that would also take the instance by itself.
func (c *Client) instance(ctx context.Context, study, series, uid string, buf []byte) ([]byte, error) {
	what := "retrieve the instance " + uid
	a, err := c.get(ctx, what, acceptStored, "studies", study, "series", series, "instances", uid)
	if err != nil {
		return buf, err
	}
	defer a.Close()
	if buf, err = onlyPart(a.body, buf, a.Header.Get("Content-Type"), c.maxPart()); err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return buf, err
}

// onlyPart reads a multipart body of one part.
func onlyPart(in io.Reader, buf []byte, contentType string, limit int64) ([]byte, error) {
	boundary, err := multipartBoundary(contentType)
	if err != nil {
		return buf, err
	}
	p := newPartReader(in, boundary, limit)
	first, err := p.next(buf)
	if errors.Is(err, io.EOF) {
		return buf, errors.New("the answer has no part")
	}
	if err != nil {
		return first.data, err
	}
	if _, err := p.next(nil); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("the answer has more than one part")
		}
		return first.data, err
	}
	return first.data, nil
}

// Source is a series of the server. Its Each asks for the instances' metadata first, if that has not been done, and
// makes sure that as many instances came as the server lists.
func (c *Client) Source(study, series string) source.Series {
	return &remoteSeries{client: c, study: study, series: series}
}

type remoteSeries struct {
	client        *Client
	study, series string

	mu        sync.Mutex
	instances []source.Instance // nil until asked for
}

func (s *remoteSeries) Instances(ctx context.Context) ([]source.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instances == nil {
		list, err := s.client.Metadata(ctx, s.study, s.series)
		if err != nil {
			return nil, err
		}
		s.instances = list
	}
	return s.instances, nil
}

func (s *remoteSeries) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	return s.client.RetrieveInstances(ctx, s.study, s.series, uids, workers, fn)
}

func (s *remoteSeries) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	list, err := s.Instances(ctx)
	if err != nil {
		return err
	}
	if s.client.Separately {
		uids := make([]string, len(list))
		for i := range list {
			uids[i] = list[i].SOPInstanceUID
		}
		return s.client.RetrieveInstances(ctx, s.study, s.series, uids, workers, fn)
	}
	n, err := s.client.RetrieveSeries(ctx, s.study, s.series, workers, fn)
	if err == nil && n != len(list) {
		err = fmt.Errorf("retrieve the series: %w: %d instances came of the %d that the server lists; try again", source.ErrIncomplete, n, len(list))
	}
	return err
}
