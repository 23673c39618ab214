package scale_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/nodetime"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/scale/monitor"
	"github.com/tomocast/tomocast/cloud-broker/scale/order"
	"github.com/tomocast/tomocast/signaling"
)

// BenchmarkLook is a look at the use of 10,000 tasks that are neither shrunk nor expanded, after ten minutes of measurements
// every five seconds.
func BenchmarkLook(b *testing.B) {
	c := scale.Default()
	c.Scaler.Every = time.Nanosecond
	s, err := scale.New(c, scale.Outside{})
	if err != nil {
		b.Fatal(err)
	}
	a := nodetime.Amounts{1000, 1000, 1, 1000, 1024, 4, 30_000}
	rates := monitor.Rates{700, 700, 1, 700, 700, 3, 20_000}
	for i := range 10_000 {
		id := signaling.TaskID(fmt.Sprint("t-", i))
		if err := s.Begin(order.Task{ID: id, Node: "n", Request: a, Has: a, Started: begin, Predicted: time.Hour}); err != nil {
			b.Fatal(err)
		}
		for at := 5 * time.Second; at <= 10*time.Minute; at += 5 * time.Second {
			if err := s.Note(id, rates, begin.Add(at)); err != nil {
				b.Fatal(err)
			}
		}
	}
	now := begin.Add(10 * time.Minute)
	for b.Loop() {
		s.Step(context.Background(), now)
		now = now.Add(time.Microsecond) // the measurements stay in the window
	}
}
