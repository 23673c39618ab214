package defrag_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/defrag/migrator"
	"github.com/tomocast/tomocast/cloud-broker/defrag/nodemonitor"
)

// BenchmarkLook is a look at the conditions over 100,000 nodes.
func BenchmarkLook(b *testing.B) {
	now := begin
	p := newPool(func() time.Time { return now })
	d, err := defrag.New(defrag.Default(), defrag.Outside{Queue: p, Tasks: p, Chooser: p, Reserver: p, Predictor: p})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		n := migrator.Node{ID: nodeID(fmt.Sprint("n", i)), Takes: true, Free: gpu(int64(i % 400))}
		for range 3 {
			now = now.Add(time.Microsecond)
			if err := d.Monitor.Note(nodemonitor.State{Node: n, Total: gpu(1000), Use: 0.7}, now); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		now = now.Add(30 * time.Second)
		d.Step(ctx, now)
	}
}
