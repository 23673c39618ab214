package session

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// startUpload is a session that waits for files.
func startUpload(t *testing.T, change func(*Config)) (*bench, *cache.Cache) {
	return startWith(t, nil, func(c *Config) {
		c.Instruction.Request = signaling.TaskRequest{Type: signaling.Rendering, Parameters: json.RawMessage(`{"upload":true,"width":320,"height":240}`)}
		c.Instruction.Source = nil
		if change != nil {
			change(c)
		}
	})
}

func filesOf(t *testing.T, dir, series string, n, slope int) []terminal.File {
	var out []terminal.File
	for k := range n {
		out = append(out, terminal.File{Path: fmt.Sprintf("%s/IM%04d", dir, k), Data: sourcetest.Encode(t, slice(series, k, slope))})
	}
	return out
}

func receivedEvent(e signaling.Event) bool { return e.Type == signaling.EventReceived }

func TestUpload(t *testing.T) {
	ctx := within(t)
	b, c := startUpload(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the session", s.Events(), func(e signaling.Event) bool {
		return e.Type == signaling.EventLoading && e.Loading.Stage == "waiting"
	})
	report := slice(seriesD, 0, 1)
	for _, tag := range []dicom.Tag{dicom.PixelData, dicom.Rows, dicom.Columns, dicom.ImagePositionPatient, dicom.ImageOrientationPatient} {
		report.Delete(tag)
	}
	files := append(filesOf(t, "study/a", seriesA, 6, 20), filesOf(t, "study/b", seriesB, planes, 30)...)
	files = append(files, terminal.File{Path: "study/readme.txt", Data: []byte(strings.Repeat("words ", 30_000))}, terminal.File{Path: "study/empty"},
		terminal.File{Path: "../../etc/passwd", Data: []byte("x")}, terminal.File{Path: "study/cut", Data: sourcetest.Encode(t, slice(seriesB, 40, 1))[:900]})
	if err := s.Upload(ctx, files); err != nil {
		t.Fatal(err)
	}
	got := next(ctx, t, "what came", s.Events(), receivedEvent).Received
	if len(got.Series) < 2 || got.Series[0].Series.SeriesInstanceUID != seriesB || !got.Series[0].Volume || got.Series[0].Series.Source != signaling.Uploads ||
		got.Series[0].PatientName != "Müller^Änne" {
		t.Errorf("received %+v", got.Series)
	}
	if got.LeftOutCount < 3 || len(got.LeftOut) != got.LeftOutCount {
		t.Errorf("left out %d: %+v", got.LeftOutCount, got.LeftOut)
	}
	for _, f := range got.LeftOut {
		if f.Name == "" || f.Reason == "" {
			t.Errorf("left out without a name or a reason: %+v", f)
		}
	}
	// The largest opens by itself, the other when it is asked for.
	e := next(ctx, t, "series B", s.Events(), loadedWith(seriesB))
	if e.Patients[0].Series.Source != signaling.Uploads || e.View.Viewports[0].Series.Source != signaling.Uploads {
		t.Errorf("source %q, %q", e.Patients[0].Series.Source, e.View.Viewports[0].Series.Source)
	}
	next(ctx, t, "its still", s.Stills(), stillOf(e.View.Revision))
	if err := s.OpenSeries(ctx, seriesRef(seriesA)); err != nil {
		t.Fatal(err)
	}
	e = next(ctx, t, "series A", s.Events(), loadedWith(seriesA))
	if e.Patients[0].Size[2] != 6 || e.Patients[0].Max != 20*(62+5)-1024 {
		t.Errorf("series A is %+v", e.Patients[0])
	}
	var p *signaling.Problem
	if err := s.OpenSeries(ctx, seriesRef("1.2.3.99")); !errors.As(err, &p) || p.Code != signaling.ProblemNotFound {
		t.Errorf("a series that did not come: %v", err)
	}
	if n := len(c.Volumes()); n != 0 {
		t.Errorf("%d volumes of an upload are told to the pool", n)
	}

	// A page that comes back finds the series again.
	s.Close()
	again := b.dialAgain(ctx, s)
	if told := next(ctx, t, "what had come", again.Events(), receivedEvent).Received; len(told.Series) != len(got.Series) {
		t.Errorf("told %+v", told)
	}
	next(ctx, t, "series A", again.Events(), loadedWith(seriesA))
	b.session.End(ending.ErrFinished)
	<-b.session.Done()
	if release, err := c.Reserve(ctx, 64<<20); err != nil { // all of the room is there again
		t.Error(err)
	} else {
		release()
	}
}

