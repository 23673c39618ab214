package folder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

var quiet = slog.New(slog.DiscardHandler)

const (
	studyA  = "1.2.3.1"
	seriesA = "1.2.3.1.1"
	studyB  = "1.2.3.2"
	seriesB = "1.2.3.2.1"
)

// counting counts how often a file is read for its header.
func counting(n *atomic.Int64) Option {
	return WithOpener(func(root *os.Root, name string) (io.ReadCloser, error) {
		n.Add(1)
		return root.Open(name)
	})
}

func open(t *testing.T, root, cache string, opts ...Option) *Index {
	t.Helper()
	x, err := Open(t.Context(), root, cache, quiet, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func TestIndex(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "a", "deep"), studyA, seriesA, 4)
	other := sourcetest.Slice(studyB, seriesB, 1)
	other.SetString(dicom.StudyDate, dicom.DA, "20250101")
	other.SetString(dicom.Modality, dicom.CS, "MR")
	sourcetest.Write(t, filepath.Join(root, "no extension"), other)
	sourcetest.WriteBytes(t, filepath.Join(root, "readme.txt"), []byte("This is a text that is longer than a preamble."))
	sourcetest.WriteBytes(t, filepath.Join(root, "a", "DICOMDIR"), bytes.Repeat([]byte("directory "), 30))

	x := open(t, root, "", WithName("here"))
	if got, want := x.Stats(), (Stats{Studies: 2, Series: 2, Instances: 5, Files: 7, Skipped: 2}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	studies, total := x.Studies(source.Query{})
	if total != 2 || studies[0].StudyInstanceUID != studyB {
		t.Fatalf("studies %+v", studies) // the newer one is first
	}
	want := source.StudySummary{Source: "here", StudyInstanceUID: studyA, PatientName: "Müller^Änne", PatientID: "P-1",
		PatientBirthDate: "19600229", PatientSex: "F", StudyDate: "20240131", StudyTime: "101500", Description: "Chest",
		AccessionNumber: "A1", Modalities: []string{"CT"}, SeriesCount: 1, InstanceCount: 4, Images: 4}
	if got, want := fmt.Sprintf("%+v", studies[1]), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	series, err := x.Series(studyA)
	if err != nil || len(series) != 1 {
		t.Fatal(series, err)
	}
	if got, want := series[0], (source.SeriesSummary{SeriesInstanceUID: seriesA, Number: 3, Modality: "CT", Description: "Axial",
		InstanceCount: 4, Images: 4, Kind: "a CT image", Rows: 8, Columns: 8, Volume: true}); got != want {
		t.Errorf("series %+v, want %+v", got, want)
	}
	if s, _ := x.Series(studyB); s[0].Volume || !strings.Contains(s[0].Reason, "a single image") {
		t.Errorf("a single image: %+v", s[0])
	}
	if _, err := x.Series("1.2.3.99"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("unknown study: %v", err)
	}

	found, n := x.FindInstances(source.Query{SeriesUIDs: []string{seriesA}}, 10)
	if n != 4 {
		t.Fatal(n)
	}
	for i, f := range found {
		in := f.Instance
		if in.Number != i+1 || *in.Position != [3]float64{-12.5, 3, 2.5 * float64(i+1)} || *in.Orientation != [6]float64{1, 0, 0, 0, 1, 0} ||
			*in.Spacing != [2]float64{0.75, 0.5} || *in.Rescale != [2]float64{1, -1024} || in.Frames != 1 || in.BitsStored != 12 ||
			in.TransferSyntaxUID != dicom.ExplicitVRLittleEndian || in.Photometric != "MONOCHROME2" || !in.Placed() {
			t.Errorf("instance %d: %+v", i, in)
		}
	}
}

func TestProblems(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 3)
	sourcetest.Write(t, filepath.Join(outside, "secret"), sourcetest.Slice(studyB, seriesB, 1))
	noSeries := sourcetest.Slice(studyA, seriesA, 7)
	noSeries.Delete(dicom.SeriesInstanceUID)
	sourcetest.Write(t, filepath.Join(root, "no-series"), noSeries)
	evil := sourcetest.Slice("../../etc", seriesA, 8)
	sourcetest.Write(t, filepath.Join(root, "evil"), evil)
	sourcetest.Write(t, filepath.Join(root, "twice"), sourcetest.Slice(studyA, seriesA, 1))
	for link, to := range map[string]string{"out": filepath.Join(outside, "secret"), "outdir": outside, "nowhere": "gone", "inside": "twice", "loop": "."} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	x := open(t, root, "")
	got := map[string]catalog.Kind{}
	for _, p := range x.Problems() {
		got[p.Path] = p.Kind
		if p.Reason == "" || strings.Contains(p.Reason, root) || strings.Contains(p.Reason, outside) {
			t.Errorf("reason %q", p.Reason)
		}
	}
	want := map[string]catalog.Kind{"no-series": catalog.KindDamaged, "evil": catalog.KindDamaged, "twice": catalog.KindDuplicate, "out": catalog.KindLink, "outdir": catalog.KindLink, "nowhere": catalog.KindLink}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("problems %v, want %v", got, want)
	}
	if st := x.Stats(); st.Studies != 1 || st.Instances != 3 || st.Problems != len(want) {
		t.Errorf("stats %+v", st)
	}
}

