package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/internal/phantom"
)

// demoFolder is raised when the demo study changes, so that a newer program does not serve an older one's.
const demoFolder = "demo-2"

// specs are the sources to serve: the folder of studies or the demo first, then those of the configuration file.
func (b *broker) specs() []library.Spec {
	specs := b.sources
	switch {
	case b.studies != "":
		specs = append([]library.Spec{{Name: b.sourceName, Kind: library.Folder, Path: b.studies}}, specs...)
	case b.demo:
		specs = append([]library.Spec{{Name: b.sourceName, Kind: library.Folder, Path: b.demoFolder()}}, specs...)
	}
	return specs
}

func (b *broker) demoFolder() string { return filepath.Join(b.cacheDir, demoFolder) }

// keepStudies makes the demo study where it is asked for and not there yet, and then serves the sources until ctx ends.
func (b *broker) keepStudies(ctx context.Context, l *library.Library) error {
	folder := b.demoFolder()
	if _, err := os.Stat(folder); b.demo && b.studies == "" && os.IsNotExist(err) {
		b.log.Info("making the demo study, once")
		start := time.Now()
		if err := phantom.WriteSeries(ctx, folder, phantom.Options{}); err != nil {
			return fmt.Errorf("make the demo study in %s: %w; --cache-dir names another folder", folder, err)
		}
		b.log.Info("the demo study is made", "took", time.Since(start).Round(time.Millisecond))
	}
	return l.Run(ctx)
}
