package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/internal/phantom"
)

// demoFolder is raised when the demo study changes, so that a newer program does not serve an older one's.
const demoFolder = "demo-2"

// folder is the folder of studies to serve.
func (b *broker) folder() string {
	if b.studies != "" {
		return b.studies
	}
	return filepath.Join(b.cacheDir, demoFolder)
}

// keepStudies makes the demo study where it is asked for and not there yet, and then serves the folder of studies until
// ctx ends.
func (b *broker) keepStudies(ctx context.Context, folder string, library *api.Library) error {
	if _, err := os.Stat(folder); b.studies == "" && os.IsNotExist(err) {
		b.log.Info("making the demo study, once")
		start := time.Now()
		if err := phantom.WriteSeries(ctx, folder, phantom.Options{}); err != nil {
			return fmt.Errorf("make the demo study in %s: %w; --cache-dir names another folder", folder, err)
		}
		b.log.Info("the demo study is made", "took", time.Since(start).Round(time.Millisecond))
	}
	return library.Run(ctx)
}
