package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tomocast/tomocast/internal/bench"
)

const (
	movesInARow = 20
	betweenMs   = 800  // from one move's end to the next
	settleMs    = 1500 // dragging before and after what is measured
	movedWithin = 30 * time.Second
	kills       = 5
	killWatchMs = 9000
)

// watched is what the browser saw while the user dragged without a pause.
type watched struct {
	Pictures []struct {
		At    float64 `json:"at"` // ms of the wall clock
		Input bool    `json:"input"`
	} `json:"pictures"`
	States []struct {
		At    float64 `json:"at"`
		State string  `json:"state"`
	} `json:"states"`
	Apart float64 `json:"apart"` // mm, the camera of the picture at the end from that of the view
}

// gaps are the times between pictures, or between those that an input caused, milliseconds.
func (w watched) gaps(inputs bool) (out []float64) {
	var last float64
	for _, p := range w.Pictures {
		if inputs && !p.Input {
			continue
		}
		if last > 0 {
			out = append(out, p.At-last)
		}
		last = p.At
	}
	return out
}

// moves measures a session that goes from edge to edge while the user drags, and one whose edge is killed.
func moves(ctx context.Context, s setup) (rows []bench.Row, err error) {
	st, b, end, err := s.demoPage(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	second, _, err := st.oneMore(ctx)
	if err != nil {
		return nil, err
	}
	defer second.end()
	for _, measure := range []func(context.Context, setup, *stack, *browser) ([]bench.Row, error){inARow, killed} {
		more, err := measure(ctx, s, st, b)
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// inARow moves the session to and fro.
func inARow(ctx context.Context, s setup, st *stack, b *browser) ([]bench.Row, error) {
	task, err := st.session(ctx)
	if err != nil {
		return nil, err
	}
	// The first move has the target load the study, as it is when a node is emptied; the others find it there.
	w, moved, err := b.watching(settleMs+movesInARow*(betweenMs+1200), func() error {
		if err := pause(ctx, settleMs); err != nil {
			return err
		}
		for range movesInARow {
			if err := st.move(ctx, task.ID); err != nil {
				return err
			}
			if err := pause(ctx, betweenMs); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if moved != nil {
		return nil, fmt.Errorf("%d moves in a row: %w; the viewer was %v", movesInARow, moved, w.States)
	}
	gaps := w.gaps(false)
	longest, median := slices.Max(gaps), bench.Median(gaps)
	fmt.Fprintf(s.log, "bench: %d moves: %d pictures, states %v\n", movesInARow, len(gaps)+1, w.States)
	return []bench.Row{
		{Name: fmt.Sprintf("%d moves in a row while dragging: longest gap between pictures, of twice the median and 100 ms", movesInARow),
			Value: longest / (2*median + 100), Unit: "x", Bar: 1, BarIs: bench.AtMost},
		{Name: "  longest gap", Value: longest, Unit: "ms"},
		{Name: "  median interval", Value: median, Unit: "ms"},
		{Name: "  longest time without a picture of an input", Value: slices.Max(w.gaps(true)), Unit: "ms", Bar: 1000, BarIs: bench.AtMost},
		{Name: "  times that the viewer was not running", Value: float64(len(w.States)), Bar: 0, BarIs: bench.AtMost},
		{Name: "  camera of the picture at the end from that of the view", Value: w.Apart, Unit: "mm", Bar: 1e-6, BarIs: bench.AtMost},
	}, nil
}

// killed kills the edge that has the session, again and again; another one has the study.
func killed(ctx context.Context, s setup, st *stack, b *browser) ([]bench.Row, error) {
	var back, apart []float64
	for range kills {
		edge, id, err := st.oneMore(ctx)
		if err != nil {
			return nil, err
		}
		defer edge.end()
		task, err := st.session(ctx)
		if err != nil {
			return nil, err
		}
		if err := st.moveTo(ctx, task.ID, id); err != nil {
			return nil, err
		}
		var at float64
		w, failed, err := b.watching(killWatchMs, func() error {
			if err := pause(ctx, settleMs); err != nil {
				return err
			}
			at = float64(time.Now().UnixMicro()) / 1000
			return edge.cmd.Process.Kill()
		})
		if err := errors.Join(err, failed); err != nil {
			return nil, err
		}
		<-edge.done
		// The last pictures of the edge may still be on their way to the screen.
		first, longest := 0.0, 0.0
		for i := 1; i < len(w.Pictures); i++ {
			if p := w.Pictures[i]; p.At > at && p.At-w.Pictures[i-1].At > longest {
				first, longest = p.At, p.At-w.Pictures[i-1].At
			}
		}
		if longest == 0 {
			return nil, fmt.Errorf("an edge was killed and no picture came in %d ms; the viewer was %v", killWatchMs-settleMs, w.States)
		}
		fmt.Fprintf(s.log, "bench: edge killed: back after %.0f ms, states %v\n", first-at, w.States)
		back, apart = append(back, first-at), append(apart, w.Apart)
	}
	return []bench.Row{
		{Name: "edge killed while dragging: picture of another one that has the study", Value: bench.Median(back), Unit: "ms", Bar: 2000, BarIs: bench.AtMost},
		{Name: "  the slowest", Value: slices.Max(back), Unit: "ms", Bar: 2000, BarIs: bench.AtMost},
		{Name: "  camera of the picture at the end from that of the view", Value: slices.Max(apart), Unit: "mm", Bar: 1e-6, BarIs: bench.AtMost},
	}, nil
}

// watching drags for so long while something is done, and returns when both are over. failed is what became of that.
func (b *browser) watching(ms int, do func() error) (w watched, failed, err error) {
	over := make(chan error, 1)
	go func() { over <- do() }()
	err = b.do("watch", map[string]any{"ms": ms}, &w)
	failed = <-over
	if err == nil && len(w.Pictures) < 10 {
		err = fmt.Errorf("only %d pictures came in %d ms; the viewer was %v", len(w.Pictures), ms, w.States)
	}
	return w, failed, err
}

// placed is what is told of a task.
type placed struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Attempt struct {
		Node string `json:"node"`
	} `json:"attempt"`
}

// session is the session that runs.
func (s *stack) session(ctx context.Context) (placed, error) {
	var list struct {
		Tasks []placed `json:"tasks"`
	}
	if err := s.get(ctx, "/api/v1/tasks", &list); err != nil {
		return placed{}, err
	}
	i := slices.IndexFunc(list.Tasks, func(t placed) bool { return t.State == "running" })
	if i < 0 {
		return placed{}, fmt.Errorf("no session runs among %d tasks", len(list.Tasks))
	}
	return list.Tasks[i], nil
}

// move moves a task to the best other edge, and returns when it is there.
func (s *stack) move(ctx context.Context, task string) error { return s.moveTo(ctx, task, "") }

func (s *stack) moveTo(ctx context.Context, task, to string) error {
	ctx, cancel := context.WithTimeout(ctx, movedWithin)
	defer cancel()
	before, err := s.session(ctx)
	if err != nil || before.Attempt.Node == to {
		return err
	}
	body, err := json.Marshal(map[string]string{"to": to})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/tasks/"+task+"/move", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("the broker does not move the task: %s: %s", resp.Status, text)
	}
	for {
		now, err := s.session(ctx)
		if err != nil {
			return err
		}
		if now.Attempt.Node != before.Attempt.Node {
			return nil
		}
		if err := pause(ctx, 50); err != nil {
			return fmt.Errorf("the task is still at %s: %w", before.Attempt.Node, err)
		}
	}
}

func pause(ctx context.Context, ms int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	}
}
