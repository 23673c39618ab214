package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const seriesE = "1.2.3.8"

// unshowable is a slice that looks well in a listing, and whose values mean nothing.
func unshowable(k int) *dicom.Dataset {
	d := slice(seriesE, k, 10)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 0)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, 0)
	return d
}

func notice(e signaling.Event) bool { return e.Type == signaling.EventNotice }

// A study whose largest series cannot be shown opens with the next one, and says so.
func TestStudyOpensWithTheNextSeries(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	for k := range 2 * planes {
		if err := a.Add(fmt.Sprintf("e/%d", k), sourcetest.Encode(t, unshowable(k))); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := startWith(t, a, func(c *Config) {
		c.Instruction.Request.Series = &signaling.SeriesRef{StudyInstanceUID: ref.StudyInstanceUID}
	})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "series A", s.Events(), loadedWith(seriesA))
	e := next(ctx, t, "a notice", s.Events(), notice)
	if e.Problem.Code != signaling.ProblemUnreadable || !strings.Contains(e.Problem.Detail, "slope is 0") {
		t.Errorf("told %+v", e.Problem)
	}
	// A series that is named stays the one that was meant.
	if err := s.OpenSeries(ctx, seriesRef(seriesE)); err != nil {
		t.Fatal(err)
	}
	if e := next(ctx, t, "why", s.Events(), notice); !strings.Contains(e.Problem.Detail, "slope is 0") || strings.Contains(e.Problem.Title, "Another") {
		t.Errorf("told %+v", e.Problem)
	}
	next(ctx, t, "series A again", s.Events(), loadedWith(seriesA))
}

// A study of which nothing can be shown says what is wrong with its largest series.
func TestStudyOfNothingToShow(t *testing.T) {
	ctx := within(t)
	a := newArchive(t)
	other := "1.2.9"
	for k := range 6 {
		d := unshowable(k)
		d.SetString(dicom.StudyInstanceUID, dicom.UI, other)
		if k > 3 { // a smaller series
			d = slice(seriesD, k, 1)
			for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns, dicom.ImagePositionPatient, dicom.ImageOrientationPatient} {
				d.Delete(tag)
			}
			d.SetString(dicom.StudyInstanceUID, dicom.UI, other)
			d.SetString(dicom.SeriesInstanceUID, dicom.UI, "1.2.9.1")
			d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("1.2.9.1.%d", k))
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11")
		}
		if err := a.Add(fmt.Sprintf("e/%d", k), sourcetest.Encode(t, d)); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := startWith(t, a, func(c *Config) { c.Instruction.Request.Series = &signaling.SeriesRef{StudyInstanceUID: other} })
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	e := next(ctx, t, "the end", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventEnding })
	if !strings.Contains(e.Problem.Detail, "slope is 0") {
		t.Errorf("told %+v", e.Problem)
	}
}

// An upload whose largest series cannot be shown shows the next one.
func TestUploadOpensWithTheNextSeries(t *testing.T) {
	ctx := within(t)
	b, _ := startUpload(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	files := filesOf(t, "a", seriesA, 6, 20)
	for k := range 12 {
		files = append(files, terminal.File{Path: fmt.Sprintf("e/%d", k), Data: sourcetest.Encode(t, unshowable(k))})
	}
	if err := s.Upload(ctx, files); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "series A", s.Events(), loadedWith(seriesA))
	if e := next(ctx, t, "a notice", s.Events(), notice); !strings.Contains(e.Problem.Detail, "slope is 0") {
		t.Errorf("told %+v", e.Problem)
	}
}
