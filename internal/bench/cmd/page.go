package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/tomocast/tomocast/internal/bench"
)

const (
	opens     = 5  // of a study, each with a new edge
	singles   = 24 // inputs into a session at rest
	looks     = 12 // of those, with the pixels looked at
	stills    = 7
	drags     = 5
	dragMs    = 2000
	shortDrag = 600
)

// firstPicture measures how long the chest CT takes to appear after its URL was opened. Each time the edge is
// new, so that it has no volume; the shaders were compiled for the one that is not counted.
func firstPicture(ctx context.Context, s setup) ([]bench.Row, error) {
	studies := filepath.Join(s.shared, "data", "studies", "ct-chest-contrast")
	if _, err := os.Stat(studies); err != nil {
		return nil, skipped("the chest CT is not there: " + err.Error())
	}
	return opening(ctx, s, studies, "chest CT", bench.Row{Unit: "ms", Bar: 2000, BarIs: bench.AtMost})
}

// opening opens a study again and again. bar is the row for the first picture, without its value.
func opening(ctx context.Context, s setup, studies, name string, bar bench.Row) ([]bench.Row, error) {
	st, err := startStack(ctx, s.bin, "--studies", studies)
	if err != nil {
		return nil, err
	}
	defer st.stop()
	return st.opening(ctx, s, name, bar)
}

// opening opens the broker's one study again and again.
func (st *stack) opening(ctx context.Context, s setup, name string, bar bench.Row) ([]bench.Row, error) {
	viewer, err := st.viewer(ctx)
	if err != nil {
		return nil, err
	}
	b, err := startBrowser(ctx, s)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	if _, err := b.open(viewer); err != nil {
		return nil, err
	}
	var all []opened
	for range opens {
		if err := st.startEdge(ctx); err != nil {
			return nil, err
		}
		o, err := b.open(viewer)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(s.log, "bench: %s: first picture %.0f ms (render %.0f at scale %.2f, encode %.0f), still %.0f ms, states %v\n",
			name, o.FirstMs, o.RenderMs, o.Scale, o.EncodeMs, o.StillMs, o.Stages)
		all = append(all, o)
	}
	bar.Name, bar.Value = name+": first picture after its URL was opened", medianOf(all, func(o opened) float64 { return o.FirstMs })
	row := func(what string, of func(opened) float64) bench.Row {
		return bench.Row{Name: name + ": " + what, Value: medianOf(all, of), Unit: "ms"}
	}
	return []bench.Row{
		bar,
		row("  until the edge was being reached", func(o opened) float64 { return o.Stages["connecting"] }),
		row("  until it was loading", func(o opened) float64 { return o.Stages["loading"] }),
		row("  until it was loaded", func(o opened) float64 { return o.Stages["running"] }),
		row("  render time of that picture", func(o opened) float64 { return o.RenderMs }),
		row("lossless still after its URL was opened", func(o opened) float64 { return o.StillMs }),
	}, nil
}

// firstDemo measures how long the demo study takes to appear.
func firstDemo(ctx context.Context, s setup) ([]bench.Row, error) {
	demo, err := s.demo(ctx)
	if err != nil {
		return nil, err
	}
	defer demo.remove()
	return opening(ctx, s, demo.dir, "demo study", bench.Row{Unit: "ms"})
}

