package cache_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	stdslices "slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render/cpu"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// diskCache is a cache over a folder, for the length of run; what it began to write is there when it has been closed.
func diskCache(t *testing.T, dir string, most int64, run func(*cache.Cache)) {
	t.Helper()
	renderer := cpu.New()
	defer renderer.Close()
	c := newCache(t, cache.Config{Renderer: renderer, MaxBytes: 1 << 20, Dir: dir, MaxDiskBytes: most})
	defer c.Close()
	run(c)
}

func (s *site) openIn(t *testing.T, c *cache.Cache, r cache.Request) *cache.Series {
	t.Helper()
	got, err := c.Open(t.Context(), r, cache.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// stored waits until n files lie in a folder, and returns them.
func stored(t *testing.T, dir string, n int) (files []string) {
	t.Helper()
	until(t, fmt.Sprintf("%d files in the folder", n), func() bool {
		files, _ = filepath.Glob(filepath.Join(dir, "*.volume"))
		return len(files) == n
	})
	return files
}

// kept waits until the one file of a folder is as it was before.
func kept(t *testing.T, dir string, raw []byte) {
	t.Helper()
	until(t, "the volume to be kept anew", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*.volume"))
		if len(files) != 1 {
			return false
		}
		again, err := os.ReadFile(files[0])
		return err == nil && bytes.Equal(again, raw)
	})
}

// until waits for what no event tells of.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestDisk(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	dir := filepath.Join(t.TempDir(), "volumes")
	var before signaling.SeriesInfo
	diskCache(t, dir, 1<<20, func(c *cache.Cache) {
		got := s.openIn(t, c, s.request(1))
		before = got.Info
		got.Release()
		own := s.request(2)
		own.Owner = "session"
		s.openIn(t, c, own).Release()
		name := filepath.Base(stored(t, dir, 1)[0])
		if bytes.Contains([]byte(name), []byte("1.2.3")) {
			t.Errorf("the name %s tells what it is", name)
		}
	})
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v", path, st.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	fetched := s.fetches.Load()
	diskCache(t, dir, 1<<20, func(c *cache.Cache) {
		if v := c.Volumes(); len(v) != 1 || v[0] != signaling.VolumeKey(signaling.SeriesRef{Source: "test", StudyInstanceUID: study, SeriesInstanceUID: series(1)}) {
			t.Errorf("volumes %v", v)
		}
		got := s.openIn(t, c, s.request(1))
		defer got.Release()
		if !whole(got) || got.Info.PatientName != before.PatientName || got.Info.Center != before.Center || got.Volume.Min != before.Min {
			t.Errorf("from the disk: %+v", got.Info)
		}
		if n := s.fetches.Load(); n != fetched {
			t.Errorf("%d files were fetched though the volume lies on the disk", n-fetched)
		}
		// Its only part by its number is the same.
		part := s.request(1)
		part.Ref.Part = 1
		again := s.openIn(t, c, part)
		defer again.Release()
		if again.Volume != got.Volume {
			t.Error("part 1 of one part is another volume")
		}
	})
	diskCache(t, dir, 0, func(c *cache.Cache) { stored(t, dir, 0) }) // no room any more: wiped
}

// What is damaged on the disk is fetched again, and the file is gone.
func TestDiskDamaged(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	for name, damage := range map[string]func([]byte) []byte{
		"voxel":  func(b []byte) []byte { b[len(b)-7] ^= 1; return b },
		"header": func(b []byte) []byte { b[100] ^= 1; return b },
		"length": func(b []byte) []byte { b[8], b[11] = 0xff, 0xff; return b },
		"cut":    func(b []byte) []byte { return b[:len(b)-1] },
		"longer": func(b []byte) []byte { return append(b, 0) },
		"empty":  func([]byte) []byte { return nil },
		"magic":  func(b []byte) []byte { b[0] = 'X'; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			var file string
			diskCache(t, dir, 1<<20, func(c *cache.Cache) {
				s.openIn(t, c, s.request(1)).Release()
				file = stored(t, dir, 1)[0]
			})
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(bytes.Clone(raw)), 0o600); err != nil {
				t.Fatal(err)
			}
			fetched := s.fetches.Load()
			diskCache(t, dir, 1<<20, func(c *cache.Cache) {
				got := s.openIn(t, c, s.request(1))
				defer got.Release()
				if !whole(got) || s.fetches.Load() != fetched+slices {
					t.Errorf("whole %v after %d files", whole(got), s.fetches.Load()-fetched)
				}
				kept(t, dir, raw)
			})
		})
	}
}