// A damaged file of which it is certain where it belongs stays in its series, so that the one who loads it learns of
// it; a series must not silently have a hole.
func TestDamagedFileStaysInItsSeries(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 3)
	d := sourcetest.Slice(studyA, seriesA, 4)
	d.SetBytes(dicom.Tag(0x00290010), dicom.OB, make([]byte, 4000)) // between the UIDs and the pixels
	var b bytes.Buffer
	if err := dicom.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	sourcetest.WriteBytes(t, filepath.Join(root, "cut"), b.Bytes()[:b.Len()-2000])
	x := open(t, root, "")
	if s, err := x.Series(studyA); err != nil || s[0].InstanceCount != 4 {
		t.Errorf("series %+v, %v", s, err)
	}
	if p := x.Problems(); len(p) != 1 || p[0].Path != "cut" || p[0].Kind != catalog.KindDamaged || !strings.Contains(p[0].Reason, "truncated") {
		t.Errorf("problems %v", p)
	}
}

func TestRestartReadsNothingAgain(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 5)
	sourcetest.WriteBytes(t, filepath.Join(root, "readme.txt"), []byte("no DICOM, and that is remembered"))
	var reads atomic.Int64
	first := open(t, root, cache, counting(&reads))
	if reads.Load() != 6 {
		t.Fatalf("%d reads at first", reads.Load())
	}
	again := open(t, root, cache, counting(&reads))
	if reads.Load() != 6 {
		t.Errorf("a restart read %d files", reads.Load()-6)
	}
	for name, f := range map[string]func(*Index) any{
		"studies":   func(x *Index) any { s, _ := x.Studies(source.Query{}); return s },
		"stats":     func(x *Index) any { return x.Stats() },
		"problems":  func(x *Index) any { return x.Problems() },
		"instances": func(x *Index) any { s, _ := x.Source(studyA, seriesA); i, _ := s.Instances(t.Context()); return i },
	} {
		if a, b := asJSON(t, f(first)), asJSON(t, f(again)); a != b {
			t.Errorf("%s differ after a restart:\n%s\n%s", name, a, b)
		}
	}
	info, err := os.ReadDir(cache)
	if err != nil || len(info) != 1 {
		t.Fatal(info, err)
	}
	if st, _ := info[0].Info(); st.Mode().Perm() != 0o600 {
		t.Errorf("others may read the cache: %v", st.Mode())
	}
	if left, _ := os.ReadDir(root); len(left) != 6 {
		t.Errorf("something was written into the user's folder: %v", left)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRescan(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 5)
	var reads atomic.Int64
	x := open(t, root, cache, counting(&reads))

	names, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	changed, removed := filepath.Join(root, names[0].Name()), filepath.Join(root, names[1].Name())
	d := sourcetest.Slice(studyB, seriesB, 1)
	d.SetString(dicom.PatientID, dicom.LO, "another")
	sourcetest.Write(t, changed, d)
	if err := os.Chtimes(changed, sourcetest.Old.AddDate(0, 0, 1), sourcetest.Old.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(removed); err != nil {
		t.Fatal(err)
	}
	reads.Store(0)
	if err := x.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reads.Load() != 1 {
		t.Errorf("%d files were read for one that changed", reads.Load())
	}
	if st := x.Stats(); st.Studies != 2 || st.Instances != 4 {
		t.Errorf("stats %+v", st)
	}
	if s, n := x.Studies(source.Query{PatientID: "another"}); n != 1 || s[0].StudyInstanceUID != studyB {
		t.Errorf("the changed file is not known: %v", s)
	}
	reads.Store(0)
	if st := open(t, root, cache, counting(&reads)).Stats(); reads.Load() != 0 || st.Instances != 4 {
		t.Errorf("after a restart: %d reads, %+v", reads.Load(), st)
	}

	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := x.Rescan(t.Context()); err == nil {
		// An empty folder that is gone may be seen as empty; what must not be is a crash or an old file served.
		if st := x.Stats(); st.Instances != 0 {
			t.Errorf("the folder is gone, stats %+v", st)
		}
	} else if x.Stats().Instances != 4 {
		t.Errorf("a failed rescan changed the index: %+v", x.Stats())
	}
}

// What the system refused once is tried again, though the file has not changed.
func TestUnreadableFileIsTriedAgain(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 2)
	refuse := true
	opener := WithOpener(func(root *os.Root, name string) (io.ReadCloser, error) {
		if refuse {
			return nil, &os.PathError{Op: "open", Path: "/some/where", Err: os.ErrPermission}
		}
		return root.Open(name)
	})
	x := open(t, root, cache, opener)
	if p := x.Problems(); len(p) != 2 || p[0].Kind != catalog.KindUnreadable || p[0].Reason != "Permission denied." {
		t.Fatalf("problems %v", p)
	}
	refuse = false
	if st := open(t, root, cache, opener).Stats(); st.Instances != 2 || st.Problems != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestDamagedCacheIsBuiltAnew(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 3)
	open(t, root, cache)
	name := cacheName(t, cache)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-10] ^= 1
	huge := bytes.Clone(good)
	copy(huge[12:], bytes.Repeat([]byte{0xFF}, 8))
	version := bytes.Clone(good)
	version[7]++
	for what, data := range map[string][]byte{"empty": nil, "short": good[:15], "cut": good[:len(good)-1], "flipped": flipped,
		"huge": huge, "version": version, "rubbish": bytes.Repeat([]byte("x"), 500)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var reads atomic.Int64
		x := open(t, root, cache, counting(&reads))
		if reads.Load() != 3 || x.Stats().Instances != 3 {
			t.Errorf("%s: %d reads, %+v", what, reads.Load(), x.Stats())
		}
		if now, _ := os.ReadFile(name); len(now) < len(good)/2 || string(now[:8]) != cacheMagic {
			t.Errorf("%s: the cache was not written anew", what)
		}
	}
}

