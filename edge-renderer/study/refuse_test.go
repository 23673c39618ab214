package study_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
)

// Whatever would make the picture untrue is refused by name, with and without an announcement.
func TestRefused(t *testing.T) {
	third := func(change func(d *dicom.Dataset)) func([]*dicom.Dataset) []*dicom.Dataset {
		return func(list []*dicom.Dataset) []*dicom.Dataset { change(list[3]); return list }
	}
	all := func(change func(d *dicom.Dataset)) func([]*dicom.Dataset) []*dicom.Dataset {
		return func(list []*dicom.Dataset) []*dicom.Dataset { return each(list, change) }
	}
	at := func(z ...float64) func([]*dicom.Dataset) []*dicom.Dataset {
		return func(list []*dicom.Dataset) []*dicom.Dataset {
			return place(list, geom.Vec{1, 0, 0}, geom.Vec{0, 1, 0}, func(k int) geom.Vec { return geom.Vec{-12.5, 3, z[k]} })
		}
	}
	str := func(tag dicom.Tag, vr dicom.VR, s ...string) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) { d.SetString(tag, vr, s...) }
	}
	ints := func(tag dicom.Tag, n int) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) { d.SetInts(tag, dicom.US, n) }
	}
	for name, c := range map[string]struct {
		change func([]*dicom.Dataset) []*dicom.Dataset
		code   study.Code
		words  []string
	}{
		"no slices":        {func([]*dicom.Dataset) []*dicom.Dataset { return nil }, study.NoSlices, nil},
		"one slice":        {func(l []*dicom.Dataset) []*dicom.Dataset { return l[:1] }, study.NotVolume, []string{"single slice"}},
		"a missing slice":  {func(l []*dicom.Dataset) []*dicom.Dataset { return stdslices.Delete(l, 3, 4) }, study.Missing, []string{"1 slice is missing", "5.00 mm after slice 3"}},
		"missing slices":   {at(0, 2.5, 10, 12.5, 17.5, 20, 22.5, 25), study.Missing, []string{"3 slices are missing"}},
		"uneven steps":     {at(0, 1, 2.5, 5, 6, 8.5, 9.5, 11), study.Irregular, []string{"varies 1.00..2.50 mm"}},
		"doubled position": {third(str(dicom.ImagePositionPatient, dicom.DS, "-12.5", "3", "5")), study.Doubled, []string{"8 slices stand at only 7 positions"}},
		"two phases":       {at(0, 0, 2.5, 2.5, 5, 5, 7.5, 7.5), study.Doubled, []string{"8 slices stand at only 4 positions"}},
		"one instance UID twice": {third(func(d *dicom.Dataset) { d.SetString(dicom.SOPInstanceUID, dicom.UI, seriesUID+".2") }),
			study.Doubled, []string{"same instance UID"}},
		"a slice shifted sideways":   {third(str(dicom.ImagePositionPatient, dicom.DS, "-11", "3", "7.5")), study.Irregular, []string{"1.50 mm from its place"}},
		"another orientation":        {third(str(dicom.ImageOrientationPatient, dicom.DS, "0", "1", "0", "0", "0", "-1")), study.MixedGeometry, []string{"turned by 90.0 degrees"}},
		"another spacing":            {third(str(dicom.PixelSpacing, dicom.DS, "0.75", "0.6")), study.MixedGeometry, []string{"0.6x0.75 mm"}},
		"another matrix":             {third(func(d *dicom.Dataset) { d.SetInts(dicom.Rows, dicom.US, 4); d.SetInts(dicom.Columns, dicom.US, 16) }), study.MixedGeometry, []string{"16x4"}},
		"another series":             {third(str(dicom.SeriesInstanceUID, dicom.UI, "1.2.9")), study.MixedSeries, []string{"another series"}},
		"another patient":            {third(str(dicom.PatientID, dicom.LO, "P-2")), study.MixedSeries, []string{"another patient"}},
		"another frame of reference": {third(str(dicom.FrameOfReferenceUID, dicom.UI, "1.9")), study.MixedSeries, []string{"frame of reference"}},
		"several frames": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.NumberOfFrames, dicom.IS, 2)
			d.SetInts(dicom.Rows, dicom.US, 4)
		}), study.Multiframe, []string{"2 frames"}},
		"colour": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.SamplesPerPixel, dicom.US, 3)
			d.SetString(dicom.PhotometricInterpretation, dicom.CS, "RGB")
		}), study.Colour, []string{"RGB"}},
		"a palette":                       {all(str(dicom.PhotometricInterpretation, dicom.CS, "PALETTE COLOR")), study.Colour, nil},
		"a look-up table":                 {all(func(d *dicom.Dataset) { d.SetSequence(dicom.ModalityLUTSequence, &dicom.Dataset{}) }), study.Unsupported, []string{"look-up table"}},
		"a slope of zero":                 {third(str(dicom.RescaleSlope, dicom.DS, "0")), study.Unreadable, []string{"slope is 0"}},
		"a slope in words":                {third(str(dicom.RescaleSlope, dicom.DS, "steep")), study.Unreadable, []string{"(0028,1053)"}},
		"a slope without measure":         {third(str(dicom.RescaleSlope, dicom.DS, "1e300")), study.Unreadable, []string{"beyond all measure"}},
		"an intercept without measure":    {third(str(dicom.RescaleIntercept, dicom.DS, "-1e308")), study.Unreadable, []string{"beyond all measure"}},
		"no position":                     {third(func(d *dicom.Dataset) { d.Delete(dicom.ImagePositionPatient) }), study.NotVolume, []string{"ImagePositionPatient"}},
		"half a position":                 {third(str(dicom.ImagePositionPatient, dicom.DS, "1", "2")), study.NotVolume, nil},
		"a position that is no number":    {third(str(dicom.ImagePositionPatient, dicom.DS, "1", "NaN", "2")), study.NotVolume, nil},
		"a position on the moon":          {third(str(dicom.ImagePositionPatient, dicom.DS, "0", "0", "1e12")), study.BadGeometry, nil},
		"no orientation":                  {all(func(d *dicom.Dataset) { d.Delete(dicom.ImageOrientationPatient) }), study.NotVolume, nil},
		"an orientation of nothing":       {all(str(dicom.ImageOrientationPatient, dicom.DS, "0", "0", "0", "0", "0", "0")), study.BadGeometry, nil},
		"directions that are not upright": {all(str(dicom.ImageOrientationPatient, dicom.DS, "1", "0", "0", "0.7071", "0.7071", "0")), study.BadGeometry, []string{"right angles"}},
		"no spacing":                      {all(func(d *dicom.Dataset) { d.Delete(dicom.PixelSpacing) }), study.BadGeometry, []string{"PixelSpacing"}},
		"a spacing of nothing":            {all(str(dicom.PixelSpacing, dicom.DS, "0", "0")), study.BadGeometry, nil},
		"a spacing below zero":            {all(str(dicom.PixelSpacing, dicom.DS, "-1", "1")), study.BadGeometry, nil},
		"pixels of another size": {third(func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsAllocated, dicom.US, 32)
			d.SetBytes(dicom.PixelData, dicom.OW, make([]byte, 256))
		}), study.MixedGeometry, []string{"32 bits"}},
		"too few pixels": {third(func(d *dicom.Dataset) { d.SetBytes(dicom.PixelData, dicom.OW, make([]byte, 100)) }), study.Truncated, []string{"(7FE0,0010)"}},
		"no bits":        {third(ints(dicom.BitsStored, 99)), study.Unreadable, []string{"(0028,0101)"}},
		"a bit per pixel": {all(func(d *dicom.Dataset) {
			d.SetInts(dicom.BitsAllocated, dicom.US, 1)
			d.SetInts(dicom.BitsStored, dicom.US, 1)
			d.SetInts(dicom.HighBit, dicom.US, 0)
		}), study.Unsupported, []string{"1 bit"}},
		"a report": {third(func(d *dicom.Dataset) {
			for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns} {
				d.Delete(tag)
			}
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11")
		}), study.NotVolume, []string{"structured report"}},
		"a compressed slice": {third(func(d *dicom.Dataset) {
			d.TransferSyntax = "1.2.840.10008.1.2.4.90"
			d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, {1, 2}}})
		}), study.Compressed, []string{"JPEG 2000 lossless", "1.2.840.10008.1.2.4.90"}},
		"a float that is no number": {all(func(d *dicom.Dataset) {
			d.Delete(dicom.PixelData)
			d.SetInts(dicom.BitsAllocated, dicom.US, 32)
			d.SetFloats(dicom.FloatPixelData, dicom.OF, append(make([]float64, 63), math.NaN())...)
		}), study.Unsupported, []string{"finite"}},
		"a 64 bit value beyond 32 bit floats": {all(func(d *dicom.Dataset) {
			d.Delete(dicom.PixelData)
			d.SetInts(dicom.BitsAllocated, dicom.US, 64)
			d.SetFloats(dicom.DoubleFloatPixelData, dicom.OD, append(make([]float64, 63), 1e300)...)
		}), study.Unsupported, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := series(t, c.change(slices(8)))
			_, err := study.Build(t.Context(), m, study.Options{Workers: 2})
			refused(t, "announced", err, c.code, c.words...)
			m.list = nil
			_, err = study.Build(t.Context(), m, study.Options{Workers: 2})
			refused(t, "not announced", err, c.code, c.words...)
			m.list = series(t, slices(len(m.files))).list // announced as if all were well
			_, err = study.Build(t.Context(), m, study.Options{Workers: 2})
			refused(t, "announced wrongly", err, c.code)
		})
	}
}