func TestDiskBounds(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	dir := filepath.Join(t.TempDir(), "volumes")
	var one int64
	diskCache(t, dir, 1<<20, func(c *cache.Cache) {
		s.openIn(t, c, s.request(1)).Release()
		st, err := os.Stat(stored(t, dir, 1)[0])
		if err != nil {
			t.Fatal(err)
		}
		one = st.Size()
	})
	diskCache(t, dir, 2*one+one/2, func(c *cache.Cache) {
		s.openIn(t, c, s.request(2)).Release()
		stored(t, dir, 2)
		s.openIn(t, c, s.request(1)).Release() // 2 was used least recently now
		old := stored(t, dir, 2)
		s.openIn(t, c, s.request(3)).Release()
		until(t, "the third to take a place", func() bool { return !stdslices.Equal(stored(t, dir, 2), old) })
	})
	fetched := s.fetches.Load()
	diskCache(t, dir, 2*one+one/2, func(c *cache.Cache) {
		stored(t, dir, 2)
		s.openIn(t, c, s.request(1)).Release()
		s.openIn(t, c, s.request(3)).Release()
		if n := s.fetches.Load(); n != fetched {
			t.Errorf("%d files were fetched of what was used last", n-fetched)
		}
	})
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.New(cache.Config{Dir: open, MaxDiskBytes: 1}); err == nil {
		t.Error("a folder that others may read is taken")
	}
}

// A series that has changed at its source is loaded anew.
func TestChangedSeries(t *testing.T) {
	s := newSite(t, 1<<20, nil)
	first := s.open(t, 1)
	defer first.Release()
	sourcetest.Write(t, filepath.Join(s.root, "1", "more"), sourcetest.Slice(study, series(1), slices+1))
	if err := s.index.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := s.open(t, 1)
	defer second.Release()
	if second.Volume == first.Volume || second.Volume.Size[2] != slices+1 || !whole(first) {
		t.Errorf("the changed series has %v", second.Volume.Size)
	}
	unnamed := s.get(t, cache.Request{From: s.from, Ref: signaling.SeriesRef{StudyInstanceUID: study}, Name: "test"})
	defer unnamed.Release()
	if unnamed.Volume != second.Volume {
		t.Error("the same series opened without its UID is another volume")
	}
}

// A series of images comes as images, with what is left of it said.
func TestImagesInsteadOfAVolume(t *testing.T) {
	s := newSite(t, 1<<20, func(root string) {
		for k := range 2 {
			d := sourcetest.Slice(study, series(8), k+1)
			d.Delete(dicom.ImagePositionPatient)
			d.Delete(dicom.ImageOrientationPatient)
			d.SetString(dicom.Modality, dicom.CS, "CR")
			d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.1")
			sourcetest.Write(t, filepath.Join(root, "cr", string(rune('a'+k))), d)
		}
	})
	got := s.open(t, 8)
	defer got.Release()
	if got.Images == nil || got.Images.Len() != 2 || got.Volume != nil || got.Info.Images != 2 || got.Info.Why == "" || got.Info.Series.Source != "test" {
		t.Errorf("got %+v", got.Info)
	}
}

func TestReserveAndForget(t *testing.T) {
	s := newSite(t, 2*size, nil)
	own := s.request(1)
	own.Owner = "session"
	got, shared := s.get(t, own), s.open(t, 1)
	if got.Volume == shared.Volume {
		t.Error("what a session owns is shared")
	}
	shared.Release()
	release, err := s.Reserve(t.Context(), size) // the shared one goes
	if err != nil || shared.Volume.Raw() != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), 1); err == nil {
		t.Error("more room than there is")
	}
	release()
	s.Forget("session")
	if !whole(got) {
		t.Error("a series in use was wiped")
	}
	got.Release()
	if got.Volume.Raw() != nil {
		t.Error("it stayed after its owner was forgotten")
	}
	if n := len(s.Volumes()); n != 0 {
		t.Errorf("%d volumes are left", n)
	}
	if err := s.Prefetch(t.Context(), s.request(3)); err != nil {
		t.Fatal(err)
	}
	fetched := s.fetches.Load()
	s.open(t, 3).Release()
	if s.fetches.Load() != fetched || len(s.Volumes()) != 1 {
		t.Error("what was fetched ahead was fetched again")
	}
}
