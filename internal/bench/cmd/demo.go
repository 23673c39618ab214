package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tomocast/tomocast/internal/phantom"
)

// demoStudy is the demo study in a folder of its own.
type demoStudy struct{ parent, dir string }

// demo writes the demo study. Whoever has it removes it.
func (s setup) demo(ctx context.Context) (demoStudy, error) {
	fmt.Fprintln(s.log, "bench: writing the demo study")
	parent, err := os.MkdirTemp("", "tomocast-bench-")
	if err != nil {
		return demoStudy{}, fmt.Errorf("make a folder for the demo study: %w", err)
	}
	d := demoStudy{parent, filepath.Join(parent, "demo")}
	if err := phantom.WriteSeries(ctx, d.dir, phantom.Options{}); err != nil {
		d.remove()
		return demoStudy{}, fmt.Errorf("write the demo study: %w", err)
	}
	return d, nil
}

func (d demoStudy) remove() { _ = os.RemoveAll(d.parent) }
