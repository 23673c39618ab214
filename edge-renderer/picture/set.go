package picture

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

// maxKept is how many bytes of decoded images, and of files with several, a set keeps.
const maxKept = 256 << 20

// Set is the images of a series. Its methods may be called from several goroutines.
type Set struct {
	series source.Series
	refs   []study.ImageRef
	start  int // the first image that can be shown
	first  *dicompicture.Image
	info   signaling.SeriesInfo

	turn chan struct{} // held while something is fetched or decoded, capacity 1

	mu    sync.Mutex
	bytes int64
	kept  *list.List // of *held, the most recently used first
}

// held is a decoded image, or a file that has several.
type held struct {
	ref   study.ImageRef // Frame is -1 for a file
	bytes int64
	image *dicompicture.Image
	file  *dicom.Dataset
}

// maxPassed bounds the images at the beginning of a series that are passed over because they cannot be decoded.
const maxPassed = 64

// unreadable is an image that cannot be decoded, whatever becomes of the others.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// passable says whether the image after one with this error may be shown all the same.
func passable(err error) bool {
	var u unreadable
	return errors.As(err, &u) || errors.Is(err, source.ErrNotFound) || errors.Is(err, dicom.ErrTruncated)
}

// Open fetches the first of the images that can be shown, and with it what there is to say of the series. Its error
// says why none can be; those of the source are returned as they are.
func Open(ctx context.Context, series source.Series, refs []study.ImageRef) (*Set, error) {
	if len(refs) == 0 {
		return nil, errors.New("the series has no images")
	}
	s := &Set{series: series, refs: slices.Clone(refs), turn: make(chan struct{}, 1), kept: list.New()}
	first, err := s.Image(ctx, 0)
	why := err
	for err != nil && passable(err) && s.start+1 < min(len(refs), maxPassed) {
		s.start++
		first, err = s.Image(ctx, s.start)
	}
	if err != nil {
		if passable(err) {
			return nil, why
		}
		return nil, err
	}
	d, err := s.dataset(ctx, refs[s.start].SOPInstanceUID)
	if err != nil {
		return nil, err
	}
	s.first, s.info = first, describe(d, first, len(refs))
	if s.start > 0 {
		s.info.Warnings = append(s.info.Warnings, signaling.Warning{Code: string(study.WarnLeftOut), Amount: float64(s.start),
			Text: fmt.Sprintf("image %d is the first one that can be shown: %v", s.start+1, why)})
	}
	return s, nil
}

// Len is the number of images.
func (s *Set) Len() int { return len(s.refs) }

// Start is the number, from 0, of the first image that can be shown.
func (s *Set) Start() int { return s.start }

// First is that image.
func (s *Set) First() *dicompicture.Image { return s.first }

// Info is what a page shows of the series, without its source.
func (s *Set) Info() signaling.SeriesInfo { return s.info }

// Image is image n, from 0, fetched and decoded where that was not done of late. It must not be changed.
func (s *Set) Image(ctx context.Context, n int) (*dicompicture.Image, error) {
	if n < 0 || n >= len(s.refs) {
		return nil, fmt.Errorf("image %d was asked for, the series has %d", n+1, len(s.refs))
	}
	ref := s.refs[n]
	if h := s.find(ref); h != nil {
		return h.image, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h := s.find(ref); h != nil { // meanwhile
		return h.image, nil
	}
	d, err := s.fetch(ctx, ref.SOPInstanceUID)
	if err != nil {
		return nil, err
	}
	m, err := dicompicture.Decode(d, ref.Frame)
	if err != nil {
		return nil, fmt.Errorf("image %d of %d cannot be shown: %w", n+1, len(s.refs), unreadable{err})
	}
	s.keep(&held{ref: ref, image: m, bytes: int64(4*len(m.Gray) + len(m.RGB) + len(m.Padding))})
	return m, nil
}

// dataset is the file of an instance.
func (s *Set) dataset(ctx context.Context, uid string) (*dicom.Dataset, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.fetch(ctx, uid)
}

// fetch is the file of an instance, which is kept. The caller has the turn.
func (s *Set) fetch(ctx context.Context, uid string) (*dicom.Dataset, error) {
	ref := study.ImageRef{SOPInstanceUID: uid, Frame: -1}
	if h := s.find(ref); h != nil {
		return h.file, nil
	}
	var d *dicom.Dataset
	var parsed error // why the file is no data set
	size := 0
	err := s.series.Fetch(ctx, 1, []string{uid}, func(o source.Object) error {
		size = len(o.Data)
		d, parsed = dicom.Parse(bytes.Clone(o.Data), dicom.Options{}) // the source uses its memory again
		return parsed
	})
	switch {
	case parsed != nil:
		err = unreadable{parsed}
	case err == nil && d == nil:
		err = fmt.Errorf("an image: %w", source.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	s.keep(&held{ref: ref, file: d, bytes: int64(size)})
	return d, nil
}

// find is what is kept for a reference, nil where nothing is.
func (s *Set) find(ref study.ImageRef) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.kept.Front(); e != nil; e = e.Next() {
		if h := e.Value.(*held); h.ref == ref {
			s.kept.MoveToFront(e)
			return h
		}
	}
	return nil
}

// keep keeps something, and lets go of what was used least recently.
func (s *Set) keep(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.PushFront(h)
	s.bytes += h.bytes
	for s.bytes > maxKept && s.kept.Len() > 1 {
		last := s.kept.Back()
		s.bytes -= s.kept.Remove(last).(*held).bytes
	}
}

// describe says what a page shows of a series of images, by the first of them.
func describe(d *dicom.Dataset, m *dicompicture.Image, n int) signaling.SeriesInfo {
	px, py := Pitch(m)
	camera := Camera(m, 1)
	info := signaling.SeriesInfo{
		Series:      signaling.SeriesRef{StudyInstanceUID: d.String(dicom.StudyInstanceUID), SeriesInstanceUID: d.String(dicom.SeriesInstanceUID)},
		PatientName: d.String(dicom.PatientName), PatientID: d.String(dicom.PatientID), PatientBirthDate: d.String(dicom.PatientBirthDate),
		PatientSex: d.String(dicom.PatientSex), StudyDate: d.String(dicom.StudyDate), AccessionNumber: d.String(dicom.AccessionNumber),
		StudyDescription: d.String(dicom.StudyDescription), SeriesDescription: d.String(dicom.SeriesDescription), Modality: d.String(dicom.Modality),
		Size: [3]int{m.Width, m.Height, n}, SpacingMm: [3]float64{m.Spacing[0], m.Spacing[1], 0},
		Center: camera.LookAt, DiagonalMm: norm(signaling.Point{float64(m.Width) * px, float64(m.Height) * py, 0}),
		Min: float64(m.Min), Max: float64(m.Max), Unit: m.Units, Images: n,
	}
	if m.Lossy {
		info.LossySource = "The image was compressed with loss before it came here"
	}
	return info
}
