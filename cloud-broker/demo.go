package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/internal/phantom"
)

// folder is the folder of studies to serve.
func (b *broker) folder() string {
	if b.studies != "" {
		return b.studies
	}
	return filepath.Join(b.cacheDir, "demo")
}

// keepStudies makes the demo study where it is asked for and not there yet, and then serves the folder of studies until
// ctx ends.
func (b *broker) keepStudies(ctx context.Context, library *api.Library) error {
	if b.studies == "" {
		start := time.Now()
		if err := phantom.WriteSeries(b.folder(), phantom.Options{}); err != nil {
			return fmt.Errorf("make the demo study in %s: %w; --cache-dir names another folder", b.folder(), err)
		}
		b.log.Info("the demo study is there", "took", time.Since(start).Round(time.Millisecond))
	}
	return library.Run(ctx)
}
