package dicomweb

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// orthancChest is an Orthanc that has the chest CT of 100 slices.
func orthancChest(t testing.TB) (c *Client, study, series string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sourcetest.Studies(t, "ct-chest-contrast"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	base := orthanc.StartTest(t, orthanc.Config{}).URL
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(base+"/instances", "application/dicom", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	c = &Client{BaseURL: base + "/dicom-web"}
	studies, _, err := c.SearchStudies(t.Context(), source.Query{})
	if err != nil || len(studies) != 1 || studies[0].InstanceCount != 100 {
		t.Fatal(studies, err)
	}
	study = studies[0].StudyInstanceUID
	list, err := c.QuerySeries(t.Context(), study)
	if err != nil || len(list) != 1 || !list[0].Volume || list[0].Images != 100 || list[0].Kind != "a CT image" {
		t.Fatal(list, err)
	}
	return c, study, list[0].SeriesInstanceUID
}

// curl is how long curl takes for the series.
func curl(t testing.TB, c *Client, study, series string) time.Duration {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	begin := time.Now()
	cmd := exec.CommandContext(t.Context(), program, "-sf", "-o", os.DevNull, "-H", "Accept: "+acceptStored, c.BaseURL+"/studies/"+study+"/series/"+series)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// The whole of a CT comes from Orthanc in whatever way it is asked for. How long that takes beside curl is measured by
// BenchmarkOrthancChest and by make bench.
func TestChestFromOrthanc(t *testing.T) {
	c, study, series := orthancChest(t)
	var n, total atomic.Int64
	count := func(o source.Object) error {
		n.Add(1)
		total.Add(int64(len(o.Data)))
		return nil
	}
	for name, way := range map[string]func(source.Series) error{
		"each": func(s source.Series) error { return s.Each(t.Context(), 2, count) },
		"list, then fetch backwards": func(s source.Series) error {
			list, err := s.Instances(t.Context())
			if err != nil {
				return err
			}
			uids := uidsOf(list)
			slices.Reverse(uids)
			return s.Fetch(t.Context(), 2, uids, count)
		},
	} {
		n.Store(0)
		total.Store(0)
		if err := way(c.Source(study, series)); err != nil {
			t.Fatal(err)
		}
		if n.Load() != 100 || total.Load() < 52_000_000 {
			t.Errorf("%s: %d instances, %d bytes", name, n.Load(), total.Load())
		}
	}
}

// BenchmarkOrthancChest fetches the chest CT from Orthanc in the ways that there are.
func BenchmarkOrthancChest(b *testing.B) {
	c, study, series := orthancChest(b)
	drop := func(source.Object) error { return nil }
	list, err := c.Metadata(b.Context(), study, series)
	if err != nil {
		b.Fatal(err)
	}
	uids := uidsOf(list)
	b.Run("curl", func(b *testing.B) {
		for b.Loop() {
			curl(b, c, study, series)
		}
	})
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			if err := c.Source(study, series).Each(b.Context(), 2, drop); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("instances and fetch", func(b *testing.B) {
		for b.Loop() {
			s := c.Source(study, series)
			if err := s.Fetch(b.Context(), 2, uids, drop); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("metadata", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Metadata(b.Context(), study, series); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, k := range []int{1, 4} {
		b.Run(fmt.Sprintf("one by one, %d connections", k), func(b *testing.B) {
			for b.Loop() {
				if err := c.RetrieveInstances(b.Context(), study, series, uids, k, drop); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
