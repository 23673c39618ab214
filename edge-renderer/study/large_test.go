package study_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// largeFile is a volume in one file, or few.
type largeFile struct {
	volume int // MiB
	write  func(t *testing.T, dir string)
	served bool // also by a DICOMweb server
}

// largeCases have frames of 512x512 samples: two of 16 bits are a MiB.
var largeCases = map[string]largeFile{
	"multi-frame":                   {400, multiFrame(800, nil), true},
	"multi-frame, RLE":              {400, multiFrame(800, packed), true},
	"multi-frame, MONOCHROME1":      {100, multiFrame(200, inverse), false},
	"multi-frame, look-up table":    {100, multiFrame(100, lookUp), false},
	"multi-frame, floats":           {100, multiFrame(100, floats), false},
	"multi-frame, 4D":               {100, multiFrame(200, fourTimes), false},
	"multi-frame, steps vary":       {112, multiFrame(150, varied), false},
	"two multi-frame objects":       {100, twoObjects, true},
	"NIfTI":                         {400, nifti(4, 16, 800, false), true},
	"NIfTI, packed":                 {400, nifti(4, 16, 800, true), true},
	"NIfTI of 64 bits":              {100, nifti(64, 64, 100, false), false},
	"NRRD, raw":                     {100, nrrd(false, false), false},
	"NRRD, detached":                {100, nrrd(true, false), true},
	"NRRD, time varies the fastest": {100, nrrd(false, true), false},
}

// noise is n bytes that do not compress well, values of 12 bits.
func noise(n int) []byte {
	out := make([]byte, n)
	x := uint32(1)
	for i := 0; i < n; i += 2 {
		x = x*1664525 + 1013904223
		binary.LittleEndian.PutUint16(out[i:], uint16(x>>20))
	}
	return out
}

const frameBytes = 512 * 512 * 2

// multiFrame writes an enhanced CT of n frames, changed by change.
func multiFrame(n int, change func(d *dicom.Dataset, n int)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { writeFrames(t, dir, 1, 0, n, change) }
}

// twoObjects writes the halves of a volume.
func twoObjects(t *testing.T, dir string) {
	writeFrames(t, dir, 1, 0, 100, nil)
	writeFrames(t, dir, 2, 100, 100, nil)
}

func writeFrames(t *testing.T, dir string, number, from, n int, change func(d *dicom.Dataset, n int)) {
	d := sourcetest.Slice(studyUID, seriesUID, number)
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.2.1")
	d.SetInts(dicom.Rows, dicom.US, 512)
	d.SetInts(dicom.Columns, dicom.US, 512)
	d.SetInts(dicom.NumberOfFrames, dicom.IS, n)
	d.Delete(dicom.ImagePositionPatient)
	places(d, n, func(k int) (z float64, time int) { return 2.5 * float64(from+k), 0 })
	d.SetBytes(dicom.PixelData, dicom.OW, bytes.Repeat(noise(frameBytes), n))
	if change != nil {
		change(d, n)
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.dcm", number)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := dicom.Write(f, d); err != nil {
		t.Fatal(err)
	}
}

// places gives each frame its place, and its time point where that is not 0.
func places(d *dicom.Dataset, n int, at func(k int) (z float64, time int)) {
	own := make([]*dicom.Dataset, n)
	for k := range own {
		position, content, groups := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
		z, time := at(k)
		position.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, z)
		groups.SetSequence(0x00209113, position)
		if time > 0 {
			content.SetInts(0x00209128, dicom.UL, time) // TemporalPositionIndex
			groups.SetSequence(0x00209111, content)
		}
		own[k] = groups
	}
	d.SetSequence(dicom.PerFrameFunctionalGroupsSequence, own...)
}

func fourTimes(d *dicom.Dataset, n int) {
	places(d, n, func(k int) (float64, int) { return 2.5 * float64(k%(n/4)), 1 + k/(n/4) })
}

func varied(d *dicom.Dataset, n int) {
	places(d, n, func(k int) (float64, int) { return float64(3*(k/2) + k%2), 0 })
}

func inverse(d *dicom.Dataset, _ int) {
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME1")
}

func lookUp(d *dicom.Dataset, _ int) {
	table := &dicom.Dataset{}
	data := make([]int, 4096)
	for i := range data {
		data[i] = (i * i) >> 8
	}
	table.SetInts(dicom.LUTDescriptor, dicom.US, 4096, 0, 16)
	table.SetInts(dicom.LUTData, dicom.OW, data...)
	table.SetString(0x00283004, dicom.LO, "US")
	d.SetSequence(dicom.ModalityLUTSequence, table)
	d.Delete(dicom.RescaleSlope)
	d.Delete(dicom.RescaleIntercept)
}

