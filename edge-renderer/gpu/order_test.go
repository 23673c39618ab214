//go:build egl

package gpu

import (
	"context"
	"os"
	"slices"
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
	first := &job{context.Background(), func() error { close(running); <-goOn; return nil }, make(chan error, 1)}
	d.queues[Interactive] <- first
	<-running
	var order []Priority // written on the device's thread alone
	var waiting []*job
	for _, p := range []Priority{Background, Background, Interactive, Interactive} {
		j := &job{context.Background(), func() error { order = append(order, p); return nil }, make(chan error, 1)}
		waiting = append(waiting, j)
		d.queues[p] <- j
	}
	close(goOn)
	for _, j := range waiting {
		if err := <-j.done; err != nil {
			t.Error(err)
		}
	}
	if want := []Priority{Interactive, Interactive, Background, Background}; !slices.Equal(order, want) {
		t.Errorf("the jobs ran in the order %v, want %v", order, want)
	}
}
