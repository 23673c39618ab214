package terminal

import (
	"bytes"
	"testing"
)

// FuzzServerEvents: whatever a stream holds, reading it ends, and no event is larger than allowed.
func FuzzServerEvents(f *testing.F) {
	for _, s := range []string{"event: a\ndata: b\n\n", "data\n\n", ":\r\n\r\n", "data: x\r\ndata: y\r\n\r\n", "event\n\ndata:\n\n", "\xff\x00\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := newServerEvents(bytes.NewReader(stream), func() {})
		for events := 0; ; events++ {
			_, data, err := s.next()
			if err != nil {
				return
			}
			if len(data) > maxEvent || events > len(stream) {
				t.Fatalf("event %d has %d bytes", events, len(data))
			}
		}
	})
}