func floats(d *dicom.Dataset, n int) {
	d.Delete(dicom.PixelData)
	d.SetInts(dicom.BitsAllocated, dicom.US, 32)
	frame := noise(2 * frameBytes)
	for i := 3; i < len(frame); i += 4 {
		frame[i] = 0x44 // 512 to 2048
	}
	d.SetBytes(dicom.FloatPixelData, dicom.OF, bytes.Repeat(frame, n))
}

func deflated(d *dicom.Dataset, _ int) { d.TransferSyntax = dicom.DeflatedExplicitVRLittleEndian }

// packed stores frames as RLE does that finds no runs (PS3.5 G.3), each in a fragment.
func packed(d *dicom.Dataset, n int) {
	plain := noise(frameBytes)
	frame := make([]byte, 64)
	binary.LittleEndian.PutUint32(frame, 2)
	for plane := range 2 {
		binary.LittleEndian.PutUint32(frame[4+4*plane:], uint32(len(frame)))
		for at := 1 - plane; at < len(plain); at += 256 { // the upper bytes come first
			frame = append(frame, 127)
			for i := at; i < at+256; i += 2 {
				frame = append(frame, plain[i])
			}
		}
	}
	fragments := make([][]byte, 1+n)
	for i := range n {
		fragments[1+i] = frame
	}
	d.TransferSyntax = dicom.RLELossless
	d.Delete(dicom.PixelData)
	d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: fragments})
}

// repeat writes a head and then n times the same bytes, packed by gzip where pack says so.
func repeat(t *testing.T, path string, head, body []byte, n int, pack bool) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one := func(b []byte) []byte {
		if !pack {
			return b
		}
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b) // a bytes.Buffer does not fail
		_ = z.Close()
		return out.Bytes()
	}
	head, body = one(head), one(body) // members of a gzip file may follow each other (RFC 1952 2.2)
	if _, err := f.Write(head); err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := f.Write(body); err != nil {
			t.Fatal(err)
		}
	}
}

// nifti writes planes of samples of a type of so many bits.
func nifti(kind, bits, planes int, pack bool) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		h := make([]byte, 352)
		le := binary.LittleEndian
		le.PutUint32(h, 348)
		for i, n := range []int{3, 512, 512, planes, 1, 1, 1, 1} {
			le.PutUint16(h[40+2*i:], uint16(n))
			binary.LittleEndian.PutUint32(h[76+4*i:], 0x3F800000) // spacing 1
		}
		le.PutUint16(h[70:], uint16(kind))
		le.PutUint16(h[72:], uint16(bits))
		le.PutUint32(h[108:], 0x43B00000) // vox_offset 352
		copy(h[344:], "n+1\x00")
		name := "a.nii"
		if pack {
			name += ".gz"
		}
		plane := noise(512 * 512 * bits / 8)
		if pack {
			clear(plane[len(plane)/4:]) // to unpack noise takes long
		}
		if bits == 64 {
			for i := 7; i < len(plane); i += 8 {
				plane[i] = 0x40 // 2 to 131072
			}
		}
		repeat(t, filepath.Join(dir, name), h, plane, planes, pack)
	}
}

