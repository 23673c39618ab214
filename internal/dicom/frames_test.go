package dicom_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// group is a functional group: a sequence of one item.
func group(set func(*dicom.Dataset)) *dicom.Dataset {
	d := &dicom.Dataset{}
	set(d)
	return d
}

// enhanced is a multi-frame image of 2x2 pixels whose frames differ in everything that functional groups say.
func enhanced(frames int) *dicom.Dataset {
	d := image(2, 2, frames, bytes.Repeat([]byte{1, 0, 2, 0, 3, 0, 4, 0}, frames))
	for i := range frames {
		d.Bytes(dicom.PixelData)[8*i] = byte(i)
	}
	for _, t := range []dicom.Tag{dicom.ImagePositionPatient, dicom.ImageOrientationPatient, dicom.PixelSpacing, dicom.RescaleSlope, dicom.RescaleIntercept} {
		d.Delete(t)
	}
	shared := &dicom.Dataset{}
	shared.SetSequence(0x00209116, group(func(g *dicom.Dataset) { g.SetFloats(dicom.ImageOrientationPatient, dicom.DS, 0, 1, 0, 0, 0, -1) }))
	shared.SetSequence(0x00289110, group(func(g *dicom.Dataset) {
		g.SetFloats(dicom.PixelSpacing, dicom.DS, 0.5, 0.25)
		g.SetFloats(dicom.SliceThickness, dicom.DS, 3)
	}))
	shared.SetSequence(0x00289145, group(func(g *dicom.Dataset) {
		g.SetFloats(dicom.RescaleSlope, dicom.DS, 2)
		g.SetFloats(dicom.RescaleIntercept, dicom.DS, -1000)
	}))
	d.SetSequence(dicom.SharedFunctionalGroupsSequence, shared)
	var all []*dicom.Dataset
	for i := range frames {
		own := &dicom.Dataset{}
		own.SetSequence(0x00209113, group(func(g *dicom.Dataset) { g.SetFloats(dicom.ImagePositionPatient, dicom.DS, 1, 2, float64(i)) }))
		own.SetSequence(0x00209111, group(func(g *dicom.Dataset) {
			g.SetString(dicom.StackID, dicom.SH, "S")
			g.SetInts(dicom.InStackPositionNumber, dicom.UL, i+1)
			g.SetInts(dicom.TemporalPositionIndex, dicom.UL, i%2+1)
			g.SetInts(dicom.DimensionIndexValues, dicom.UL, 1, i+1, i%2+1)
			g.SetInts(dicom.FrameAcquisitionNumber, dicom.US, 7)
			g.SetString(dicom.FrameAcquisitionDateTime, dicom.DT, fmt.Sprintf("20240131%06d.5+0100", 101500+i%60))
		}))
		own.SetSequence(0x00189114, group(func(g *dicom.Dataset) { g.SetFloats(dicom.EffectiveEchoTime, dicom.FD, 5+float64(i)) }))
		own.SetSequence(0x00189117, group(func(g *dicom.Dataset) { g.SetFloats(dicom.DiffusionBValue, dicom.FD, 100*float64(i)) }))
		own.SetSequence(0x00189118, group(func(g *dicom.Dataset) { g.SetFloats(dicom.NominalCardiacTriggerDelayTime, dicom.FD, 40*float64(i)) }))
		own.SetSequence(0x00289132, group(func(g *dicom.Dataset) {
			g.SetFloats(dicom.WindowCenter, dicom.DS, float64(i))
			g.SetFloats(dicom.WindowWidth, dicom.DS, 10)
		}))
		all = append(all, own)
	}
	all[frames-1].SetSequence(0x00289145, group(func(g *dicom.Dataset) { g.SetFloats(dicom.RescaleSlope, dicom.DS, 3) }))
	d.SetSequence(dicom.PerFrameFunctionalGroupsSequence, all...)
	return d
}

