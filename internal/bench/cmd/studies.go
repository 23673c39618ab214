package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/internal/dicom/codec/oracle"
	"github.com/tomocast/tomocast/internal/source/worklistbench"
)

// decoding compares reading and decoding a slice with other toolkits, syntax by syntax.
func decoding(ctx context.Context, s setup) ([]bench.Row, error) {
	studies := filepath.Join(s.shared, "data", "studies")
	if _, err := os.Stat(studies); err != nil {
		return nil, skipped("the studies are not there: " + err.Error())
	}
	rows, err := oracle.Run(ctx, studies)
	if errors.Is(err, oracle.ErrMissing) {
		return nil, skipped(err.Error())
	}
	return oracle.Rows(rows), err
}

// worklistStudies is how many studies the worklist has, searches the calls for it that are measured.
const worklistStudies, searches = 10_000, 7

// worklist measures what a broker with 10,000 studies answers over HTTP, and how soon after a restart.
func worklist(ctx context.Context, s setup) ([]bench.Row, error) {
	dir, err := os.MkdirTemp("", "tomocast-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := worklistbench.Make(ctx, dir, worklistStudies); err != nil {
		return nil, err
	}
	st, err := startStack(ctx, s.bin, "--studies", dir)
	if err != nil {
		return nil, err
	}
	defer st.stop()
	if err := st.answers(ctx, "/api/v1/session"); err != nil { // gives the cookie
		return nil, err
	}
	var rows []bench.Row
	for _, m := range []struct {
		name, path string
		bar        float64
	}{
		{"first page", "/api/v1/studies?limit=50", 100},
		{"first page by name", "/api/v1/studies?limit=50&sort=name", 200},
		{"any word", "/api/v1/studies?limit=50&search=no%20such%20word", 200},
		{"patient's name", "/api/v1/studies?limit=50&patientName=*7*", 200},
		{"dates and modality", "/api/v1/studies?limit=50&modality=MR&studyDate=20200101-20301231", 200},
		{"patients", "/api/v1/patients?limit=50", 200},
	} {
		var ms []float64
		for range searches {
			start := time.Now()
			var answer any
			if err := st.get(ctx, m.path, &answer); err != nil {
				return rows, err
			}
			ms = append(ms, time.Since(start).Seconds()*1000)
		}
		rows = append(rows, bench.Row{Name: fmt.Sprintf("worklist of %d studies over HTTP: %s", worklistStudies, m.name),
			Value: bench.Median(ms), Unit: "ms", Bar: m.bar, BarIs: bench.AtMost})
	}
	start := time.Now()
	if err := st.startBroker(ctx); err != nil {
		return rows, err
	}
	if err := st.answers(ctx, "/api/v1/studies?limit=50"); err != nil {
		return rows, err
	}
	restart := time.Since(start).Seconds() * 1000
	index, err := worklistbench.Run(ctx, dir, filepath.Join(st.cache, "again"))
	return append(rows,
		bench.Row{Name: "  until it lists them again after the broker's restart", Value: restart, Unit: "ms"},
		bench.Row{Name: "  files that a restart reads again", Value: float64(index.RestartReads), Unit: "files", Bar: 0, BarIs: bench.AtMost},
	), err
}
