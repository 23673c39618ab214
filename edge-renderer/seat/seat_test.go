package seat_test

import (
	"errors"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/seat"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/signaling"
)

// owner notes what a seat asks of its task.
type owner struct {
	opened int
	left   error
}

var errNoPorts = errors.New("no ports are left")

func (o *owner) Open() (*stream.Peer, error) { o.opened++; return nil, errNoPorts }
func (o *owner) Leave(reason error)          { o.left = reason }

// heard collects what a connection is sent.
type heard []signaling.Signal

func (h *heard) take(m signaling.Signal) { *h = append(*h, m) }

func (h *heard) last(t *testing.T) signaling.Signal {
	t.Helper()
	if len(*h) == 0 {
		t.Fatal("nothing was sent")
	}
	return (*h)[len(*h)-1]
}

func hello(resume string) signaling.Signal {
	return signaling.Signal{Type: signaling.SignalHello, Resume: resume}
}

func problemOf(m signaling.Signal) signaling.ProblemCode {
	if m.Type != signaling.SignalError || m.Problem == nil {
		return ""
	}
	return m.Problem.Code
}

var host = &signaling.TokenClaims{Role: signaling.RoleHost}

// A6: a task waits for one terminal only, which may come back with its secret; nobody else gets its place.
func TestA6OneTerminalHasThePlace(t *testing.T) {
	var s seat.Seat
	var first, second, guest heard
	servers := []signaling.ICEServer{{URLs: []string{"stun:stun.example"}}}
	s.Hello("g", &signaling.TokenClaims{Role: signaling.RoleGuest}, hello(""), servers, guest.take)
	if problemOf(guest.last(t)) != signaling.ProblemForbidden || s.Taken() {
		t.Errorf("a guest is told %+v", guest)
	}
	s.Hello("a", host, hello(""), servers, first.take)
	welcome := first.last(t)
	if welcome.Type != signaling.SignalWelcome || welcome.Resume == "" || welcome.Peer == "" || len(welcome.ICEServers) != 1 || !s.Taken() {
		t.Fatalf("welcome %+v", welcome)
	}
	for _, secret := range []string{"", "guessed"} {
		s.Hello("b", host, hello(secret), servers, second.take)
		if problemOf(second.last(t)) != signaling.ProblemSessionTaken {
			t.Errorf("another terminal is told %+v", second)
		}
	}
	s.Hello("c", host, hello(welcome.Resume), servers, second.take)
	if again := second.last(t); again.Type != signaling.SignalWelcome || again.Peer != welcome.Peer || again.Resume != welcome.Resume {
		t.Errorf("the terminal that comes back is told %+v", again)
	}
	// The connection that was replaced has no say any more.
	var o owner
	if err := s.Signal("a", signaling.Signal{Type: signaling.SignalOffer}, &o); err != nil || o.opened != 0 {
		t.Errorf("an offer of the old connection: %v, %d", err, o.opened)
	}
}

func TestSignalsAfterTheHello(t *testing.T) {
	var s seat.Seat
	var o owner
	var h heard
	if err := s.Signal("a", signaling.Signal{Type: signaling.SignalOffer}, &o); err != nil || o.opened != 0 {
		t.Errorf("an offer before the hello: %v", err)
	}
	s.Hello("a", host, hello(""), nil, h.take)
	if err := s.Signal("a", signaling.Signal{Type: signaling.SignalOffer, SDP: "v=0"}, &o); !errors.Is(err, errNoPorts) || problemOf(h.last(t)) != signaling.ProblemUnsupported {
		t.Errorf("an offer that cannot be answered: %v, told %+v", err, h)
	}
	if err := s.Signal("a", signaling.Signal{Type: signaling.SignalCandidate}, &o); err != nil {
		t.Errorf("a candidate before an offer: %v", err)
	}
	if err := s.Signal("a", signaling.Signal{Type: "dance"}, &o); err != nil || problemOf(h.last(t)) != signaling.ProblemBadRequest {
		t.Errorf("an unknown message: %v, told %+v", err, h)
	}
	if err := s.Signal("a", signaling.Signal{Type: signaling.SignalBye}, &o); err != nil || !errors.Is(o.left, seat.ErrBye) {
		t.Errorf("good-bye: %v, %v", err, o.left)
	}
	if err := s.Tell(signaling.Event{Type: signaling.EventNotice}); err != nil {
		t.Errorf("an event to nobody: %v", err)
	}
	sent := len(h)
	s.Gone("other")
	s.Reply(signaling.Signal{Type: signaling.SignalAnswer})
	s.Gone("a")
	s.Reply(signaling.Signal{Type: signaling.SignalAnswer})
	if len(h) != sent+1 {
		t.Errorf("%d messages were sent around the end of the connection", len(h)-sent)
	}
}