// What a frame's groups say stands over what all share, and that over the data set (PS3.3 C.7.6.16).
func TestFrameDataset(t *testing.T) {
	written := enhanced(5)
	for name, d := range map[string]*dicom.Dataset{"made": written, "read": parse(t, write(t, written))} {
		if d.Frames() != 5 {
			t.Fatalf("%s: %d frames", name, d.Frames())
		}
		for i := range 5 {
			f, err := d.FrameDataset(i)
			if err != nil {
				t.Fatalf("%s: frame %d: %v", name, i, err)
			}
			slope := 2.0
			if i == 4 {
				slope = 3
			}
			for tag, want := range map[dicom.Tag][]float64{
				dicom.ImagePositionPatient: {1, 2, float64(i)}, dicom.ImageOrientationPatient: {0, 1, 0, 0, 0, -1}, dicom.PixelSpacing: {0.5, 0.25},
				dicom.SliceThickness: {3}, dicom.RescaleSlope: {slope}, dicom.RescaleIntercept: {-1000}, dicom.InStackPositionNumber: {float64(i + 1)},
				dicom.TemporalPositionIndex: {float64(i%2 + 1)}, dicom.TemporalPositionID: {float64(i%2 + 1)}, dicom.DimensionIndexValues: {1, float64(i + 1), float64(i%2 + 1)},
				dicom.EffectiveEchoTime: {5 + float64(i)}, dicom.EchoTime: {5 + float64(i)}, dicom.DiffusionBValue: {100 * float64(i)}, dicom.TriggerTime: {40 * float64(i)},
				dicom.AcquisitionNumber: {7}, dicom.WindowCenter: {float64(i)}, dicom.NumberOfFrames: {1}, dicom.Rows: {2}, dicom.SeriesNumber: {3},
			} {
				if got, ok := f.Floats(tag); !ok || !slices.Equal(got, want) {
					t.Errorf("%s: frame %d: %v is %v, want %v", name, i, tag, got, want)
				}
			}
			if got, want := f.String(dicom.AcquisitionDate)+" "+f.String(dicom.AcquisitionTime), fmt.Sprintf("20240131 %06d.5", 101500+i); got != want {
				t.Errorf("%s: frame %d was acquired at %s, want %s", name, i, got, want)
			}
			if f.String(dicom.PatientName) != "Müller^Änne" || f.String(dicom.StackID) != "S" || f.TransferSyntax != d.TransferSyntax || len(f.Sequence(0x00209113)) != 1 {
				t.Errorf("%s: frame %d: %q, %q", name, i, f.String(dicom.PatientName), f.String(dicom.StackID))
			}
			raw, format, err := f.DecodeFrame(0)
			if err != nil || len(raw) != 8 || raw[0] != byte(i) || format.Frames != 1 {
				t.Errorf("%s: frame %d has pixels %v, %+v, %v", name, i, raw, format, err)
			}
			if _, err := f.Frame(1); err == nil {
				t.Errorf("%s: frame %d has a second one", name, i)
			}
			if again, err := f.FrameDataset(0); again != f || err != nil {
				t.Errorf("%s: the frame of a frame is another: %v", name, err)
			}
		}
		for _, n := range []int{-1, 5, 1 << 40} {
			if _, err := d.FrameDataset(n); !errors.Is(err, dicom.ErrCorrupt) {
				t.Errorf("%s: frame %d: %v", name, n, err)
			}
		}
	}
	// Changing the data set is seen by frames that are asked for afterwards.
	written.Sequence(dicom.SharedFunctionalGroupsSequence)[0].SetSequence(0x00289110, group(func(g *dicom.Dataset) { g.SetFloats(dicom.PixelSpacing, dicom.DS, 9, 9) }))
	written.Set(*written.Get(dicom.SharedFunctionalGroupsSequence))
	if f, err := written.FrameDataset(0); err != nil || f.String(dicom.PixelSpacing) != `9\9` {
		t.Errorf("a changed data set: %v", err)
	}
}

func TestFrameDatasetOfOthers(t *testing.T) {
	single := image(2, 2, 0, make([]byte, 8))
	if f, err := single.FrameDataset(0); f != single || err != nil {
		t.Errorf("a single image is not its own frame: %v", err)
	}
	if _, err := single.FrameDataset(1); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("its second frame: %v", err)
	}
	clip := image(2, 2, 3, make([]byte, 24))
	f, err := clip.FrameDataset(2)
	if err != nil || f.String(dicom.ImagePositionPatient) != clip.String(dicom.ImagePositionPatient) || f.Frames() != 1 {
		t.Errorf("a clip: %v", err)
	}
	// Groups for fewer frames than there are: the others are nowhere.
	short := enhanced(3)
	short.SetInts(dicom.NumberOfFrames, dicom.IS, 4)
	short.SetBytes(dicom.PixelData, dicom.OW, make([]byte, 32))
	if _, err := short.FrameDataset(2); err != nil {
		t.Error(err)
	}
	if _, err := short.FrameDataset(3); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("a frame without groups: %v", err)
	}
	// Groups cannot say whose image it is or how its pixels are stored.
	hostile := enhanced(2)
	hostile.Sequence(dicom.PerFrameFunctionalGroupsSequence)[0].SetSequence(0x00209111, group(func(g *dicom.Dataset) {
		g.SetString(dicom.PatientName, dicom.PN, "Somebody^Else")
		g.SetString(dicom.SOPInstanceUID, dicom.UI, "6.6.6")
		g.SetInts(dicom.Rows, dicom.US, 60000)
		g.SetBytes(dicom.PixelData, dicom.OW, nil)
		g.SetInts(dicom.NumberOfFrames, dicom.IS, 99)
		g.SetSequence(dicom.PerFrameFunctionalGroupsSequence, &dicom.Dataset{})
	}))
	f, err = hostile.FrameDataset(0)
	if err != nil || f.String(dicom.PatientName) != "Müller^Änne" || f.String(dicom.SOPInstanceUID) != hostile.String(dicom.SOPInstanceUID) || f.Frames() != 1 {
		t.Errorf("a hostile group: %v", err)
	}
	if raw, err := f.Frame(0); err != nil || len(raw) != 8 {
		t.Errorf("pixels under a hostile group: %v, %v", raw, err)
	}
}

