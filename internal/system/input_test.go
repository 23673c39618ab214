package system

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// odd are series with something wrong, each with what becomes of it.
var odd = []struct {
	name  string
	write func(t *testing.T, dir, series string)
	// refused says that the broker knows from the headers that there is nothing to show, code that the edge finds it out.
	refused bool
	code    signaling.ProblemCode
	words   []string // of the refusal
	// opened looks at what a series that can be shown is said to be.
	opened func(t *testing.T, info signaling.SeriesInfo)
}{
	{name: "a truncated slice",
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, small, nil)
			data, err := os.ReadFile(sliceFile(dir, 7))
			if err != nil {
				t.Fatal(err)
			}
			sourcetest.WriteBytes(t, sliceFile(dir, 7), data[:len(data)-1000])
		},
		opened: func(t *testing.T, info signaling.SeriesInfo) {
			if info.LeftOutCount != 1 || len(info.LeftOut) != 1 || !strings.Contains(info.LeftOut[0].Reason, "bytes") {
				t.Errorf("left out: %+v", info.LeftOut)
			}
			warned(t, info, "1 slice", "missing", "mm")
			if info.Size != small {
				t.Errorf("size %v", info.Size)
			}
		}},
	{name: "slices that no codec can read", code: signaling.ProblemUnreadable, words: []string{"JPEG 2000"},
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, small, func(_ int, d *dicom.Dataset) *dicom.Dataset {
				d.TransferSyntax = "1.2.840.10008.1.2.4.90"
				for i := range d.Elements {
					if e := &d.Elements[i]; e.Tag == dicom.PixelData {
						e.VR, e.Value, e.Fragments = dicom.OB, nil, [][]byte{{}, bytes.Repeat([]byte{0xFF, 0x4F}, 500)}
					}
				}
				return d
			})
		}},
	{name: "a missing slice",
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, small, func(k int, d *dicom.Dataset) *dicom.Dataset {
				if k == 9 {
					return nil
				}
				return d
			})
		},
		opened: func(t *testing.T, info signaling.SeriesInfo) { warned(t, info, "1 slice", "missing", "mm") }},
	{name: "two slices at one place",
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, small, nil)
			d := slice(badUID, series, small, 5)
			d.SetString(dicom.SOPInstanceUID, dicom.UI, series+".999")
			sourcetest.Write(t, filepath.Join(dir, "again"), d)
		},
		opened: func(t *testing.T, info signaling.SeriesInfo) {
			if info.Size != small || len(info.Warnings) == 0 {
				t.Errorf("size %v, warnings %+v", info.Size, info.Warnings)
			}
		}},
	{name: "slices of two sizes",
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, small, func(k int, d *dicom.Dataset) *dicom.Dataset {
				if k == 23 {
					return slice(badUID, series, size{32, 32, small[2]}, k)
				}
				return d
			})
		},
		opened: func(t *testing.T, info signaling.SeriesInfo) {
			if len(info.Parts) != 2 || info.Series.Part != 1 || info.Size != [3]int{48, 40, 23} || info.Parts[1].Volume {
				t.Errorf("size %v, part %d of %+v", info.Size, info.Series.Part, info.Parts)
			}
		}},
	{name: "a single image",
		write: func(t *testing.T, dir, series string) {
			writeSeries(t, dir, badUID, series, size{64, 64, 1}, nil)
		},
		opened: func(t *testing.T, info signaling.SeriesInfo) {
			if info.Images != 1 || info.Why == "" {
				t.Errorf("%d images, because %q", info.Images, info.Why)
			}
		}},
	{name: "a structured report", refused: true, code: signaling.ProblemNotAVolume, words: []string{"report"},
		write: func(t *testing.T, dir, series string) {
			d := slice(badUID, series, small, 0)
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.88.11") // Basic Text SR (PS3.4 B.5)
			d.SetString(dicom.Modality, dicom.CS, "SR")
			var kept []dicom.Element
			for _, e := range d.Elements {
				if e.Tag < dicom.SamplesPerPixel && e.Tag != dicom.ImagePositionPatient && e.Tag != dicom.ImageOrientationPatient {
					kept = append(kept, e)
				}
			}
			d.Elements = kept
			sourcetest.Write(t, filepath.Join(dir, "report"), d)
		}},
}

// warned says that one of the warnings has all words.
func warned(t *testing.T, info signaling.SeriesInfo, words ...string) {
	t.Helper()
	for _, w := range info.Warnings {
		all := true
		for _, word := range words {
			all = all && strings.Contains(w.Text, word)
		}
		if all {
			return
		}
	}
	t.Errorf("no warning says %q: %+v", words, info.Warnings)
}

// TestOddSeries opens each of the odd series beside a session that goes on: what can be shown is shown and says what is
// wrong with it, the rest is refused in words.
func TestOddSeries(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	series := func(i int) string { return badUID + "." + string(rune('1'+i)) }
	for i, f := range odd {
		f.write(t, filepath.Join(dir, "bad", string(rune('a'+i))), series(i))
	}
	s := start(t, "--studies", dir)
	e := s.edge("near")
	witness := s.open()
	for i, f := range odd {
		ref := signaling.SeriesRef{StudyInstanceUID: badUID, SeriesInstanceUID: series(i)}
		t.Run(f.name, func(t *testing.T) {
			s := *s
			s.t = t
			switch {
			case f.refused:
				s.refused(rendering(ref), f.code, f.words...)
			case f.opened != nil:
				g := s.submit(rendering(ref))
				x := s.connect(g, terminal.Options{})
				f.opened(t, x.info)
				x.still()
				if err := x.Finish(s.ctx); err != nil {
					t.Error(err)
				}
				s.becomes(g.Task, signaling.TaskFinished)
			default:
				g := s.submit(rendering(ref))
				p := s.dial(g, terminal.Options{}).ending()
				wantProblem(t, p, f.code, f.words...)
				if task := s.becomes(g.Task, signaling.TaskFailed); task.Reason == "" {
					t.Errorf("%+v", task)
				}
			}
		})
	}
	witness.move()
	if !e.lives() || !s.broker.lives() {
		t.Error("a program has ended")
	}
	if err := witness.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("near")
}