func cacheName(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.index"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

func TestCacheIsNeverInTheFolder(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 1)
	open(t, root, filepath.Join(root, ".cache"))
	if list, _ := filepath.Glob(filepath.Join(root, ".cache", "*")); len(list) != 0 {
		t.Errorf("written into the folder: %v", list)
	}
}

func TestLimits(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 6)
	x := open(t, root, "", WithLimits(4, 32))
	if st, p := x.Stats(), x.Problems(); st.Instances != 4 || len(p) != 1 || p[0].Kind != catalog.KindLimit {
		t.Errorf("stats %+v, problems %v", st, p)
	}
	deep := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(deep, "1", "2"), studyA, seriesA, 1)
	sourcetest.WriteSeries(t, filepath.Join(deep, "1", "2", "3"), studyB, seriesB, 1)
	x = open(t, deep, "", WithLimits(100, 2))
	if st, p := x.Stats(), x.Problems(); st.Instances != 1 || len(p) != 1 || p[0].Path != "1/2/3" {
		t.Errorf("stats %+v, problems %v", st, p)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "missing"), os.Args[0]} {
		if _, err := Open(t.Context(), dir, "", quiet); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, root, "", quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestProgress(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 5)
	var last Progress
	open(t, root, "", WithProgress(func(p Progress) { last = p }))
	if last != (Progress{Seen: 5, Read: 5, Done: true}) {
		t.Errorf("last report %+v", last)
	}
}

