package picture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// ramp is a grey image whose value is 10 for each column and 1 for each row.
func ramp(width, height int) *dicompicture.Image {
	m := &dicompicture.Image{Width: width, Height: height, Aspect: 1, Gray: make([]float32, width*height)}
	for j := range height {
		for i := range width {
			m.Gray[j*width+i] = float32(10*i + j)
		}
	}
	m.Window = &dicompicture.Window{Center: 127.5, Width: 255, Function: dicompicture.LinearExact}
	return m
}

func draw(t *testing.T, m *dicompicture.Image, c signaling.Camera, w *signaling.Window, width, height int) *render.Image {
	t.Helper()
	var p picture.Painter
	out := &render.Image{}
	if err := p.Draw(m, c, w, out, width, height); err != nil {
		t.Fatal(err)
	}
	if out.Width != width || out.Height != height || len(out.Pix) != 4*width*height {
		t.Fatalf("the picture has %dx%d pixels in %d bytes", out.Width, out.Height, len(out.Pix))
	}
	return out
}

// at is the grey of a pixel, -1 where it is no opaque grey.
func at(m *render.Image, x, y int) int {
	p := m.Pix[4*(y*m.Width+x):]
	if p[0] != p[1] || p[1] != p[2] || p[3] != 255 {
		return -1
	}
	return int(p[0])
}

// One pixel of the image on one of the picture is exactly the image, wherever the camera looks.
func TestPixelForPixel(t *testing.T) {
	for _, spacing := range [][2]float64{{}, {0.5, 0.5}} {
		m := ramp(20, 30)
		m.Spacing = spacing
		px, _ := picture.Pitch(m)
		c := picture.Camera(m, 20.0/30)
		if c.Height != 30*px {
			t.Errorf("spacing %v: the camera sees %g from top to bottom", spacing, c.Height)
		}
		out := draw(t, m, c, nil, 20, 30)
		for y := range 30 {
			for x := range 20 {
				if at(out, x, y) != 10*x+y {
					t.Fatalf("spacing %v: pixel %d,%d is %d, want %d", spacing, x, y, at(out, x, y), 10*x+y)
				}
			}
		}
		// Three columns to the right and two rows down, in a wider picture.
		c.LookAt[0], c.LookAt[1] = c.LookAt[0]+3*px, c.LookAt[1]+2*px
		c.Position[0], c.Position[1] = c.LookAt[0], c.LookAt[1]
		out = draw(t, m, c, nil, 40, 30)
		for y := range 30 {
			for x := range 40 {
				i, j := x-10+3, y+2
				want := 10*i + j
				if i < 0 || i >= 20 || j >= 30 {
					want = 0 // outside the image
				}
				if at(out, x, y) != want {
					t.Fatalf("spacing %v: moved pixel %d,%d is %d, want %d", spacing, x, y, at(out, x, y), want)
				}
			}
		}
	}
}

// Between pixels values are linear, so a ramp stays a ramp when it is magnified; pixels that are not square are not
// drawn square.
func TestMagnifiedAndStretched(t *testing.T) {
	m := ramp(20, 20)
	m.Aspect = 2 // pixels are twice as high as wide
	out := draw(t, m, picture.Camera(m, 0.5), nil, 4*20, 8*20)
	for y := 4; y < 8*20-4; y++ {
		for x := 2; x < 4*20-2; x++ {
			u, v := (float64(x)+0.5)/4-0.5, (float64(y)+0.5)/8-0.5
			if want := 10*u + v; math.Abs(float64(at(out, x, y))-want) > 0.5001 {
				t.Fatalf("pixel %d,%d is %d, want %g", x, y, at(out, x, y), want)
			}
		}
	}
}

// What is made smaller is averaged: a checkerboard becomes grey, not a moiré.
func TestMadeSmaller(t *testing.T) {
	m := ramp(64, 64)
	for i := range m.Gray {
		m.Gray[i] = float32(255 * ((i%64 + i/64) % 2))
	}
	for _, side := range []int{32, 16, 8, 1} {
		out := draw(t, m, picture.Camera(m, 1), nil, side, side)
		for y := range side {
			for x := range side {
				if v := at(out, x, y); v < 127 || v > 128 {
					t.Fatalf("side %d: pixel %d,%d is %d", side, x, y, v)
				}
			}
		}
	}
}

