// Renderbench measures the renderers against VTK and prints a table, and JSON with -json.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/render/bench"
)

func main() {
	shared := flag.String("shared", env("TOMOCAST_SHARED", filepath.Join("..", "shared")), "folder with bench/vtk_bench.py")
	presets := flag.String("presets", "bone,soft", "of bone, soft, thin")
	width := flag.Int("width", 512, "pixels")
	height := flag.Int("height", 512, "pixels")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rows, err := bench.Run(ctx, bench.Options{Shared: *shared, Presets: strings.Split(*presets, ","), Width: *width, Height: *height})
	if err == nil {
		if *asJSON {
			err = json.NewEncoder(os.Stdout).Encode(rows)
		} else {
			err = bench.Print(os.Stdout, rows)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "renderbench:", err)
		os.Exit(1)
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