// TestVolumeLargerThanTheMemoryAllowed has an edge with 1 GiB for volumes, and a series that says it is larger, in a request
// that claims less than it needs.
func TestVolumeLargerThanTheMemoryAllowed(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	writeSeries(t, filepath.Join(dir, "large"), badUID, badUID+".1", size{16, 16, 40}, func(_ int, d *dicom.Dataset) *dicom.Dataset {
		d.SetInts(dicom.Rows, dicom.US, 4096) // 1.25 GiB of voxels, which nobody needs to have to know that they are too many
		d.SetInts(dicom.Columns, dicom.US, 4096)
		return d
	})
	s := start(t, "--studies", dir)
	s.edge("little", "--volume-memory", "1024")
	modest := func(ref signaling.SeriesRef) signaling.TaskRequest {
		r := rendering(ref)
		r.Resources = &signaling.Resources{CPUMilli: 100, GPUMemoryMB: 1, MemoryMB: 1}
		return r
	}
	witness := s.connect(s.submit(modest(chest)), terminal.Options{})
	g := s.submit(modest(signaling.SeriesRef{StudyInstanceUID: badUID}))
	p := s.dial(g, terminal.Options{}).ending()
	wantProblem(t, p, signaling.ProblemTooLarge, "1280", "1024", "--volume-memory")
	s.becomes(g.Task, signaling.TaskFailed)
	witness.move()
}

// TestFolderWithoutStudies: a folder that holds no DICOM is served as an empty list, one that is not there is refused.
func TestFolderWithoutStudies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sourcetest.WriteBytes(t, filepath.Join(dir, "letter.txt"), []byte("no DICOM\n"))
	sourcetest.WriteBytes(t, filepath.Join(dir, "empty"), nil)
	s := start(t, "--studies", dir)
	s.broker.says(`level=WARN msg="there are no studies in the folder`)
	found := get[struct {
		Studies []source.StudySummary
		Total   int
	}](s, "/studies")
	if found.Total != 0 || found.Studies == nil || len(found.Studies) != 0 {
		t.Errorf("%+v", found)
	}
	s.edge("near")
	s.refused(rendering(chest), signaling.ProblemNotFound, "no such study", "list of studies")

	missing := filepath.Join(dir, "missing")
	_, errs, status := command(t, brokerProgram, nil, "--studies", missing, "--listen", "127.0.0.1:0", "--cache-dir", t.TempDir())
	if status != 1 || !strings.Contains(errs, missing) || !strings.Contains(errs, "existing folder") {
		t.Errorf("status %d: %s", status, errs)
	}
	_, errs, status = command(t, edgeProgram, nil, "render", "--study", dir, "--out", filepath.Join(t.TempDir(), "x.png"), "--backend", "cpu")
	if status != 1 || !strings.Contains(errs, "no DICOM series") || !strings.Contains(errs, dir) {
		t.Errorf("render: status %d: %s", status, errs)
	}
	out, errs, status := command(t, edgeProgram, nil, "inspect", dir)
	if status != 0 || !strings.Contains(out, "letter.txt") {
		t.Errorf("inspect: status %d: %s%s", status, out, errs)
	}
}

// TestFilesThatAreNoDICOM stand beside a study and change nothing.
func TestFilesThatAreNoDICOM(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	for name, data := range map[string]string{"letter.txt": "no DICOM", "empty": "", "image.dcm": strings.Repeat("\x00", 128) + "DICM" + strings.Repeat("\xff", 60)} {
		sourcetest.WriteBytes(t, filepath.Join(dir, "chest", name), []byte(data))
	}
	s := start(t, "--studies", dir)
	s.edge("near")
	found := get[struct{ Studies []source.StudySummary }](s, "/studies").Studies
	if len(found) != 1 || found[0].InstanceCount != small[2] {
		t.Errorf("%+v", found)
	}
	s.open().move()
}

// TestUnknownStudies are refused by name, whoever asks for them and how.
func TestUnknownStudies(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	s.refused(rendering(signaling.SeriesRef{StudyInstanceUID: unknownUID}), signaling.ProblemNotFound, "no such study", "list of studies")
	s.refused(rendering(signaling.SeriesRef{StudyInstanceUID: studyUID, SeriesInstanceUID: unknownUID}), signaling.ProblemNotFound, "no such series")
	s.refused(rendering(signaling.SeriesRef{StudyInstanceUID: "../../etc"}), signaling.ProblemBadRequest, "no DICOM UID")
	s.refused(rendering(signaling.SeriesRef{Source: "http://elsewhere", StudyInstanceUID: studyUID}), signaling.ProblemNotFound, "source", "not configured")
	err := s.ask(http.MethodGet, "/studies/"+unknownUID+"/series", nil, nil)
	wantProblem(t, err, signaling.ProblemNotFound, "no such study")
	if n := s.node("near"); n.Free != n.Capacity {
		t.Errorf("free %+v of %+v", n.Free, n.Capacity)
	}
}
