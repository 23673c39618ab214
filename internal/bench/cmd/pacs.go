package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// chestSeries is the UID of the chest CT.
const chestSeries = "1.3.6.1.4.1.14519.5.2.1.1600.1201.232452678303801622999914846513"

// fromPACS measures the chest CT of 100 slices from an Orthanc on this machine: how long until the first picture is on
// the screen, and how long the whole volume takes beside curl, which only fetches the files.
func fromPACS(ctx context.Context, s setup) ([]bench.Row, error) {
	chest := filepath.Join(s.shared, "data", "studies", "ct-chest-contrast")
	if _, err := os.Stat(chest); err != nil {
		return nil, skipped("the chest CT is not there: " + err.Error())
	}
	if _, err := exec.LookPath("curl"); err != nil {
		return nil, skipped("curl is not installed")
	}
	pacs, err := orthanc.Start(ctx, orthanc.Config{})
	if errors.Is(err, orthanc.ErrNotInstalled) {
		return nil, skipped(err.Error())
	}
	if err != nil {
		return nil, err
	}
	defer pacs.Stop()
	if err := pacs.UploadFolder(ctx, chest); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tomocast-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sources := filepath.Join(dir, "sources.yaml")
	config := fmt.Sprintf("sources:\n  - name: pacs\n    kind: pacs\n    url: %s\n", pacs.DICOMweb)
	if err := os.WriteFile(sources, []byte(config), 0o600); err != nil {
		return nil, err
	}
	st, err := startStack(ctx, s.bin, "--sources", sources)
	if err != nil {
		return nil, err
	}
	defer st.stop()
	rows, err := st.wholeVolume(ctx, s, pacs)
	if err != nil {
		return rows, err
	}
	opened, err := st.opening(ctx, s, "chest CT from Orthanc", bench.Row{Unit: "ms", Bar: 1000, BarIs: bench.AtMost})
	return append(rows, opened...), err
}

// wholeVolume compares the time from a request to the whole volume with that in which curl fetches the series, in
// turns.
func (st *stack) wholeVolume(ctx context.Context, s setup, pacs *orthanc.Server) ([]bench.Row, error) {
	var found struct {
		Studies []struct {
			UID string `json:"studyInstanceUID"`
		} `json:"studies"`
	}
	if err := st.get(ctx, "/api/v1/studies?source=pacs", &found); err != nil {
		return nil, err
	}
	if len(found.Studies) != 1 {
		return nil, fmt.Errorf("the PACS has %d studies, not the one to measure", len(found.Studies))
	}
	ref := signaling.SeriesRef{Source: "pacs", StudyInstanceUID: found.Studies[0].UID, SeriesInstanceUID: chestSeries}
	var whole, first, curl, alone []float64
	for range opens {
		ms, err := fetch(ctx, pacs.DICOMweb+"/studies/"+ref.StudyInstanceUID+"/series/"+ref.SeriesInstanceUID)
		if err != nil {
			return nil, err
		}
		curl = append(curl, ms)
		if ms, err = build(ctx, pacs, ref); err != nil {
			return nil, err
		}
		alone = append(alone, ms)
		if err := st.startEdge(ctx); err != nil {
			return nil, err
		}
		firstMs, wholeMs, err := st.load(ctx, ref)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(s.log, "bench: from Orthanc: first picture %.0f ms, whole volume %.0f ms, loading alone %.0f ms, curl %.0f ms\n",
			firstMs, wholeMs, ms, curl[len(curl)-1])
		first, whole = append(first, firstMs), append(whole, wholeMs)
	}
	return []bench.Row{
		{Name: "chest CT from Orthanc: whole volume, listing, fetching and decoding / curl", Value: bench.Ratio(alone, curl), Unit: "x", Bar: 1.5, BarIs: bench.AtMost},
		{Name: "  curl fetches the series in", Value: bench.Median(curl), Unit: "ms"},
		{Name: "  whole volume, loading alone", Value: bench.Median(alone), Unit: "ms"},
		{Name: "  whole volume in a session, from the request for it on", Value: bench.Median(whole), Unit: "ms"},
		{Name: "  first picture at a terminal in Go", Value: bench.Median(first), Unit: "ms"},
	}, nil
}

// fetch has curl fetch a series as it is stored.
func fetch(ctx context.Context, url string) (ms float64, err error) {
	cmd := exec.CommandContext(ctx, "curl", "--silent", "--fail", "--output", os.DevNull, "--header",
		`Accept: multipart/related; type="application/dicom"; transfer-syntax=*`, url)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("curl %s: %w", url, err)
	}
	return time.Since(start).Seconds() * 1000, nil
}

// build makes the volume of a series as an edge does, without a session.
func build(ctx context.Context, pacs *orthanc.Server, ref signaling.SeriesRef) (ms float64, err error) {
	client, err := dicomweb.NewClient(signaling.SourceAccess{DICOMweb: pacs.DICOMweb})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	start := time.Now()
	result, err := study.Build(ctx, client.Source(ref.StudyInstanceUID, ref.SeriesInstanceUID), study.Options{})
	if err != nil {
		return 0, err
	}
	ms = time.Since(start).Seconds() * 1000
	result.Free()
	return ms, nil
}

// load opens a session and waits for its first picture and for the whole volume.
func (st *stack) load(ctx context.Context, ref signaling.SeriesRef) (firstMs, wholeMs float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	start := time.Now()
	client := terminal.Client{Broker: st.url, Token: func() string { return st.token }}
	session, err := client.Open(ctx, signaling.TaskRequest{Type: signaling.Rendering, Series: &ref}, terminal.Options{Width: 1024, Height: 768})
	if err != nil {
		return 0, 0, err
	}
	defer session.Close()
	since := func() float64 { return time.Since(start).Seconds() * 1000 }
	for firstMs == 0 || wholeMs == 0 {
		select {
		case <-session.Pictures():
			if firstMs == 0 {
				firstMs = since()
			}
		case e := <-session.Events():
			switch e.Type {
			case signaling.EventLoaded:
				if e.Loading == nil || !e.Loading.Preview {
					wholeMs = since()
				}
			case signaling.EventEnding:
				return 0, 0, e.Problem
			}
		case <-session.Done():
			return 0, 0, session.Err()
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("load the series: %w", ctx.Err())
		}
	}
	return firstMs, wholeMs, session.Finish(ctx)
}