// nrrd writes 16 bit samples, perhaps in a file beside the header, or with time as the fastest axis.
func nrrd(detached, turned bool) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		head := "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 512 512 200\n" +
			"space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n"
		if turned {
			head = "NRRD0004\ntype: short\ndimension: 4\nspace: left-posterior-superior\nsizes: 4 512 512 50\n" +
				"space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: list domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n"
		}
		if detached {
			repeat(t, filepath.Join(dir, "a.raw"), nil, noise(frameBytes), 200, false)
			if err := os.WriteFile(filepath.Join(dir, "a.nhdr"), []byte(head+"data file: a.raw\n\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		repeat(t, filepath.Join(dir, "a.nrrd"), []byte(head+"\n"), noise(frameBytes), 200, false)
	}
}

// largeFrom is the one series of a folder, from a server that serves the folder where served is set.
func largeFrom(t *testing.T, dir string, served bool) source.Series {
	quiet := slog.New(slog.DiscardHandler)
	x, err := folder.Open(t.Context(), dir, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	found, _ := x.FindSeries(source.Query{}, 2)
	if len(found) != 1 {
		t.Fatalf("%d series, problems %v", len(found), x.Problems())
	}
	studyUID, seriesUID := found[0].Study.StudyInstanceUID, found[0].Series.SeriesInstanceUID
	if served {
		s := httptest.NewServer(dicomweb.NewHandler(dicomweb.Config{Store: x, Logger: quiet, Authorize: func(*http.Request, string) error { return nil }}))
		t.Cleanup(s.Close)
		return (&dicomweb.Client{BaseURL: s.URL}).Source(studyUID, seriesUID)
	}
	series, err := x.Source(studyUID, seriesUID)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

// bare is a series of one file of which nothing is known beforehand.
type bare struct{ path string }

func (s bare) Instances(context.Context) ([]source.Instance, error) { return nil, nil }

func (s bare) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return catalog.Each(ctx, workers, 1, func(_ int, buf *pages.Buffer) (source.Object, error) {
		f, err := os.Open(s.path)
		if err != nil {
			return source.Object{}, err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return source.Object{}, err
		}
		data, err := catalog.ReadFull(f, st.Size(), buf)
		return source.Object{Name: "bare", Data: data, Discard: buf.Discard}, err
	}, fn)
}

func (s bare) Fetch(ctx context.Context, workers int, _ []string, fn func(source.Object) error) error {
	return s.Each(ctx, workers, fn)
}

// samePlanes says that all planes of a volume are the same, and those of noise where they are stored as they were.
func samePlanes(t *testing.T, r *study.Result) {
	t.Helper()
	all := r.Phases
	if len(all) == 0 {
		all = []study.Phase{{Volume: r.Volume}}
	}
	for i, p := range all {
		raw := p.Volume.Raw()
		n := len(raw) / p.Volume.Size[2]
		first := raw[:n]
		if len(all) == 1 && p.Volume.Format == volume.Int16 && !bytes.Equal(first[:n/4], noise(frameBytes)[:n/4]) || p.Volume.Min == p.Volume.Max {
			t.Errorf("time point %d: plane 1 has other samples than the file", i+1)
		}
		for k := range p.Volume.Size[2] {
			if !bytes.Equal(raw[k*n:][:n], first) {
				t.Fatalf("time point %d: plane %d differs from the first, which the file has %d times", i+1, k+1, p.Volume.Size[2])
			}
		}
	}
}

// What is given back of a file while it is read is not missing in the volume.
func TestLargeVoxels(t *testing.T) {
	for name, write := range map[string]func(*testing.T, string){
		"multi-frame": multiFrame(80, nil), "multi-frame, RLE": multiFrame(80, packed), "multi-frame, 4D": multiFrame(80, fourTimes),
		"NIfTI": nifti(4, 16, 80, false),
	} {
		dir := t.TempDir()
		write(t, dir)
		for _, served := range []bool{false, true} {
			r, err := study.Build(t.Context(), largeFrom(t, dir, served), study.Options{Workers: 4})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			samePlanes(t, r)
			r.Free()
		}
	}
}

// TestPeakMemoryLarge is TestPeakMemory for volumes that come in one file: it does not stand in memory beside the
// volume that is made of it, but gives its memory back as it is read.
func TestPeakMemoryLarge(t *testing.T) {
	const env, envDir = "TOMOCAST_TEST_LARGE", "TOMOCAST_TEST_LARGE_DIR"
	if how := os.Getenv(env); how != "" {
		peak(t, func(ctx context.Context) (*study.Result, error) {
			var series source.Series = bare{filepath.Join(os.Getenv(envDir), "1.dcm")}
			if how != "bare" {
				series = largeFrom(t, os.Getenv(envDir), how == "server")
			}
			r, err := study.Build(ctx, series, study.Options{Workers: 2, Preview: func(r *study.Result) { r.Free() }})
			if err == nil {
				samePlanes(t, r)
			}
			return r, err
		})
		return
	}
	skipPeak(t)
	t.Run("multi-frame, deflated", func(t *testing.T) {
		dir := t.TempDir()
		multiFrame(200, deflated)(t, dir)
		got, most := peakOf(t, "TestPeakMemoryLarge", env+"=bare", envDir+"="+dir)
		t.Logf("%d MiB of voxels, at most %d MiB resident", got, most)
		if limit := 2*100 + 60; got != 100 || most > limit { // what it inflates to does stand beside its volume, the file does not
			t.Errorf("%d MiB of voxels, want 100; %d MiB were resident, more than %d", got, most, limit)
		}
	})
	for name, c := range largeCases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.write(t, dir)
			var file int64
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if st, err := e.Info(); err == nil {
					file += st.Size()
				}
			}
			for _, how := range []string{"folder", "server"} {
				if how == "server" && !c.served {
					continue
				}
				got, most := peakOf(t, "TestPeakMemoryLarge", env+"="+how, envDir+"="+dir)
				// Where the bar lets the file stand beside a small volume, this does not.
				limit := min(c.volume*3/2+200, max(int(file>>20), c.volume)+80)
				if strings.HasPrefix(name, "N") && how == "folder" { // it is not read into memory at all
					limit = c.volume + 80
				}
				t.Logf("%s: a file of %d MiB, %d MiB of voxels, at most %d MiB resident", how, file>>20, got, most)
				if got != c.volume || most > limit {
					t.Errorf("%s: %d MiB of voxels, want %d; %d MiB were resident, more than %d", how, got, c.volume, most, limit)
				}
			}
		})
	}
}
