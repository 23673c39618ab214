package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// diary is a Handler that writes down what it is told.
type diary struct{ entries []string }

func (d *diary) note(format string, args ...any) {
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) PeerConnected()              { d.note("up") }
func (d *diary) PeerDisconnected()           { d.note("down") }
func (d *diary) PeerClosed(reason error)     { d.note("closed %v", reason) }
func (d *diary) Input(in signaling.Input)    { d.note("input %d", in.Seq) }
func (d *diary) Request(r signaling.Request) { d.note("request %d", r.ID) }
func (d *diary) KeyFrameWanted()             { d.note("key") }
func (d *diary) BitrateEstimate(bps int)     { d.note("bitrate %d", bps) }

func TestMailboxKeepsOrderAndCoalesces(t *testing.T) {
	m, d := newMailbox(), &diary{}
	m.putInput(signaling.Input{Seq: 1})
	m.putRequest(signaling.Request{ID: 2}, nil)
	m.putInput(signaling.Input{Seq: 3})
	m.wantKeyFrame()
	m.wantKeyFrame()
	m.setBitrate(5)
	m.setBitrate(6)
	m.setUp(true)
	m.setUp(false)
	m.setUp(true)
	m.close(errors.New("over"), false)
	m.close(errors.New("again"), false)
	m.putInput(signaling.Input{Seq: 4})
	m.putRequest(signaling.Request{ID: 5}, nil)
	m.deliver(d)
	want := []string{"up", "key", "bitrate 6", "input 1", "request 2", "input 3", "closed over"}
	if !slices.Equal(d.entries, want) {
		t.Errorf("%q, want %q", d.entries, want)
	}
}

func TestMailboxIsBounded(t *testing.T) {
	m, d := newMailbox(), &diary{}
	m.putRequest(signaling.Request{ID: 9}, nil)
	for seq := range uint64(maxInputs + 10) {
		m.putInput(signaling.Input{Seq: seq})
	}
	if len(m.queue) != maxInputs+1 || m.droppedInputs() != 10 {
		t.Errorf("%d wait, %d dropped", len(m.queue), m.droppedInputs())
	}
	done := make(chan struct{})
	for id := range uint64(maxRequests - 1) {
		m.putRequest(signaling.Request{ID: id}, done)
	}
	close(done)
	m.putRequest(signaling.Request{ID: 1}, done) // returns, as the peer is closed
	if m.requests != maxRequests {
		t.Errorf("%d requests wait", m.requests)
	}
	m.close(errors.New("over"), true)
	m.deliver(d)
	if !slices.Equal(d.entries, []string{"closed over"}) {
		t.Errorf("after a close that discards: %q", d.entries)
	}
}
