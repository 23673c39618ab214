package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func all(t testing.TB, r *Reader) (found []string, err error) {
	t.Helper()
	for {
		e, err := r.Next()
		if err != nil {
			return found, err
		}
		found = append(found, e.Name+"="+string(e.Data))
	}
}

// The examples of the standard are in here (section 9.2.6).
func TestStreams(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"nothing", "", nil},
		{"one", "event: grant\ndata: {}\n\n", []string{"grant={}"}},
		{"of several lines", "data: YHOO\ndata: +2\ndata: 10\n\n", []string{"message=YHOO\n+2\n10"}},
		{"comments, ids, no space", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			[]string{"message=first event", "message=second event", "message= third event"}},
		{"empty data", "data\n\ndata\ndata\n\ndata:", []string{"message=", "message=\n"}},
		{"a name without data is no event", "event: x\n\ndata: 1\n\n", []string{"message=1"}},
		{"ended within", "data: 1\n\ndata: 2\n", []string{"message=1"}},
		{"ended within a line", "data: 1\n\ndata: 2", []string{"message=1"}},
		{"other ends of lines", "\ufeffdata: 1\r\n\r\ndata: 2\r\rdata: 3\n\n", []string{"message=1", "message=2", "message=3"}},
		{"unknown fields", "colour: red\ndata: 1\nretry: soon\n\n", []string{"message=1"}},
	} {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(c.stream))} {
			if got, err := all(t, NewReader(r, 100)); !slices.Equal(got, c.want) || err != io.EOF {
				t.Errorf("%s, %s: %q, %v", c.name, how, got, err)
			}
		}
	}
	r := NewReader(strings.NewReader("retry: 2500\n\n"), 10)
	if _, err := r.Next(); err != io.EOF || r.Retry != 2500*time.Millisecond {
		t.Error(r.Retry, err)
	}
}

func TestLargeEventsAreRefused(t *testing.T) {
	for name, stream := range map[string]string{
		"a line":     "data: " + strings.Repeat("x", 200) + "\n\n",
		"many lines": strings.Repeat("data: xxxxxxxx\n", 20) + "\n",
		"a comment":  ":" + strings.Repeat("x", 200) + "\n\n",
	} {
		if got, err := all(t, NewReader(strings.NewReader(stream), 100)); !errors.Is(err, ErrTooLarge) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := all(t, NewReader(strings.NewReader("data: "+strings.Repeat("x", 100)+"\n\n"), 100)); err != io.EOF || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := NewReader(iotest.ErrReader(broken), 100).Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add("event: a\r\ndata: b\r\rdata\n\n:c\n\n", "name", []byte("a\nb"))
	f.Fuzz(func(t *testing.T, stream, name string, data []byte) {
		r := NewReader(strings.NewReader(stream), 64)
		for range len(stream) + 1 {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		// What is written is read again.
		if name == "" || strings.ContainsAny(name, "\r\n") || bytes.ContainsRune(data, '\r') {
			return
		}
		b := Append(nil, name, data)
		e, err := NewReader(bytes.NewReader(b), len(b)).Next()
		if err != nil || e.Name != name || !bytes.Equal(e.Data, data) {
			t.Errorf("%q: %q %q, %v", b, e.Name, e.Data, err)
		}
	})
}
