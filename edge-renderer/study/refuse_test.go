package study_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// Series of which no part is a volume are refused by name, with and without an announcement.
func TestRefused(t *testing.T) {
	all := func(change func(d *dicom.Dataset)) func([]*dicom.Dataset) []*dicom.Dataset {
		return func(list []*dicom.Dataset) []*dicom.Dataset { return each(list, change) }
	}
	for name, c := range map[string]struct {
		change func([]*dicom.Dataset) []*dicom.Dataset
		code   study.Code
		images int // that can be shown one by one
		words  []string
	}{
		"no slices": {func([]*dicom.Dataset) []*dicom.Dataset { return nil }, study.NoSlices, 0, nil},
		"one slice": {func(l []*dicom.Dataset) []*dicom.Dataset { return l[:1] }, study.NotVolume, 1, []string{"single image"}},
		"a clip": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.NumberOfFrames, dicom.IS, 2)
			d.SetInts(dicom.Rows, dicom.US, 4)
			d.Delete(dicom.ImagePositionPatient)
		}), study.Multiframe, 16, []string{"clip of 2 images"}},
		"colour": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.SamplesPerPixel, dicom.US, 3)
			d.SetString(dicom.PhotometricInterpretation, dicom.CS, "RGB")
		}), study.Colour, 8, []string{"colour image"}},
		"a palette":               {all(str(dicom.PhotometricInterpretation, dicom.CS, "PALETTE COLOR")), study.Colour, 8, nil},
		"a slope of zero":         {all(str(dicom.RescaleSlope, dicom.DS, "0")), study.Unreadable, 0, []string{"slope is 0"}},
		"a slope in words":        {all(str(dicom.RescaleSlope, dicom.DS, "steep")), study.Unreadable, 0, []string{"(0028,1053)"}},
		"a slope without measure": {all(str(dicom.RescaleSlope, dicom.DS, "1e300")), study.Unreadable, 0, []string{"beyond all measure"}},
		"half a look-up table": {all(func(d *dicom.Dataset) { d.SetSequence(dicom.ModalityLUTSequence, &dicom.Dataset{}) }),
			study.Unreadable, 0, []string{"(0028,3002)"}},
		"no position":                     {all(func(d *dicom.Dataset) { d.Delete(dicom.ImagePositionPatient) }), study.NotVolume, 8, []string{"place in the patient"}},
		"half a position":                 {all(str(dicom.ImagePositionPatient, dicom.DS, "1", "2")), study.NotVolume, 8, nil},
		"a position that is no number":    {all(str(dicom.ImagePositionPatient, dicom.DS, "1", "NaN", "2")), study.NotVolume, 8, nil},
		"a position on the moon":          {all(str(dicom.ImagePositionPatient, dicom.DS, "0", "0", "1e12")), study.BadGeometry, 8, nil},
		"no orientation":                  {all(func(d *dicom.Dataset) { d.Delete(dicom.ImageOrientationPatient) }), study.NotVolume, 8, nil},
		"an orientation of nothing":       {all(str(dicom.ImageOrientationPatient, dicom.DS, "0", "0", "0", "0", "0", "0")), study.BadGeometry, 8, nil},
		"directions that are not upright": {all(str(dicom.ImageOrientationPatient, dicom.DS, "1", "0", "0", "0.7071", "0.7071", "0")), study.BadGeometry, 8, []string{"right angles"}},
		"no spacing":                      {all(func(d *dicom.Dataset) { d.Delete(dicom.PixelSpacing) }), study.BadGeometry, 8, []string{"PixelSpacing"}},
		"a spacing of nothing":            {all(str(dicom.PixelSpacing, dicom.DS, "0", "0")), study.BadGeometry, 8, nil},
		"a spacing below zero":            {all(str(dicom.PixelSpacing, dicom.DS, "-1", "1")), study.BadGeometry, 8, nil},
		"a bit per pixel": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsAllocated, dicom.US, 1)
			d.SetInts(dicom.BitsStored, dicom.US, 1)
			d.SetInts(dicom.HighBit, dicom.US, 0)
		}), study.Unsupported, 8, []string{"1 bit"}},
		"reports": {all(func(d *dicom.Dataset) {
			for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns} {
				d.Delete(tag)
			}
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11")
		}), study.NotVolume, 0, []string{"structured report"}},
		"compressed as MPEG": {all(func(d *dicom.Dataset) {
			d.TransferSyntax = "1.2.840.10008.1.2.4.102"
			d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, {1, 2}}})
		}), study.Compressed, -1, []string{"1.2.840.10008.1.2.4.102"}},
		"values beyond 32 bit floats": {all(func(d *dicom.Dataset) {
			d.Delete(dicom.PixelData)
			d.SetInts(dicom.BitsAllocated, dicom.US, 64)
			d.SetFloats(dicom.DoubleFloatPixelData, dicom.OD, append(make([]float64, 63), 1e300)...)
		}), study.Unsupported, 0, []string{"1e+300"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := series(t, c.change(slices(8)))
			check := func(what string, images bool) {
				_, err := study.Build(t.Context(), m, study.Options{Workers: 2})
				refused(t, what, err, c.code, c.words...)
				var e *study.Error
				if !errors.As(err, &e) || !images || c.images < 0 {
					return
				}
				n := 0
				for i, p := range e.Parts {
					n += len(p.Images)
					if p.Volume || p.Reason == "" || p.Name == "" || p.Number != i+1 {
						t.Errorf("%s: part %+v", what, p)
					}
				}
				if n != c.images || c.images == 0 && len(e.Parts) > 0 {
					t.Errorf("%s: %d images can be shown, want %d", what, n, c.images)
				}
			}
			check("announced", true)
			m.list = nil
			check("not announced", true)
			good := series(t, slices(len(m.files)))
			m.list = good.list // announced as if all were well
			check("announced wrongly", false)
		})
	}
}