// The frames of a dose grid lie along its normal; what pydicom reads of the real files.
func TestRealFrames(t *testing.T) {
	for _, c := range []struct {
		file     string
		frames   int
		frame    int
		position string
		want     map[dicom.Tag]string
	}{
		{"edge-pydicom/eCT_Supplemental.dcm", 2, 1, `99.5000\-301.500\-149.000`, map[dicom.Tag]string{dicom.PixelSpacing: `0.388672\0.388672`, dicom.WindowCenter: "00049.0",
			dicom.RescaleIntercept: "-01024.0", dicom.AcquisitionNumber: "1", dicom.FrameType: `DERIVED\PRIMARY\PERFUSION\RCBF`}},
		{"derived/enhanced-ct-multiframe/enhct30.dcm", 30, 1, `-225.655\-216.855\-159`, map[dicom.Tag]string{dicom.InStackPositionNumber: "2", dicom.RescaleType: "HU"}},
		{"edge-pydicom/liver.dcm", 3, 1, `-2.352000e+02\-2.268000e+02\-1.276900e+02`, map[dicom.Tag]string{dicom.ReferencedSegmentNumber: "1", dicom.SpacingBetweenSlices: "1.000000e+00"}},
		{"edge-pydicom/parametric_map_float.dcm", 1, 0, `-158.135803\-179.035797\-75.699997`, map[dicom.Tag]string{dicom.VOILUTFunction: "LINEAR"}},
		{"edge-pydicom/rtdose.dcm", 15, 14, `189.43125\199.43125\-691.87`, nil},
	} {
		folder, name := filepath.Split(c.file)
		d, err := dicom.ReadFile(filepath.Join(sourcetest.Studies(t, filepath.Clean(folder)), name), dicom.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.FrameDataset(c.frame)
		if err != nil || d.Frames() != c.frames {
			t.Errorf("%s: %d frames, %v", c.file, d.Frames(), err)
			continue
		}
		want := map[dicom.Tag]string{dicom.ImagePositionPatient: c.position}
		for tag, s := range c.want {
			want[tag] = s
		}
		for tag, s := range want {
			a, okA := f.Floats(tag)
			g := &dicom.Dataset{}
			g.SetString(tag, dicom.DS, s)
			b, okB := g.Floats(tag)
			if okA != okB || !slices.Equal(a, b) || !okA && f.String(tag) != s {
				t.Errorf("%s: %v is %q, want %q", c.file, tag, f.String(tag), s)
			}
		}
	}
}

// A file of 10,000 frames is taken apart in little memory: what the frames share is there once.
func TestManyFrames(t *testing.T) {
	const n = 10_000
	d := enhanced(n)
	frames := make([]*dicom.Dataset, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range frames {
		f, err := d.FrameDataset(i)
		if err != nil {
			t.Fatal(err)
		}
		frames[i] = f
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 6<<10 {
		t.Errorf("%d bytes for each frame", each)
	}
	if p, ok := frames[n-1].Floats(dicom.ImagePositionPatient); !ok || p[2] != n-1 {
		t.Errorf("the last frame lies at %v", p)
	}
}

func BenchmarkFrameDataset(b *testing.B) {
	d := enhanced(1000)
	n := 0
	for b.Loop() {
		f, err := d.FrameDataset(n % 1000)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := f.Floats(dicom.ImagePositionPatient); !ok {
			b.Fatal("no position")
		}
		n++
	}
}