func TestWindowAndRotation(t *testing.T) {
	m := ramp(8, 8)
	c := picture.Camera(m, 1)
	out := draw(t, m, c, &signaling.Window{Center: 40, Width: 1}, 8, 8) // a threshold at 39.5 (PS3.3 C.11.2.1.2.1)
	for x := range 8 {
		want := 0
		if 10*x > 39 {
			want = 255
		}
		if at(out, x, 0) != want {
			t.Errorf("column %d through the window is %d, want %d", x, at(out, x, 0), want)
		}
	}
	c.Up = signaling.Point{1, 0, 0} // the rows go up now, columns to the right
	out = draw(t, m, c, nil, 8, 8)
	if at(out, 0, 0) != 70 || at(out, 7, 0) != 77 || at(out, 0, 7) != 0 {
		t.Errorf("turned: %d %d %d", at(out, 0, 0), at(out, 7, 0), at(out, 0, 7))
	}
	c.Position = signaling.Point{-10, 4, 0}
	c.Up = signaling.Point{0, 0, 1}
	var p picture.Painter
	if err := p.Draw(m, c, nil, &render.Image{}, 8, 8); err == nil {
		t.Error("a camera in the image's plane sees something")
	}
}

func TestColourKeepsItsColours(t *testing.T) {
	m := &dicompicture.Image{Width: 2, Height: 1, Aspect: 1, RGB: []byte{255, 0, 0, 1, 2, 3}}
	out := draw(t, m, picture.Camera(m, 2), &signaling.Window{Center: 1, Width: 1}, 2, 1)
	if !slices.Equal(out.Pix, []byte{255, 0, 0, 255, 1, 2, 3, 255}) {
		t.Errorf("got %v", out.Pix)
	}
}

// files is a series of files in memory that counts what is fetched.
type files struct {
	list    []source.Instance
	data    map[string][]byte
	fetches atomic.Int64
	fail    error
	down    error // of every fetch
}

func (f *files) Instances(context.Context) ([]source.Instance, error) { return f.list, f.fail }

func (f *files) Each(context.Context, int, func(source.Object) error) error {
	return errors.New("all files were asked for")
}