// One file that is damaged, or no slice of the others, does not keep them from being shown; it is told.
func TestOneOfMany(t *testing.T) {
	cut := func(n int) func([]byte) []byte { return func(d []byte) []byte { return d[:len(d)-n] } }
	set := func(change func(d *dicom.Dataset)) func([]byte) []byte {
		return func(data []byte) []byte {
			d, err := dicom.Parse(data, dicom.Options{})
			if err != nil {
				t.Fatal(err)
			}
			change(d)
			return sourcetest.Encode(t, d)
		}
	}
	for name, c := range map[string]struct {
		change func(data []byte) []byte
		damage bool
		parts  int
		words  []string
	}{
		"truncated":     {cut(50), true, 1, []string{"truncated", "(7FE0,0010)"}},
		"cut in header": {func(d []byte) []byte { return d[:500] }, true, 1, []string{"truncated"}},
		"no DICOM":      {func([]byte) []byte { return []byte("This is a letter to the radiologist.") }, true, 1, []string{"not a DICOM file"}},
		"empty":         {func([]byte) []byte { return nil }, true, 1, nil},
		"a length that lies": {func(d []byte) []byte {
			i := bytes.Index(d, []byte("\x28\x00\x10\x00US"))
			return append(append(bytes.Clone(d[:i+6]), 0xFF, 0xFF), d[i+8:]...)
		}, true, 1, []string{"(0028,0010)"}},
		"a slope in words":  {set(str(dicom.RescaleSlope, dicom.DS, "steep")), true, 1, []string{"(0028,1053)"}},
		"bits that are not": {set(func(d *dicom.Dataset) { d.SetInts(dicom.BitsStored, dicom.US, 99) }), true, 1, []string{"(0028,0101)"}},
		"too few pixels":    {set(func(d *dicom.Dataset) { d.SetBytes(dicom.PixelData, dicom.OW, make([]byte, 100)) }), true, 1, []string{"(7FE0,0010)"}},
		"a report": {set(func(d *dicom.Dataset) {
			for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns} {
				d.Delete(tag)
			}
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11")
		}), false, 1, []string{"structured report"}},
		"another orientation": {set(str(dicom.ImageOrientationPatient, dicom.DS, "0", "1", "0", "0", "0", "-1")), false, 2, nil},
		"a picture": {set(func(d *dicom.Dataset) {
			d.Delete(dicom.ImagePositionPatient)
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.7")
		}), false, 2, nil},
	} {
		m := series(t, slices(8))
		m.files[4].Data = c.change(m.files[4].Data)
		d, err := dicom.Parse(m.files[4].Data, dicom.Options{})
		announced := []bool{true, false}
		if err == nil && !c.damage {
			m.list[4] = listed(d) // a source says what it is
		}
		for _, announced := range announced {
			keep := m.list
			if !announced {
				m.list = nil
			}
			r := build(t, m, study.Options{})
			m.list = keep
			what := fmt.Sprintf("%s, announced %v", name, announced)
			if r.Volume.Size != [3]int{8, 8, 8} || r.Volume.At(0, 0, 3) != 256+30-1024 || r.Volume.At(0, 0, 4) != 256+40-1024 || r.Volume.At(0, 0, 7) != 256+70-1024 {
				t.Errorf("%s: %v", what, r.Volume.Size)
			}
			told(t, what, r, study.WarnMissing, 1, "1 slice is missing", "5.00 mm")
			if c.damage {
				told(t, what, r, study.WarnLeftOut, 1, append(c.words, "file 4")...)
			}
			if left := c.parts == 1; left != (len(r.LeftOut) == 1) || len(r.Parts) != c.parts {
				t.Errorf("%s: left out %v, parts %+v", what, r.LeftOut, r.Parts)
			} else if left {
				for _, w := range c.words {
					if !strings.Contains(r.LeftOut[0].Reason, w) {
						t.Errorf("%s: %v does not say %q", what, r.LeftOut, w)
					}
				}
			}
		}
		dir := t.TempDir()
		var paths []string
		for _, o := range m.files {
			paths = append(paths, filepath.Join(dir, o.Name))
			if err := os.WriteFile(paths[len(paths)-1], o.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := study.BuildFiles(t.Context(), paths, study.Options{})
		if err != nil {
			t.Errorf("%s, of files: %v", name, err)
			continue
		}
		if r.Volume.Size[2] != 8 || len(r.Parts) != c.parts || (c.parts == 1) != (len(r.LeftOut) == 1) {
			t.Errorf("%s, of files: %v, left out %v, parts %v", name, r.Volume.Size, r.LeftOut, r.Parts)
		}
		r.Free()
	}
	_, err := study.BuildFiles(t.Context(), []string{filepath.Join(t.TempDir(), "none")}, study.Options{})
	refused(t, "a file that is not there", err, study.Unreadable, "none")
	_, err = study.BuildFiles(t.Context(), []string{t.TempDir()}, study.Options{})
	refused(t, "a folder", err, study.NotDICOM, "not a file")
	_, err = study.BuildFiles(t.Context(), nil, study.Options{})
	refused(t, "no files", err, study.NoSlices)
	m := series(t, append(slices(4), each(slices(4), str(dicom.SeriesInstanceUID, dicom.UI, "1.2.9"))...))
	m.list = nil
	_, err = study.Build(t.Context(), m, study.Options{})
	refused(t, "two series", err, study.MixedSeries, "another series")
}

// Pixels that are no numbers are shown as padding, or as the smallest value, and told; every voxel is finite.
func TestNotNumbers(t *testing.T) {
	for _, padded := range []bool{false, true} {
		m := series(t, each(slices(4), func(d *dicom.Dataset) {
			k, _ := d.Int(dicom.InstanceNumber)
			px := make([]float64, 64)
			for i := range px {
				px[i] = float64(10*k + i)
			}
			px[5], px[6], px[7] = math.NaN(), math.Inf(1), math.Inf(-1)
			d.Delete(dicom.PixelData)
			d.Delete(dicom.RescaleSlope)
			d.Delete(dicom.RescaleIntercept)
			d.SetInts(dicom.BitsAllocated, dicom.US, 32)
			d.SetFloats(dicom.FloatPixelData, dicom.OF, px...)
			if padded {
				d.SetInts(dicom.PixelPaddingValue, dicom.US, 7)
			}
		}))
		r := build(t, m, study.Options{})
		want := 0.0
		if padded {
			want = 7
		}
		for i := range 64 {
			if got := r.Volume.At(i%8, i/8, 2); (i < 5 || i > 7) && got != float64(20+i) || i >= 5 && i <= 7 && got != want {
				t.Errorf("padded %v: voxel %d is %v", padded, i, got)
			}
		}
		told(t, "no numbers", r, study.WarnNotNumbers, 12)
		if r.Volume.Min != 0 || r.Volume.Max != 93 {
			t.Errorf("from %v to %v", r.Volume.Min, r.Volume.Max)
		}
	}
	m := series(t, each(slices(4), func(d *dicom.Dataset) {
		d.SetInts(dicom.BitsAllocated, dicom.US, 32)
		d.SetInts(dicom.BitsStored, dicom.US, 32)
		d.SetInts(dicom.HighBit, dicom.US, 31)
		d.SetInts(dicom.PixelData, dicom.OL, append(make([]int, 63), 1<<24+1025)...)
	}))
	told(t, "large numbers", build(t, m, study.Options{}), study.WarnRounded, 4)
}

func TestIncomplete(t *testing.T) {
	// The source fails at the last slice, and says so.
	broken := errors.New("the line is cut")
	m := series(t, slices(6))
	m.fail = broken
	if _, err := study.Build(t.Context(), m, study.Options{}); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
	// Fewer come than were promised, though the source finds nothing wrong: never a gap.
	for _, placed := range []bool{true, false} {
		m = series(t, slices(6))
		m.files = m.files[:5]
		if !placed {
			m.list[0].Position = nil
		}
		_, err := study.Build(t.Context(), m, study.Options{})
		refused(t, "fewer", err, study.Incomplete, "5 of the 6")
		// A copy of one does not stand in for another, not even for the last, whose absence leaves no gap.
		m = series(t, slices(6))
		m.files[5] = m.files[2]
		if !placed {
			m.list[0].Position = nil
		}
		_, err = study.Build(t.Context(), m, study.Options{})
		refused(t, "a copy instead of the last", err, study.Incomplete, "5 of the 6")
	}
	// Positions and sizes that were announced wrongly: files decide.
	m = series(t, slices(6))
	want := build(t, series(t, slices(6)), study.Options{})
	for i := range m.list {
		m.list[i].Position = &[3]float64{0, 0, float64(-i)}
		m.list[i].BitsAllocated = 8
	}
	if r := build(t, m, study.Options{}); !bytes.Equal(r.Volume.Raw(), want.Volume.Raw()) || r.Volume.Geometry != want.Volume.Geometry {
		t.Error("the announcement decided")
	}
	// The listing hides what tells two echoes apart: all files are fetched, and tell.
	list := append(again(1, 6, str(dicom.EchoTime, dicom.DS, "2")), again(2, 6, str(dicom.EchoTime, dicom.DS, "9"))...)
	m = series(t, list)
	for i := range m.list {
		m.list[i].EchoTime = nil
	}
	r := build(t, m, study.Options{Part: 2})
	if len(r.Parts) != 2 || r.Part.Name != "echo time 9 ms, 6 slices" {
		t.Errorf("parts %+v", r.Parts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := study.Build(ctx, series(t, slices(6)), study.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an end from outside: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	const need = 6 * 64 * 2
	m := series(t, slices(6))
	for _, announced := range []bool{true, false} {
		if !announced {
			m.list = nil
		}
		_, err := study.Build(t.Context(), m, study.Options{MaxBytes: need - 1})
		refused(t, "a byte too little", err, study.TooLarge, "volume limit")
		if r := build(t, m, study.Options{MaxBytes: need}); r.Volume.Bytes() != need {
			t.Errorf("%d bytes", r.Volume.Bytes())
		}
	}
	// What is too large is refused before anything is fetched.
	m = series(t, slices(6))
	_, err := study.Build(t.Context(), m, study.Options{MaxBytes: 100})
	refused(t, "announced", err, study.TooLarge)
	if len(m.fetched) > 0 {
		t.Errorf("%d files were fetched", len(m.fetched))
	}
	// Values of their own make floats, which need twice as much.
	n := 0
	own := series(t, each(slices(6), func(d *dicom.Dataset) { n++; d.SetFloats(dicom.RescaleSlope, dicom.DS, float64(n)) }))
	for range 2 {
		_, err = study.Build(t.Context(), own, study.Options{MaxBytes: 2*need - 1})
		refused(t, "floats", err, study.TooLarge)
		build(t, own, study.Options{MaxBytes: 2 * need})
		own.list = nil
	}
	// A header that promises an image of 8 GiB reserves nothing.
	huge := series(t, each(slices(2), func(d *dicom.Dataset) {
		d.SetInts(dicom.Rows, dicom.US, 65535)
		d.SetInts(dicom.Columns, dicom.US, 65535)
	}))
	_, err = study.Build(t.Context(), huge, study.Options{})
	refused(t, "huge", err, study.TooLarge)
	huge.list = nil
	_, err = study.Build(t.Context(), huge, study.Options{})
	refused(t, "huge, not announced", err, study.Truncated)
}

// Faults of a series are told the same whichever worker meets them.
func TestFaultAmongWorkers(t *testing.T) {
	list := slices(60)
	for _, k := range []int{7, 23, 41} {
		list[k].SetString(dicom.RescaleSlope, dicom.DS, "steep")
	}
	m := series(t, list)
	for range 20 {
		r := build(t, m, study.Options{Workers: 8})
		told(t, "among 8 workers", r, study.WarnLeftOut, 3, "file 23")
		if names := []string{r.LeftOut[0].Name, r.LeftOut[1].Name, r.LeftOut[2].Name}; !stdslices.Equal(names, []string{"file 23", "file 41", "file 7"}) {
			t.Errorf("left out %v", names)
		}
	}
	m.list = []source.Instance{}
	if r := build(t, m, study.Options{Workers: 8}); len(r.LeftOut) != 3 {
		t.Errorf("left out %v", r.LeftOut)
	}
}
