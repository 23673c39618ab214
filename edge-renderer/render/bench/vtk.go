package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/tomocast/tomocast/edge-renderer/render"
)

// python is the system's interpreter, which sees Debian's VTK.
const python = "/usr/bin/python3"

// vtk runs vtk_bench.py.
type vtk struct {
	script, raw, preset string
	width, height       int
}

// result is the median time of a picture and the last picture.
type result struct {
	ms      float64
	picture *render.Image
}

func (v vtk) run(ctx context.Context, mapper string) (result, error) {
	if _, err := os.Stat(v.script); err != nil {
		return result{}, fmt.Errorf("the script that runs VTK: %w (TOMOCAST_SHARED names the folder above bench)", err)
	}
	picture := filepath.Join(filepath.Dir(v.raw), mapper+".png")
	n, w, h := strconv.Itoa(side), strconv.Itoa(v.width), strconv.Itoa(v.height)
	cmd := exec.CommandContext(ctx, "xvfb-run", "-a", "-s", "-screen 0 1280x1024x24", python, v.script,
		"--raw", v.raw, "--dims", n, n, n, "--size", w, h, "--preset", v.preset, "--mapper", mapper,
		"--sample", fmt.Sprint(step), "--azs", fmt.Sprint(turn), "--frames", strconv.Itoa(frames), "--warm", strconv.Itoa(warm),
		"--jitter", "0", "--readback", "1", "--png", picture)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("VTK's %s mapper (needs Debian's python3-vtk9, python3-numpy, xvfb, xauth): %w: %s", mapper, err, tail(stderr.Bytes()))
	}
	var report struct {
		Milliseconds float64 `json:"ms"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return result{}, fmt.Errorf("VTK's %s mapper: its report: %w", mapper, err)
	}
	if !(report.Milliseconds > 0) {
		return result{}, errors.New("VTK reports no time")
	}
	img, err := readPNG(picture)
	return result{report.Milliseconds, img}, err
}

func readPNG(path string) (*render.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	decoded, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("VTK's picture: %w", err)
	}
	b := decoded.Bounds()
	out := &render.Image{}
	out.Resize(b.Dx(), b.Dy())
	draw.Draw(out.NRGBA(), image.Rect(0, 0, b.Dx(), b.Dy()), decoded, b.Min, draw.Src)
	return out, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-500):] }
