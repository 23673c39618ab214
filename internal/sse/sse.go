// Package sse reads and writes server-sent events (WHATWG HTML section 9.2): what a stream of the type
// text/event-stream is made of.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of a stream of events.
const ContentType = "text/event-stream"

// Event is one event. Data has no line feed at its end.
type Event struct {
	Name string // "message" where the stream names none
	Data []byte
}

// ErrTooLarge says that an event has more data than a reader takes.
var ErrTooLarge = errors.New("an event is too large")

// Reader reads the events of a stream.
type Reader struct {
	lines *bufio.Scanner
	most  int
	first bool
	// Retry is what the server last asked its clients to wait before they come back; 0 where it did not.
	Retry time.Duration
}

// NewReader returns a Reader of r that takes events of at most so many bytes of data.
func NewReader(r io.Reader, most int) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, min(4<<10, most)), most+len("data: ")+2)
	lines.Split(splitLines)
	return &Reader{lines: lines, most: most, first: true}
}

// Next waits for the next event. Comments are passed over, and so is an event that the stream ends within. The error at
// its end is io.EOF.
func (r *Reader) Next() (Event, error) {
	e := Event{Name: "message"}
	some := false
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if r.first {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
			r.first = false
		}
		if len(line) == 0 {
			if some {
				return e, nil
			}
			e = Event{Name: "message"}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			if e.Name = string(value); e.Name == "" {
				e.Name = "message"
			}
		case "data":
			if len(e.Data)+1+len(value) > r.most+1 {
				return Event{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, r.most)
			}
			if some {
				e.Data = append(e.Data, '\n')
			}
			e.Data = append(e.Data, value...)
			some = true
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				r.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	err := r.lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return Event{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, r.most)
	case err != nil:
		return Event{}, fmt.Errorf("read events: %w", err)
	}
	return Event{}, io.EOF
}

// Alive returns r, of which every read puts timer off until within later: a stream that is silent for longer than its comments
// are apart has nobody at its other end.
func Alive(r io.Reader, timer *time.Timer, within time.Duration) io.Reader {
	return alive{r, timer, within}
}

type alive struct {
	io.Reader
	timer  *time.Timer
	within time.Duration
}

func (a alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	a.timer.Reset(a.within)
	return n, err
}

// splitLines is a bufio.SplitFunc for lines that end with a line feed, a carriage return, or both. What follows the last
// end of a line is left out: the stream ended within it.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF:
		return len(data), nil, nil
	case i < 0:
		return 0, nil, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i+1 < len(data) || atEOF:
		return i + 1, data[:i], nil
	}
	return 0, nil, nil // the line feed may still come
}

// Append appends an event to b as it goes over the wire. A line of data is a line there, too.
func Append(b []byte, name string, data []byte) []byte {
	b = append(b, "event: "...)
	b = append(b, strings.NewReplacer("\r", " ", "\n", " ").Replace(name)...)
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		b = append(b, "\ndata: "...)
		b = append(b, line...)
	}
	return append(b, "\n\n"...)
}