// dialAgain is the page of a session that was reloaded.
func (b *bench) dialAgain(ctx context.Context, old *terminal.Session) *terminal.Session {
	b.t.Helper()
	return b.dial(ctx, terminal.Options{Width: 320, Height: 240, Resume: old.ResumeToken()})
}

func TestUploadOfNothingToShow(t *testing.T) {
	ctx := within(t)
	b, _ := startUpload(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	if err := s.Upload(ctx, []terminal.File{{Path: "a.txt", Data: []byte("hello")}}); err != nil {
		t.Fatal(err)
	}
	got := next(ctx, t, "what came", s.Events(), receivedEvent).Received
	if len(got.Series) != 0 || got.LeftOutCount != 1 {
		t.Errorf("received %+v", got)
	}
	next(ctx, t, "a notice", s.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventNotice && e.Problem.Detail != "" })
	// The session goes on: the next upload is shown.
	if err := s.Upload(ctx, filesOf(t, "x", seriesA, 4, 20)); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "series A", s.Events(), loadedWith(seriesA))
}

// Research files and archives go the same way as DICOM files.
func TestUploadOfOtherFormats(t *testing.T) {
	root := sourcetest.Studies(t, "nifti")
	var nifti []string
	for _, pattern := range []string{"*.nii", "*.nii.gz"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		nifti = append(nifti, found...)
	}
	if len(nifti) == 0 {
		t.Skip("there are no NIfTI files among the test studies")
	}
	data, err := os.ReadFile(nifti[0])
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for _, f := range filesOf(t, "inside", seriesA, 5, 20) {
		w, err := z.Create(f.Path)
		if err == nil {
			_, err = w.Write(f.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	b, _ := startUpload(t, func(c *Config) { c.Volumes = bigCache(t, c) })
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	if err := s.Upload(ctx, []terminal.File{{Path: "brain" + filepath.Base(nifti[0]), Data: data}}); err != nil {
		t.Fatal(err)
	}
	got := next(ctx, t, "what came", s.Events(), receivedEvent).Received
	if len(got.Series) != 1 || !got.Series[0].Volume {
		t.Fatalf("received %+v", got)
	}
	next(ctx, t, "the NIfTI volume", s.Events(), loadedWith(got.Series[0].Series.SeriesInstanceUID))
	if err := s.Upload(ctx, []terminal.File{{Path: "study.zip", Data: packed.Bytes()}}); err != nil {
		t.Fatal(err)
	}
	next(ctx, t, "the series in the archive", s.Events(), loadedWith(seriesA))
}

// bigCache has room for a real study.
func bigCache(t *testing.T, cfg *Config) *cache.Cache {
	c, err := cache.New(cache.Config{Renderer: cfg.Renderer, MaxBytes: 1 << 30, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestUploadsThatAreRefused(t *testing.T) {
	ctx := within(t)
	b, _ := startUpload(t, nil)
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	var p *signaling.Problem
	for name, r := range map[string]signaling.Request{
		"without files":  {Type: signaling.RequestUpload},
		"no files":       {Type: signaling.RequestUpload, Upload: &signaling.Upload{}},
		"too many files": {Type: signaling.RequestUpload, Upload: &signaling.Upload{Files: 100_001, Bytes: 1}},
		"too many bytes": {Type: signaling.RequestUpload, Upload: &signaling.Upload{Files: 1, Bytes: 65 << 20}},
		"negative":       {Type: signaling.RequestUpload, Upload: &signaling.Upload{Files: 1, Bytes: -1}},
		"not announced":  {Type: signaling.RequestUploaded},
	} {
		if _, err := s.Request(ctx, r); !errors.As(err, &p) || p.Detail == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// More than was announced is left out, and so is what was damaged.
	good := sourcetest.Encode(t, slice(seriesA, 0, 1))
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestUpload, Upload: &signaling.Upload{Files: 3, Bytes: int64(2 * len(good))}}); err != nil {
		t.Fatal(err)
	}
	meta := func(path string) json.RawMessage {
		raw, _ := json.Marshal(signaling.UploadMeta{Path: path})
		return raw
	}
	for n, h := range []signaling.BulkHeader{{Meta: meta("good")}, {Meta: meta("bad"), SHA256: "00"}, {Meta: meta("beyond")}} {
		h.Transfer = uint32(n + 1)
		if err := s.SendBulk(ctx, h, good); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Request(ctx, signaling.Request{Type: signaling.RequestUploaded}); err != nil {
		t.Fatal(err)
	}
	got := next(ctx, t, "what came", s.Events(), receivedEvent).Received
	if len(got.Series) != 1 || got.Series[0].Instances != 1 || got.LeftOutCount != 2 {
		t.Errorf("received %+v", got)
	}
}
