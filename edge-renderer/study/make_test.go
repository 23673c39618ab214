package study_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

const studyUID, seriesUID = "1.2.3", "1.2.3.4"

// slices are n axial slices of 8x8 voxels, 0.5 mm between columns, 0.75 between rows, 2.5 between slices; voxel 8*j+i of
// slice k is 256+10*k+8*j+i, and 1024 less after the modality transform.
func slices(n int) []*dicom.Dataset {
	out := make([]*dicom.Dataset, n)
	for k := range out {
		d := sourcetest.Slice(studyUID, seriesUID, k)
		d.SetString(dicom.FrameOfReferenceUID, dicom.UI, "1.2.3.9")
		px := make([]int, 64)
		for i := range px {
			px[i] = 256 + 10*k + i
		}
		d.SetInts(dicom.PixelData, dicom.OW, px...)
		out[k] = d
	}
	return out
}

func each(list []*dicom.Dataset, change func(d *dicom.Dataset)) []*dicom.Dataset {
	for _, d := range list {
		change(d)
	}
	return list
}

// memory is a series in memory. Its listing can be another than its files.
type memory struct {
	list  []source.Instance
	files []source.Object
	uids  []string // of the files
	fail  error    // instead of the last file

	mu      sync.Mutex
	fetched []string // the UIDs that were asked for, in order
}

func series(t testing.TB, list []*dicom.Dataset) *memory {
	t.Helper()
	m := &memory{}
	for i, d := range list {
		m.files = append(m.files, source.Object{Name: fmt.Sprintf("file %d", i), Data: sourcetest.Encode(t, d)})
		m.uids = append(m.uids, d.String(dicom.SOPInstanceUID))
		m.list = append(m.list, listed(d))
	}
	return m
}

// listed is what a source would say of a data set.
func listed(d *dicom.Dataset) source.Instance {
	number := func(tag dicom.Tag) int { n, _ := d.Int(tag); return n }
	i := source.Instance{
		SOPInstanceUID: d.String(dicom.SOPInstanceUID), SOPClassUID: d.String(dicom.SOPClassUID), TransferSyntaxUID: d.TransferSyntax,
		Rows: number(dicom.Rows), Columns: number(dicom.Columns), Frames: max(1, number(dicom.NumberOfFrames)), Samples: number(dicom.SamplesPerPixel),
		BitsAllocated: number(dicom.BitsAllocated), BitsStored: number(dicom.BitsStored), Signed: number(dicom.PixelRepresentation) == 1,
		Photometric: d.String(dicom.PhotometricInterpretation),
	}
	if i.Rows == 0 {
		i.Frames = 0
	}
	i.Number, i.AcquisitionNumber, i.EchoNumber, i.TemporalPosition = number(dicom.InstanceNumber), number(dicom.AcquisitionNumber), number(dicom.EchoNumbers), number(dicom.TemporalPositionID)
	i.ImageType, i.AcquisitionTime, i.ContentTime = d.String(dicom.ImageType), d.String(dicom.AcquisitionTime), d.String(dicom.ContentTime)
	i.FrameOfReferenceUID = d.String(dicom.FrameOfReferenceUID)
	for tag, to := range map[dicom.Tag]**float64{dicom.EchoTime: &i.EchoTime, dicom.InversionTime: &i.InversionTime, dicom.TriggerTime: &i.TriggerTime, dicom.DiffusionBValue: &i.BValue} {
		if f, ok := d.Float(tag); ok {
			*to = &f
		}
	}
	if s, ok := d.Float(dicom.RescaleSlope); ok {
		i.Rescale = &[2]float64{s}
		i.Rescale[1], _ = d.Float(dicom.RescaleIntercept)
	}
	if f, ok := d.Floats(dicom.ImagePositionPatient); ok && len(f) == 3 {
		i.Position = (*[3]float64)(f)
	}
	if f, ok := d.Floats(dicom.ImageOrientationPatient); ok && len(f) == 6 {
		i.Orientation = (*[6]float64)(f)
	}
	if f, ok := d.Floats(dicom.PixelSpacing); ok && len(f) == 2 {
		i.Spacing = (*[2]float64)(f)
	}
	return i
}

func (m *memory) Instances(context.Context) ([]source.Instance, error) { return m.list, nil }

// Each gives every caller the same memory again and again, as real sources do.
func (m *memory) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return m.give(ctx, workers, m.files, fn)
}

// Fetch gives files in the order asked for.
func (m *memory) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	m.mu.Lock()
	m.fetched = append(m.fetched, uids...)
	m.mu.Unlock()
	var files []source.Object
	for _, uid := range uids {
		for i, o := range m.files {
			if m.uids[i] == uid {
				files = append(files, o)
			}
		}
	}
	return m.give(ctx, workers, files, fn)
}

func (m *memory) give(ctx context.Context, workers int, files []source.Object, fn func(source.Object) error) error {
	queue := make(chan source.Object, len(files))
	for i, o := range files {
		if m.fail == nil || i+1 < len(files) {
			queue <- o
		}
	}
	close(queue)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var buf []byte
			for o := range queue {
				buf = append(buf[:0], o.Data...)
				if errs[w] = errors.Join(ctx.Err(), fn(source.Object{Name: o.Name, Data: buf})); errs[w] != nil {
					return
				}
				clear(buf)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return m.fail
}

// build builds and frees at the end of the test.
func build(t testing.TB, m *memory, opts study.Options) *study.Result {
	t.Helper()
	r, err := study.Build(t.Context(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Free)
	return r
}

// refused says that err is a refusal of a kind whose message has all words.
func refused(t testing.TB, what string, err error, code study.Code, words ...string) {
	t.Helper()
	var e *study.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v, want a refusal %q", what, err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the message does not say %q: %v", what, w, err)
		}
	}
}

func codes(r *study.Result) []study.Code {
	var out []study.Code
	for _, w := range r.Warnings {
		out = append(out, w.Code)
	}
	return out
}

// told says that a result has a warning of a kind, with an amount, whose text has all words.
func told(t testing.TB, what string, r *study.Result, code study.Code, amount float64, words ...string) {
	t.Helper()
	for _, w := range r.Warnings {
		if w.Code != code {
			continue
		}
		if math.Abs(w.Amount-amount) > 1e-6*max(1, math.Abs(amount)) {
			t.Errorf("%s: %q has the amount %v, want %v", what, code, w.Amount, amount)
		}
		for _, word := range words {
			if !strings.Contains(w.Text, word) {
				t.Errorf("%s: the warning does not say %q: %s", what, word, w.Text)
			}
		}
		return
	}
	t.Errorf("%s: no warning %q among %v", what, code, r.Warnings)
}