// A log must not say whose studies these are, nor where they lie.
func TestLogsNameNobody(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "Mueller"), studyA, seriesA, 2)
	var log bytes.Buffer
	x, err := Open(t.Context(), root, t.TempDir(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	x.Close()
	for _, secret := range []string{root, "Mueller", "Müller", studyA, "P-1"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log says %q:\n%s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "instances=2") {
		t.Errorf("the log says nothing: %s", log.String())
	}
}

func TestFileChecksWhatItOpens(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 3)
	x := open(t, root, "")
	found, _ := x.FindInstances(source.Query{}, 10)
	f := found[0].File
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	r.Close()
	if err != nil || int64(len(data)) != f.Size() {
		t.Fatal(len(data), err)
	}
	names, _ := os.ReadDir(root)
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(root, n.Name()), []byte("now something else"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Open(); !errors.Is(err, source.ErrChanged) {
		t.Errorf("changed: %v", err)
	}
	for _, n := range names {
		os.Remove(filepath.Join(root, n.Name()))
	}
	if err := f.Check(); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), names[0].Name()) {
		t.Errorf("removed: %v", err)
	}
	// Nor does a link that takes the file's place lead out of the folder.
	outside := filepath.Join(t.TempDir(), "x")
	sourcetest.WriteBytes(t, outside, data)
	for _, n := range names {
		if err := os.Symlink(outside, filepath.Join(root, n.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := f.Open(); err == nil {
		r.Close()
		t.Error("a link out of the folder was followed")
	}
}

// Files without preamble, or without any meta information, are served as files of PS3.10.
func TestServedFilesAreComplete(t *testing.T) {
	root := t.TempDir()
	var b bytes.Buffer
	if err := dicom.Write(&b, sourcetest.Slice(studyA, seriesA, 1)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	metaEnd := 144 + int(whole[140]) + int(whole[141])<<8
	for name, data := range map[string][]byte{"no preamble": whole[132:], "mark only": whole[128:], "no meta": whole[metaEnd:], "whole": whole} {
		dir := filepath.Join(root, name)
		sourcetest.WriteBytes(t, filepath.Join(dir, "f"), data)
		cache := t.TempDir()
		open(t, dir, cache)
		x := open(t, dir, cache) // what the cache says must be as good
		found, n := x.FindInstances(source.Query{}, 10)
		if n != 1 {
			t.Errorf("%s: %v", name, x.Problems())
			continue
		}
		r, err := found[0].File.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || int64(len(got)) != found[0].File.Size() || !bytes.Equal(got, whole) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(whole), err)
		}
	}
}

func TestSourceEach(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 20)
	sourcetest.WriteSeries(t, filepath.Join(root, "b"), studyB, seriesB, 3)
	x := open(t, root, "")
	s, err := x.Source(studyA, seriesA)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []int
	err = s.Each(t.Context(), 3, func(o source.Object) error {
		d, err := dicom.Parse(o.Data, dicom.Options{})
		if err != nil {
			return err
		}
		n, _ := d.Int(dicom.InstanceNumber)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, n)
		return nil
	})
	slices.Sort(got)
	if err != nil || len(got) != 20 || got[0] != 1 || got[19] != 20 {
		t.Errorf("%v, %v", got, err)
	}
	stop := errors.New("enough")
	if err := s.Each(t.Context(), 3, func(source.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the consumer's error: %v", err)
	}
	if _, err := x.Source(studyA, seriesB); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("a series of another study: %v", err)
	}
	names, _ := filepath.Glob(filepath.Join(root, "f*"))
	os.Remove(names[0])
	err = s.Each(t.Context(), 3, func(source.Object) error { return nil })
	if err == nil || !strings.Contains(err.Error(), filepath.Base(names[0])) {
		t.Errorf("a missing file must be an error that names it: %v", err)
	}
}

