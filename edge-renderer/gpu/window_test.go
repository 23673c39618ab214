//go:build glfw && egl

package gpu_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/gpu"
)

// The display shows the picture's own pixels, the right way up, and the window says when it is closed.
func TestWindow(t *testing.T) {
	display := virtualDisplay(t)
	const width, height = 64, 48
	w, err := gpu.OpenWindow("Tomocast test", width, height)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := gpu.OpenWindow("second", width, height); err == nil {
		t.Error("a second window opened")
	}
	pix := make([]byte, 4*width*height)
	for i := range pix {
		x, y := i/4%width, i/4/width
		pix[i] = [4]byte{byte(x * 4), byte(y * 5), 77, 255}[i%4]
	}
	if err := w.Show(pix, width, height+1); err == nil {
		t.Error("a picture that is too short was shown")
	}
	seen := false
	for range 200 { // the server draws when it comes to it
		if err := w.Show(pix, width, height); err != nil {
			t.Fatal(err)
		}
		if seen = shows(t, display, pix, width, height); seen {
			break
		}
	}
	if !seen {
		t.Error("the display does not show the picture")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	<-w.Closed()
	if err := w.Show(pix, width, height); !errors.Is(err, gpu.ErrClosed) {
		t.Errorf("a picture for a closed window: %v", err)
	}
}

func TestWindowNeedsDisplay(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if _, err := gpu.OpenWindow("none", 10, 10); err == nil || !strings.Contains(err.Error(), "DISPLAY") {
		t.Errorf("error %v", err)
	}
}

// virtualDisplay starts an X server and returns the file that has what is on its screen.
func virtualDisplay(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("Xvfb"); err != nil {
		t.Skip("Xvfb is not installed (Debian: xvfb)")
	}
	folder := t.TempDir()
	number, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer number.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "320x240x24", "-fbdir", folder, "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{out}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	out.Close()
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(line))
	return filepath.Join(folder, "Xvfb_screen0")
}

// shows says whether the picture is somewhere on the screen, which the file has in the format of xwd: a
// header of big-endian words, a table of colours, then rows of 32 bit BGRX.
func shows(t *testing.T, display string, pix []byte, width, height int) bool {
	t.Helper()
	file, err := os.ReadFile(display)
	if err != nil {
		t.Fatal(err)
	}
	word := func(n int) int { return int(binary.BigEndian.Uint32(file[4*n:])) }
	columns, rows, line := word(4), word(5), word(12)
	screen := file[word(0)+12*word(19):]
	rowAt := func(x, y int) []byte {
		row := make([]byte, 4*width)
		for i := range width {
			p := screen[y*line+4*(x+i):]
			copy(row[4*i:], []byte{p[2], p[1], p[0], 255})
		}
		return row
	}
	for y := 0; y+height <= rows; y++ {
	place:
		for x := 0; x+width <= columns; x++ {
			for n := range height {
				if !bytes.Equal(rowAt(x, y+n), pix[4*width*n:4*width*(n+1)]) {
					continue place
				}
			}
			return true
		}
	}
	return false
}
