package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/internal/phantom"
)

// folder is the folder of studies to serve. That of the demo study is named after what is in it, a slice standing for
// all, so that a newer program makes a newer one.
func (b *broker) folder() string {
	if b.studies != "" {
		return b.studies
	}
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, phantom.Options{}.Slice(128)) // a hash takes everything
	return filepath.Join(b.cacheDir, "demo-"+hex.EncodeToString(h.Sum(nil)[:4]))
}

// keepStudies makes the demo study where it is asked for and not there yet, and then serves the folder of studies until
// ctx ends.
func (b *broker) keepStudies(ctx context.Context, folder string, library *api.Library) error {
	if _, err := os.Stat(folder); b.studies == "" && os.IsNotExist(err) {
		b.log.Info("making the demo study, once")
		start := time.Now()
		if err := phantom.WriteSeries(folder, phantom.Options{}); err != nil {
			return fmt.Errorf("make the demo study in %s: %w; --cache-dir names another folder", folder, err)
		}
		b.log.Info("the demo study is made", "took", time.Since(start).Round(time.Millisecond))
	}
	return library.Run(ctx)
}
