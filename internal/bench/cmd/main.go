// Cmd measures Tomocast on this machine and judges what has a bar: `make bench`. It prints a table, writes JSON
// with -json, and ends with status 1 where a bar is missed or a measurement fails.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	placement "github.com/tomocast/tomocast/cloud-broker/pool/bench"
	"github.com/tomocast/tomocast/internal/bench"
	_ "github.com/tomocast/tomocast/internal/dicom/codec/native" // JPEG-LS and JPEG 2000
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// setup is where things are and how much is measured.
type setup struct {
	root   string // of the repository
	bin    string // folder with the programs
	shared string // folder with bench/ and data/
	log    io.Writer
}

// part is some measurements that belong together.
type part struct {
	name string
	what string
	run  func(context.Context, setup) ([]bench.Row, error)
}

var parts = []part{
	{"vtk", "ray casting against VTK's mappers", againstVTK},
	{"placement", "choosing and claiming nodes", func(ctx context.Context, s setup) ([]bench.Row, error) { return placement.Run(ctx, s.log) }},
	{"choose", "choosing among 100,000 nodes", choose},
	{"chaos", "a pool that lives through failures", failures},
	{"simulate", "policies and predictions on public traces", policies},
	{"shares", "shares of sessions that all want more of one renderer", shares},
	{"stages", "rendering, encoding and compressing the demo study", stages},
	{"session", "a session on the demo study in Chromium", session},
	{"moves", "a session that moves, and one whose edge is killed, in Chromium", moves},
	{"demo", "the first picture of the demo study in Chromium", firstDemo},
	{"first", "the first picture of the chest CT in Chromium", firstPicture},
	{"pacs", "a CT of 100 slices from Orthanc", fromPACS},
	{"decode", "decoding against DCMTK and GDCM", decoding},
	{"worklist", "a list of 10,000 studies", worklist},
}

// skipped is why a part cannot be measured here.
type skipped string

func (s skipped) Error() string { return "skipped: " + string(s) }

// report is what -json writes.
type report struct {
	Started    time.Time       `json:"started"`
	Processors int             `json:"processors"`
	Load       string          `json:"load"` // of the last 1, 5 and 15 minutes when it started
	Rows       json.RawMessage `json:"rows"`
	Problems   []string        `json:"problems,omitempty"`
}

func main() {
	worker.Main() // a codec's child process
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	jsonFile := flag.String("json", "", "`file` to write the figures to as JSON")
	only := flag.String("only", strings.Join(names, ","), "`parts` to measure")
	bin := flag.String("bin", "bin", "`folder` with cloud-broker and edge-renderer")
	shared := flag.String("shared", env("TOMOCAST_SHARED", filepath.Join("..", "shared")), "`folder` with bench/vtk_bench.py and data/studies")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, *only, *bin, *shared, *jsonFile); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// measure runs the parts, each whatever became of the others.
func measure(ctx context.Context, only, bin, shared, jsonFile string) error {
	s := setup{log: os.Stderr}
	for path, to := range map[string]*string{".": &s.root, bin: &s.bin, shared: &s.shared} {
		var err error
		if *to, err = filepath.Abs(path); err != nil {
			return err
		}
	}
	chosen := strings.Split(only, ",")
	for _, name := range chosen {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("-only: there is no part %q", name)
		}
	}
	r := report{Started: time.Now(), Processors: runtime.NumCPU(), Load: load()}
	fmt.Fprintf(os.Stdout, "%s, %d processors, load %s\n", r.Started.Format(time.RFC3339), r.Processors, r.Load)
	var rows []bench.Row
	failed := false
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(s.log, "bench: %s (%s)\n", p.what, p.name)
		more, err := p.run(ctx, s)
		rows = append(rows, more...)
		if err != nil {
			var skip skipped
			failed = failed || !errors.As(err, &skip)
			r.Problems = append(r.Problems, fmt.Sprintf("%s: %v", p.name, err))
		}
	}
	if err := bench.Table(os.Stdout, rows); err != nil {
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintln(os.Stdout, p)
	}
	if err := r.write(jsonFile, rows); err != nil {
		return err
	}
	missed := slices.DeleteFunc(rows, bench.Row.Met)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed:
		return errors.New("not everything could be measured")
	case len(missed) > 0:
		return fmt.Errorf("%d figures miss their bar", len(missed))
	}
	return nil
}

func (r report) write(file string, rows []bench.Row) (err error) {
	if file == "" {
		return nil
	}
	if r.Rows, err = bench.JSON(rows); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// load is the machine's load as Linux tells it.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
