// Package web holds the viewer that the broker serves: the files that `npm run build` makes of this folder.
package web

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// dist has a placeholder, so that the Go code builds before the viewer does.
//
//go:embed all:dist
var dist embed.FS

// ErrNotBuilt says that the program was built before the viewer was.
var ErrNotBuilt = errors.New("the viewer was not built: run make build")

// Assets returns the viewer's files, index.html at its root, or an error that wraps [ErrNotBuilt].
func Assets() (fs.FS, error) {
	assets, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the viewer's files: %w", err)
	}
	return assets, built(assets)
}

func built(assets fs.FS) error {
	if _, err := fs.Stat(assets, "index.html"); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotBuilt, err)
	}
	return nil
}
