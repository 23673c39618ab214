package web

import (
	"errors"
	"testing"
	"testing/fstest"
)

func TestBuilt(t *testing.T) {
	if err := built(fstest.MapFS{".gitkeep": {}}); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("without index.html: %v, want ErrNotBuilt", err)
	}
	if err := built(fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}); err != nil {
		t.Errorf("with index.html: %v", err)
	}
}

func TestAssets(t *testing.T) {
	assets, err := Assets()
	if err != nil {
		if errors.Is(err, ErrNotBuilt) {
			t.Skip("the viewer is not built here")
		}
		t.Fatal(err)
	}
	if _, err := assets.Open("index.html"); err != nil {
		t.Error(err)
	}
}
