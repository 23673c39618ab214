package dicomweb

import (
	"os/exec"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/study"
)

func TestZZAdhoc(t *testing.T) {
	_ = exec.Command
	c, st, se := orthancChest(t)
	for range 3 {
		t0 := time.Now()
		r, err := study.Build(t.Context(), c.Source(st, se), study.Options{Preview: func(r *study.Result) {
			t.Log("preview", r.Volume.Size, time.Since(t0))
			r.Free()
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Log("whole", r.Volume.Size, time.Since(t0), r.Warnings)
		r.Free()
	}
}