func TestFiles(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "s"), studyA, seriesA, 7)
	sourcetest.WriteBytes(t, filepath.Join(root, "notes.txt"), bytes.Repeat([]byte("notes "), 50))
	sourcetest.WriteBytes(t, filepath.Join(root, "broken.dcm"), []byte("short"))
	var n atomic.Int64
	count := func(source.Object) error { n.Add(1); return nil }
	if err := Files(t.Context(), root, 2, count); err != nil || n.Load() != 8 {
		t.Errorf("%d files, %v", n.Load(), err) // a broken .dcm is handed on: the consumer says what is wrong with it
	}
	n.Store(0)
	one, _ := filepath.Glob(filepath.Join(root, "s", "f*"))
	if err := Files(t.Context(), one[0], 2, count); err != nil || n.Load() != 1 {
		t.Errorf("one file: %d, %v", n.Load(), err)
	}
	linked := t.TempDir()
	if err := os.Symlink(one[0], filepath.Join(linked, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Files(t.Context(), linked, 2, count); err == nil || !strings.Contains(err.Error(), "link is a symbolic link") {
		t.Errorf("a link out of the folder must not be left out silently: %v", err)
	}
	empty := t.TempDir()
	if err := Files(t.Context(), empty, 2, count); !errors.Is(err, source.ErrNotFound) || !strings.Contains(err.Error(), empty) {
		t.Errorf("empty folder: %v", err)
	}
	if err := Files(t.Context(), filepath.Join(empty, "missing"), 2, count); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Files(ctx, root, 2, count); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Searches run while the folder is scanned again.
func TestConcurrentUse(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, root, studyA, seriesA, 10)
	x := open(t, root, t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if _, n := x.FindInstances(source.Query{Modality: "CT"}, 100); n != 10 {
					t.Errorf("%d instances", n)
				}
			}
		})
	}
	for i := range 3 {
		sourcetest.WriteSeries(t, filepath.Join(root, "new", fmt.Sprint(i)), studyA, seriesA, 10) // doubled: no change
		if err := x.Rescan(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if st := x.Stats(); st.Instances != 10 || st.Problems != 30 {
		t.Errorf("stats %+v", st)
	}
}

// manyStudies is a cached index of 10,000 files in 2,000 studies whose files exist, but are empty: only the cache
// says what they are.
func manyStudies(b *testing.B) (root, cache string) {
	root, cache = b.TempDir(), b.TempDir()
	x, err := Open(b.Context(), root, cache, quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	var files []*catalog.File
	for i := range 10_000 {
		study, n := i/5, i%5
		name := fmt.Sprintf("%04d/%d", study, n)
		sourcetest.WriteBytes(b, filepath.Join(root, filepath.FromSlash(name)), nil)
		files = append(files, &catalog.File{Path: name, ModTime: sourcetest.Old.UnixNano(),
			Study: &source.StudyAttributes{StudyInstanceUID: fmt.Sprintf("1.2.840.113619.2.55.3.%d", study),
				PatientName: fmt.Sprintf("Name%d^Given", study), PatientID: fmt.Sprint(study), StudyDate: fmt.Sprint(20200101 + study%28)},
			Series: &source.SeriesAttributes{SeriesInstanceUID: fmt.Sprintf("1.2.840.113619.2.55.3.%d.1", study), Modality: "CT"},
			Instance: &source.Instance{SOPInstanceUID: fmt.Sprintf("1.2.840.113619.2.55.3.%d.1.%d", study, n), Number: n, Rows: 512, Columns: 512,
				Frames: 1, Position: &[3]float64{0, 0, float64(n)}, Orientation: &[6]float64{1, 0, 0, 0, 1, 0}, Spacing: &[2]float64{1, 1}}})
	}
	t := catalog.NewTables()
	for _, f := range files {
		t.Intern(f)
	}
	if err := saveCache(x.cache, x.path, files); err != nil {
		b.Fatal(err)
	}
	return root, cache
}

// BenchmarkRestart is how long a restart takes with 10,000 files that are known.
func BenchmarkRestart(b *testing.B) {
	root, cache := manyStudies(b)
	var reads atomic.Int64
	for b.Loop() {
		x, err := Open(b.Context(), root, cache, quiet, counting(&reads))
		if err != nil {
			b.Fatal(err)
		}
		if st := x.Stats(); st.Instances != 10_000 || st.Studies != 2000 || reads.Load() != 0 {
			b.Fatalf("%+v, %d reads", st, reads.Load())
		}
		x.Close()
	}
}

// BenchmarkSearch is how long the first page of a search in 2,000 studies takes.
func BenchmarkSearch(b *testing.B) {
	root, cache := manyStudies(b)
	x, err := Open(b.Context(), root, cache, quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	for b.Loop() {
		if s, n := x.Studies(source.Query{PatientName: "*9*", Text: "ct", Limit: 50}); len(s) != 50 || n < 500 {
			b.Fatal(len(s), n)
		}
	}
}