func (f *files) Fetch(ctx context.Context, _ int, uids []string, fn func(source.Object) error) error {
	for _, uid := range uids {
		f.fetches.Add(1)
		if f.down != nil {
			return f.down
		}
		if f.data[uid] == nil {
			return fmt.Errorf("instance %s: %w", uid, source.ErrNotFound)
		}
		if err := fn(source.Object{Name: uid, Data: slices.Clone(f.data[uid])}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// clip is a file with frames of 8x8 pixels, each of one value: frame number + 1.
func clip(t *testing.T, frames int) (uid string, data []byte) {
	t.Helper()
	d := sourcetest.Slice("1.2", "1.2.3", 7)
	d.SetInts(dicom.NumberOfFrames, dicom.IS, frames)
	d.SetInts(dicom.BitsAllocated, dicom.US, 8)
	d.SetInts(dicom.BitsStored, dicom.US, 8)
	d.SetInts(dicom.HighBit, dicom.US, 7)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, 0)
	var pix []byte
	for n := range frames {
		pix = append(pix, bytes.Repeat([]byte{byte(n + 1)}, 64)...)
	}
	d.SetBytes(dicom.PixelData, dicom.OB, pix)
	var b bytes.Buffer
	if err := dicom.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return "1.2.3.7", b.Bytes()
}

func TestSet(t *testing.T) {
	uid, data := clip(t, 5)
	f := &files{data: map[string][]byte{uid: data, "1.9": []byte("no DICOM")}}
	var refs []study.ImageRef
	for n := range 5 {
		refs = append(refs, study.ImageRef{SOPInstanceUID: uid, Frame: n})
	}
	refs = append(refs, study.ImageRef{SOPInstanceUID: "1.9"}, study.ImageRef{SOPInstanceUID: "1.10"}, study.ImageRef{SOPInstanceUID: uid, Frame: 99})
	s, err := picture.Open(t.Context(), f, refs)
	if err != nil {
		t.Fatal(err)
	}
	info := s.Info()
	if info.PatientName != "Müller^Änne" || info.PatientID != "P-1" || info.PatientBirthDate != "19600229" || info.AccessionNumber != "A1" ||
		info.Images != 8 || info.Size != [3]int{8, 8, 8} || info.SpacingMm != [3]float64{0.5, 0.75, 0} || info.Center != (signaling.Point{2, 3, 0}) {
		t.Errorf("info %+v", info)
	}
	for n := range 5 {
		m, err := s.Image(t.Context(), n)
		if err != nil || m.Gray[0] != float32(n+1) || m.Gray[63] != float32(n+1) {
			t.Errorf("image %d: %v", n, err)
		}
	}
	if f.fetches.Load() != 1 {
		t.Errorf("the clip was fetched %d times", f.fetches.Load())
	}
	for _, n := range []int{-1, 5, 6, 7, 8} {
		if _, err := s.Image(t.Context(), n); err == nil {
			t.Errorf("image %d can be shown", n)
		}
	}
	if _, err := s.Image(t.Context(), 6); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
	if _, err := picture.Open(t.Context(), f, nil); err == nil {
		t.Error("a set of no images")
	}
}

// A series whose first images cannot be shown begins at the first one that can; the others can still be asked for.
func TestSetBeginsAtTheFirstGoodImage(t *testing.T) {
	uid, data := clip(t, 3)
	f := &files{data: map[string][]byte{uid: data, "1.9": []byte("no DICOM")}}
	refs := []study.ImageRef{{SOPInstanceUID: "1.9"}, {SOPInstanceUID: "1.10"}, {SOPInstanceUID: uid, Frame: 99}, {SOPInstanceUID: uid, Frame: 1}, {SOPInstanceUID: uid}}
	s, err := picture.Open(t.Context(), f, refs)
	if err != nil {
		t.Fatal(err)
	}
	if s.Start() != 3 || s.Len() != 5 || s.First().Gray[0] != 2 {
		t.Errorf("it begins with image %d of %d, with value %g", s.Start(), s.Len(), s.First().Gray[0])
	}
	if w := s.Info().Warnings; len(w) != 1 || w[0].Amount != 3 || !strings.Contains(w[0].Text, "image 4 ") {
		t.Errorf("warned of %+v", w)
	}
	if _, err := s.Image(t.Context(), 0); err == nil {
		t.Error("the first image can be shown")
	}
	if _, err := picture.Open(t.Context(), f, refs[:3]); err == nil || errors.Is(err, source.ErrNotFound) {
		t.Errorf("the error is that of the first image: %v", err)
	}
	// What is wrong with the source is wrong with every image.
	down := &files{down: errors.New("the source is down")}
	if _, err := picture.Open(t.Context(), down, refs); !errors.Is(err, down.down) || down.fetches.Load() != 1 {
		t.Errorf("%v, after %d fetches", err, down.fetches.Load())
	}
}

func TestThumbnail(t *testing.T) {
	uid, data := clip(t, 3)
	f := &files{data: map[string][]byte{uid: data}, list: []source.Instance{
		{SOPInstanceUID: "1.1"}, // a report
		{SOPInstanceUID: uid, Rows: 8, Columns: 8, Frames: 3},
		{SOPInstanceUID: "1.3", Rows: 8, Columns: 8, Frames: 1, Media: source.MediaNRRD},
	}}
	got, err := picture.Thumbnail(t.Context(), f, 120)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(got.Data))
	if err != nil || got.Format != "image/jpeg" || len(got.Data) > signaling.MaxThumbnail {
		t.Fatalf("%s of %d bytes: %v", got.Format, len(got.Data), err)
	}
	if b := m.Bounds(); b.Dx() != 80 || b.Dy() != 120 { // pixels are 0.5 mm wide and 0.75 high
		t.Errorf("it has %v", b)
	}
	if f.fetches.Load() != 1 {
		t.Errorf("%d files were fetched", f.fetches.Load())
	}
	for _, side := range []int{0, signaling.MaxThumbnailSide + 1} {
		if _, err := picture.Thumbnail(t.Context(), f, side); err == nil {
			t.Errorf("a thumbnail of side %d", side)
		}
	}
	f.list = f.list[:1]
	if _, err := picture.Thumbnail(t.Context(), f, 100); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("of a report: %v", err)
	}
}

func BenchmarkDrawRadiograph(b *testing.B) {
	m := ramp(3000, 2400)
	var p picture.Painter
	out := &render.Image{}
	w := signaling.Window{Center: 1000, Width: 2000}
	for b.Loop() {
		w.Center++ // as while the window is dragged
		if err := p.Draw(m, picture.Camera(m, 1.6), &w, out, 1280, 800); err != nil {
			b.Fatal(err)
		}
	}
}
