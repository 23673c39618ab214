//go:build egl

package gpu

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Of the jobs that wait the interactive ones go first.
func TestInteractiveJobsGoFirst(t *testing.T) {
	d, err := Open()
	if err != nil {
		if os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer d.Close()
	running, goOn := make(chan struct{}), make(chan struct{})
	var jobs sync.WaitGroup
	do := func(p Priority, work func()) {
		waiting := d.line.Waiting()
		jobs.Go(func() {
			if err := d.Do(t.Context(), p, func() error { work(); return nil }); err != nil {
				t.Error(err)
			}
		})
		for d.line.Waiting() == waiting {
			runtime.Gosched()
		}
	}
	do(Interactive, func() { close(running); <-goOn })
	<-running
	var order []Priority // written on the device's thread alone
	for _, p := range []Priority{Background, Background, Interactive, Interactive} {
		do(p, func() { order = append(order, p) })
	}
	close(goOn)
	jobs.Wait()
	if want := []Priority{Interactive, Interactive, Background, Background}; !slices.Equal(order, want) {
		t.Errorf("the jobs ran in the order %v, want %v", order, want)
	}
}
