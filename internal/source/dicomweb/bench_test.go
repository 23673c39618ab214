package dicomweb

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// BenchmarkChest fetches the 100 slices (53 MB) of the chest CT over loopback in the ways that there are.
func BenchmarkChest(b *testing.B) {
	x, err := folder.Open(b.Context(), sourcetest.Studies(b, "ct-chest-contrast"), "", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	server := httptest.NewServer(NewHandler(Config{Store: x, Authorize: allow, Logger: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	found, _ := x.FindStudies(source.Query{}, 1)
	study := found[0].StudyInstanceUID
	series, _ := x.Series(study)
	se := series[0].SeriesInstanceUID
	c := &Client{BaseURL: server.URL}
	list, err := c.Metadata(b.Context(), study, se)
	if err != nil {
		b.Fatal(err)
	}
	var uids []string
	for _, i := range list {
		uids = append(uids, i.SOPInstanceUID)
	}
	var total atomic.Int64
	count := func(o source.Object) error {
		total.Add(int64(len(o.Data)))
		return nil
	}
	run := func(name string, fetch func(ctx context.Context) error) {
		b.Run(name, func(b *testing.B) {
			total.Store(0)
			for b.Loop() {
				if err := fetch(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(total.Load() / int64(b.N))
		})
	}
	run("one answer, 1 worker", func(ctx context.Context) error {
		_, err := c.RetrieveSeries(ctx, study, se, 1, count)
		return err
	})
	run("one answer, 2 workers", func(ctx context.Context) error {
		_, err := c.RetrieveSeries(ctx, study, se, 2, count)
		return err
	})
	for _, n := range []int{1, 2, 4} {
		run("instances, "+string(rune('0'+n))+" connections", func(ctx context.Context) error {
			return c.RetrieveInstances(ctx, study, se, uids, n, count)
		})
	}
	run("from the folder, 2 workers", func(ctx context.Context) error {
		s, err := x.Source(study, se)
		if err != nil {
			return err
		}
		return s.Each(ctx, 2, count)
	})
	b.Run("metadata", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Metadata(b.Context(), study, se); err != nil {
				b.Fatal(err)
			}
		}
	})
}
