package cache

import (
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
)

// Previews wait for their time; the newest is handed out then, and none that is no longer needed.
func TestLatePreviews(t *testing.T) {
	preview := func() *study.Result {
		v, err := volume.New(volume.Geometry{Size: [3]int{2, 2, 2}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, volume.Int16, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		return &study.Result{Volume: v}
	}
	freed := func(r *study.Result) bool { return r.Volume.Raw() == nil }
	got := make(chan *study.Result, 4)
	to := func(r *study.Result) { got <- r }

	at := newLate(0, to)
	now := preview()
	at.put(now)
	if <-got != now {
		t.Error("without a time to wait it is handed out at once")
	}
	at.stop()

	soon := newLate(20*time.Millisecond, to)
	first, second := preview(), preview()
	soon.put(first)
	soon.put(second)
	if <-got != second || !freed(first) {
		t.Error("not the newest was handed out, or the older one was not freed")
	}
	third := preview()
	soon.put(third) // its time has come already
	if <-got != third {
		t.Error("a later one waits")
	}
	soon.stop()

	never := newLate(time.Hour, to)
	kept := preview()
	never.put(kept)
	never.stop()
	if !freed(kept) || len(got) > 0 {
		t.Error("one was handed out, or not freed, after the end")
	}
	for _, r := range []*study.Result{now, second, third} {
		r.Free()
	}
}