// Files that cannot be read are named; no slice becomes a hole.
func TestDamagedFiles(t *testing.T) {
	for name, c := range map[string]struct {
		change func(data []byte) []byte
		code   study.Code
		words  []string
	}{
		"truncated":     {func(d []byte) []byte { return d[:len(d)-50] }, study.Truncated, []string{"truncated", "(7FE0,0010)"}},
		"cut in header": {func(d []byte) []byte { return d[:500] }, study.Truncated, nil},
		"no DICOM":      {func([]byte) []byte { return []byte("This is a letter to the radiologist.") }, study.NotDICOM, []string{"not a DICOM file"}},
		"empty":         {func([]byte) []byte { return nil }, study.NotDICOM, nil},
		"length that lies": {func(d []byte) []byte {
			i := bytes.Index(d, []byte("\x28\x00\x10\x00US"))
			return append(append(bytes.Clone(d[:i+6]), 0xFF, 0xFF), d[i+8:]...)
		}, study.Truncated, []string{"(0028,0010)"}},
	} {
		m := series(t, slices(8))
		m.files[4].Data = c.change(m.files[4].Data)
		for _, announced := range []bool{true, false} {
			if !announced {
				m.list = nil
			}
			_, err := study.Build(t.Context(), m, study.Options{})
			refused(t, name, err, c.code, append(c.words, "file 4")...)
		}
		dir := t.TempDir()
		var paths []string
		for _, o := range m.files {
			paths = append(paths, filepath.Join(dir, o.Name))
			if err := os.WriteFile(paths[len(paths)-1], o.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := study.BuildFiles(t.Context(), paths, study.Options{})
		refused(t, name+", of files", err, c.code, append(c.words, "file 4")...)
	}
	_, err := study.BuildFiles(t.Context(), []string{filepath.Join(t.TempDir(), "none")}, study.Options{})
	refused(t, "a file that is not there", err, study.Unreadable, "none")
	_, err = study.BuildFiles(t.Context(), []string{t.TempDir()}, study.Options{})
	refused(t, "a folder", err, study.Unreadable)
	_, err = study.BuildFiles(t.Context(), nil, study.Options{})
	refused(t, "no files", err, study.NoSlices)
}

func TestIncomplete(t *testing.T) {
	// The source fails at the last slice, and says so.
	cut := errors.New("the line is cut")
	m := series(t, slices(6))
	m.fail = cut
	if _, err := study.Build(t.Context(), m, study.Options{}); !errors.Is(err, cut) {
		t.Errorf("a source that fails: %v", err)
	}
	// Fewer come than were announced, though the source finds nothing wrong.
	m = series(t, slices(6))
	m.files = m.files[:5]
	_, err := study.Build(t.Context(), m, study.Options{})
	refused(t, "fewer", err, study.Incomplete, "5 of the 6")
	// A copy of one does not stand in for another, not even for the last, whose absence leaves no gap.
	m = series(t, slices(6))
	m.files[5] = m.files[2]
	_, err = study.Build(t.Context(), m, study.Options{})
	refused(t, "a copy instead of the last", err, study.Incomplete, "5 of the 6")
	// More come than were announced: files decide.
	m = series(t, slices(6))
	m.list = m.list[:4]
	if r := build(t, m, study.Options{}); r.Volume.Size[2] != 6 || r.Volume.At(0, 0, 5) != 256+50-1024 {
		t.Errorf("more than announced: %v", r.Volume.Size)
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
	// A listing with the same instance twice, and the file twice: a copy is left out, and told.
	list := slices(6)
	m = series(t, append(list, list[2]))
	for range 2 {
		r := build(t, m, study.Options{})
		if !bytes.Equal(r.Volume.Raw(), want.Volume.Raw()) || !stdslices.Equal(codes(r), []study.Code{study.WarnDuplicate}) {
			t.Errorf("a copy: %v, warnings %v", r.Volume.Size, r.Warnings)
		}
		m.list = nil
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
	m.fail = errors.New("nobody should have asked")
	m.files = m.files[:1]
	_, err := study.Build(t.Context(), m, study.Options{MaxBytes: 100})
	refused(t, "announced", err, study.TooLarge)
	// Values of their own make floats, which need twice as much.
	n := 0
	own := series(t, each(slices(6), func(d *dicom.Dataset) { n++; d.SetFloats(dicom.RescaleSlope, dicom.DS, float64(n)) }))
	_, err = study.Build(t.Context(), own, study.Options{MaxBytes: 2*need - 1})
	refused(t, "floats", err, study.TooLarge)
	build(t, own, study.Options{MaxBytes: 2 * need})
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

// Faults of a series do not stop at the first one told by chance: whichever worker meets it, it is a refusal.
func TestFaultAmongWorkers(t *testing.T) {
	list := slices(60)
	for _, k := range []int{7, 23, 41} {
		list[k].SetString(dicom.RescaleSlope, dicom.DS, "steep")
	}
	m := series(t, list)
	for range 20 {
		_, err := study.Build(t.Context(), m, study.Options{Workers: 8})
		refused(t, "among 8 workers", err, study.Unreadable)
		if err != nil && strings.Contains(err.Error(), "closed") {
			t.Errorf("the reason is lost: %v", err)
		}
	}
}
