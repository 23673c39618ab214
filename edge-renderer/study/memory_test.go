package study_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// generated is a series of n slices of 512x512 that are made when they are asked for, so that it takes no memory.
type generated struct {
	n          int
	ownRescale bool
	silent     bool // announces nothing
	failAt     int  // how many slices come before the source fails; 0: it does not
	phases     int  // time points; 0 is one
	vary       bool // steps of 1 and 2 mm in turn
}

func (g *generated) slice(k int) *dicom.Dataset {
	d := sourcetest.Slice(studyUID, seriesUID, k)
	d.SetInts(dicom.Rows, dicom.US, 512)
	d.SetInts(dicom.Columns, dicom.US, 512)
	at := k
	if g.phases > 0 {
		at = k % (g.n / g.phases)
		d.SetInts(dicom.TemporalPositionID, dicom.IS, 1+k/(g.n/g.phases))
	}
	z := 2.5 * float64(at)
	if g.vary {
		z = float64(3*(at/2) + at%2)
	}
	d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, z)
	if g.ownRescale {
		d.SetFloats(dicom.RescaleSlope, dicom.DS, float64(k+1))
	}
	return d
}

func (g *generated) Instances(context.Context) ([]source.Instance, error) {
	if g.silent {
		return nil, nil
	}
	list := make([]source.Instance, g.n)
	for k := range list {
		list[k] = listed(g.slice(k))
	}
	return list, nil
}

func (g *generated) Each(_ context.Context, workers int, fn func(source.Object) error) error {
	order := make([]int, g.n)
	for k := range order {
		order[k] = k
	}
	return g.give(workers, order, fn)
}

func (g *generated) give(workers int, order []int, fn func(source.Object) error) error {
	work := make(chan int)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			px := make([]byte, 512*512*2)
			for k := range work {
				for i := 0; i < len(px); i += 2 {
					binary.LittleEndian.PutUint16(px[i:], uint16(k+i))
				}
				d := g.slice(k)
				d.SetBytes(dicom.PixelData, dicom.OW, px)
				var b bytes.Buffer
				if errs[w] = errors.Join(errs[w], dicom.Write(&b, d)); errs[w] != nil {
					continue
				}
				if err := fn(source.Object{Name: fmt.Sprint(k), Data: b.Bytes()}); err != nil {
					errs[w] = err
				}
			}
		})
	}
	for i, k := range order {
		if g.failAt > 0 && i >= g.failAt {
			break
		}
		work <- k
	}
	close(work)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if g.failAt > 0 {
		return source.ErrIncomplete
	}
	return nil
}

// Fetch makes the slices in the order asked for.
func (g *generated) Fetch(_ context.Context, workers int, uids []string, fn func(source.Object) error) error {
	order := make([]int, len(uids))
	for i, uid := range uids {
		if _, err := fmt.Sscanf(uid, seriesUID+".%d", &order[i]); err != nil {
			return source.ErrNotFound
		}
	}
	return g.give(workers, order, fn)
}

const peakEnv = "TOMOCAST_TEST_PEAK"

var peakCases = map[string]struct {
	series generated
	fails  bool
	volume int // MiB that the volume has, or was announced to have
}{
	"announced":               {generated{n: 400}, false, 200},
	"not announced":           {generated{n: 400, silent: true}, false, 200},
	"rescale values for each": {generated{n: 200, ownRescale: true}, false, 200},
	"4D":                      {generated{n: 400, phases: 4}, false, 200},
	"4D, not announced":       {generated{n: 400, phases: 4, silent: true}, false, 200},
	"steps vary":              {generated{n: 300, vary: true}, false, 224},
	"source fails at once":    {generated{n: 4000, failAt: 1}, true, 0},
}

// TestPeakMemory loads in a process of its own, whose largest resident size is at most one and a half times the volume
// and 200 MiB: a series never stands in memory twice. What was only reserved is never touched.
func TestPeakMemory(t *testing.T) {
	if name := os.Getenv(peakEnv); name != "" {
		c := peakCases[name]
		peak(t, func(ctx context.Context) (*study.Result, error) {
			r, err := study.Build(ctx, &c.series, study.Options{Workers: 2, Preview: func(r *study.Result) { r.Free() }})
			if c.fails && err != nil {
				return nil, nil
			}
			return r, err
		})
		return
	}
	skipPeak(t)
	for name, c := range peakCases {
		volume, most := peakOf(t, "TestPeakMemory", peakEnv+"="+name)
		t.Logf("%s: %d MiB of voxels, at most %d MiB resident", name, volume, most)
		if limit := c.volume*3/2 + 200; volume != c.volume || most > limit {
			t.Errorf("%s: %d MiB of voxels, want %d; %d MiB were resident, more than %d", name, volume, c.volume, most, limit)
		}
	}
}

// skipPeak skips where the resident size says nothing.
func skipPeak(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				t.Skip("the race detector takes memory of its own")
			}
		}
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc to read the resident size from")
	}
}

// peakOf runs a test in a process of its own, which ends with peak, and returns the sizes of its voxels and of its
// largest resident set, MiB.
func peakOf(t *testing.T, test string, env ...string) (volume, most int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS=2"), env...)
	out, err := cmd.CombinedOutput()
	_, rest, _ := strings.Cut(string(out), "peak: ")
	if _, scanErr := fmt.Sscan(rest, &volume, &most); err != nil || scanErr != nil {
		t.Fatalf("%v: %v\n%s", env, err, out)
	}
	return volume, most
}

// peak builds volumes, which may be none, frees them and tells peakOf.
func peak(t *testing.T, build func(context.Context) (*study.Result, error)) {
	r, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	volume := 0
	if r != nil {
		volume = r.Volume.Bytes() * max(1, len(r.Phases)) >> 20
		r.Free()
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	most := 0
	if _, err := fmt.Sscan(rest, &most); err != nil {
		t.Fatal(err)
	}
	fmt.Println("peak:", volume, most>>10)
}

// Series that are refused give back all that was reserved for them.
func TestRefusalsGiveBack(t *testing.T) {
	size := func() (kib int) {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip("there is no /proc to read the size from")
		}
		_, rest, _ := strings.Cut(string(status), "VmSize:")
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			t.Fatal(err)
		}
		return kib
	}
	before := size()
	for range 50 {
		if _, err := study.Build(t.Context(), &generated{n: 1000, failAt: 1}, study.Options{Workers: 1}); err == nil {
			t.Fatal("no error")
		}
	}
	if grown := (size() - before) >> 10; grown > 2000 { // each reserves 500 MiB
		t.Errorf("the process has grown by %d MiB", grown)
	}
}