// demoPage opens the demo study in Chromium, from a stack of its own. end ends both.
func (s setup) demoPage(ctx context.Context) (st *stack, b *browser, end func(), err error) {
	var ends []func()
	end = func() {
		for _, e := range slices.Backward(ends) {
			e()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	demo, err := s.demo(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	ends = append(ends, demo.remove)
	if st, err = startStack(ctx, s.bin, "--studies", demo.dir); err != nil {
		return nil, nil, nil, err
	}
	ends = append(ends, st.stop)
	viewer, err := st.viewer(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if b, err = startBrowser(ctx, s); err != nil {
		return nil, nil, nil, err
	}
	ends = append(ends, b.stop)
	_, err = b.open(viewer)
	return st, b, end, err
}

// session measures a session on the demo study: single inputs, drags, stills.
func session(ctx context.Context, s setup) (rows []bench.Row, err error) {
	_, b, end, err := s.demoPage(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	for _, measure := range []func(*browser) ([]bench.Row, error){inputs, motion, rests} {
		more, err := measure(b)
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// input is one input into a session at rest. Times are milliseconds; those without a unit in their name are
// from the time of the input event on.
type input struct {
	ToldMs    float64 `json:"toldMs"` // motion to photon as the viewer tells it
	RenderMs  float64 `json:"renderMs"`
	EncodeMs  float64 `json:"encodeMs"`
	Times     times   `json:"times"`
	Delivered float64 `json:"delivered"` // the page heard of the input
	Received  float64 `json:"received"`  // the picture's last packet came
	Presented float64 `json:"presented"` // the picture was given to be drawn
	Shown     float64 `json:"shown"`     // it is on the screen
	Changed   float64 `json:"changed"`   // the page saw other pixels
}

// times are the edge's stages of a picture, milliseconds.
type times struct {
	Wait    float64 `json:"wait"`
	Render  float64 `json:"render"`
	Convert float64 `json:"convert"`
	Encode  float64 `json:"encode"`
}

func (i input) above() float64 { return i.Shown - i.RenderMs - i.EncodeMs }

func inputs(b *browser) ([]bench.Row, error) {
	var plain, looked struct {
		Samples []input `json:"samples"`
	}
	if err := b.do("single", map[string]any{"count": singles}, &plain); err != nil {
		return nil, err
	}
	if err := b.do("single", map[string]any{"count": looks, "looking": true}, &looked); err != nil {
		return nil, err
	}
	if len(plain.Samples) < singles-2 || len(looked.Samples) < looks-2 {
		return nil, fmt.Errorf("of %d inputs only %d were seen to have an effect", singles+looks, len(plain.Samples)+len(looked.Samples))
	}
	all := plain.Samples
	row := func(name string, of func(input) float64) bench.Row {
		return bench.Row{Name: "single input: " + name, Value: medianOf(all, of), Unit: "ms"}
	}
	bar := row("motion to photon above render and encode", input.above)
	bar.Bar, bar.BarIs = 45, bench.AtMost
	return []bench.Row{
		bar,
		{Name: "single input: the same, 95th percentile", Value: quantileOf(all, input.above, 0.95), Unit: "ms"},
		row("motion to photon", func(i input) float64 { return i.Shown }),
		row("motion to photon as the viewer tells it", func(i input) float64 { return i.ToldMs }),
		row("  from the event to the page", func(i input) float64 { return i.Delivered }),
		row("  input and picture under way", func(i input) float64 {
			return i.Received - i.Delivered - i.Times.Render - i.Times.Convert - i.Times.Encode
		}),
		row("  render", func(i input) float64 { return i.RenderMs }),
		row("  scale and convert", func(i input) float64 { return i.Times.Convert }),
		row("  encode", func(i input) float64 { return i.EncodeMs }),
		row("  from its last packet to being drawn", func(i input) float64 { return i.Presented - i.Received }),
		row("  from there to the screen", func(i input) float64 { return i.Shown - i.Presented }),
		{Name: "single input: pixels seen to change, above render and encode",
			Value: medianOf(looked.Samples, func(i input) float64 { return i.Changed - i.RenderMs - i.EncodeMs }), Unit: "ms"},
	}, nil
}

// motion measures pictures while the hand moves without a pause.
func motion(b *browser) ([]bench.Row, error) {
	var dragged struct {
		Runs []struct {
			Took   float64 `json:"took"` // ms
			Frames []struct {
				Motion *float64 `json:"motionMs"`
				Scale  float64  `json:"scale"`
			} `json:"frames"`
		} `json:"runs"`
	}
	if err := b.do("drag", map[string]any{"count": drags, "ms": dragMs}, &dragged); err != nil {
		return nil, err
	}
	var all, rates, scales []float64
	for _, run := range dragged.Runs {
		for _, f := range run.Frames {
			if f.Motion != nil {
				all = append(all, *f.Motion)
			}
			scales = append(scales, f.Scale)
		}
		rates = append(rates, float64(len(run.Frames))*1000/run.Took)
	}
	return []bench.Row{
		{Name: "drag: motion to photon", Value: bench.Median(all), Unit: "ms"},
		{Name: "drag: motion to photon, 95th percentile", Value: bench.Quantile(all, 0.95), Unit: "ms"},
		{Name: "drag: pictures", Value: bench.Median(rates), Unit: "1/s"},
		{Name: "drag: rendered pixels for each of the picture, along a side", Value: bench.Median(scales), Unit: "x"},
	}, nil
}

// rested is what followed the end of a movement. Times are milliseconds from its last event.
type rested struct {
	Ms     float64 `json:"ms"`     // the lossless still was painted
	EdgeMs float64 `json:"edgeMs"` // the edge had it, from the edge's last input on
	After  []struct {
		At       float64 `json:"at"`
		RenderMs float64 `json:"renderMs"`
		Quality  string  `json:"quality"`
		Scale    float64 `json:"scale"`
	} `json:"after"`
}

func rests(b *browser) ([]bench.Row, error) {
	var result struct {
		Samples []rested `json:"samples"`
	}
	if err := b.do("rest", map[string]any{"count": stills, "ms": shortDrag}, &result); err != nil {
		return nil, err
	}
	// The still is made of the refined picture, which comes as video before it.
	last := func(of func(at, render float64) float64) func(rested) float64 {
		return func(r rested) float64 {
			for _, f := range r.After {
				if f.Quality == "lossy" && f.RenderMs > 0 {
					return of(f.At, f.RenderMs)
				}
			}
			return math.NaN() // it gave way to the still before it was shown
		}
	}
	return []bench.Row{
		{Name: "lossless still after the hand stops", Value: medianOf(result.Samples, func(r rested) float64 { return r.Ms }),
			Unit: "ms", Bar: 500, BarIs: bench.AtMost},
		{Name: "lossless still: ready at the edge", Value: medianOf(result.Samples, func(r rested) float64 { return r.EdgeMs }), Unit: "ms"},
		{Name: "lossless still: render time of the refined picture", Value: medianOf(result.Samples, last(func(_, render float64) float64 { return render })), Unit: "ms"},
		{Name: "lossless still: the refined picture was shown", Value: medianOf(result.Samples, last(func(at, _ float64) float64 { return at })), Unit: "ms"},
		{Name: "lossless still: pictures after the hand stops", Value: medianOf(result.Samples, func(r rested) float64 { return float64(len(r.After)) }), Unit: ""},
	}, nil
}

// medianOf and quantileOf leave out what was not measured, which is NaN.
func medianOf[T any](all []T, of func(T) float64) float64 { return quantileOf(all, of, 0.5) }

func quantileOf[T any](all []T, of func(T) float64, q float64) float64 {
	var values []float64
	for i := range all {
		if v := of(all[i]); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return bench.Quantile(values, q)
}
