// Package seat gives the one terminal of a task its place: it greets it, lets it come back with its secret, refuses
// others, and passes its offers and candidates to the WebRTC connection that the task opens for it.
package seat

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/signaling"
)

// ErrBye is the reason for which a terminal that says good-bye leaves.
var ErrBye = errors.New("the page said good-bye")

// Owner is the task that a seat belongs to.
type Owner interface {
	// Open makes the connection for a terminal that has made an offer, in place of the one before, which it ends.
	Open() (*stream.Peer, error)
	// Leave ends the connection; the task goes on without.
	Leave(reason error)
}

// Seat is the place of a task's terminal. It belongs to the goroutine of its task.
type Seat struct {
	// RTC is the present connection, nil where there is none. The owner clears it in Leave.
	RTC *stream.Peer

	taken       bool
	connection  string
	reply       func(signaling.Signal)
	resume      string // secret that lets the terminal come back
	id          signaling.PeerID
	fingerprint string // of its DTLS certificate: the same one restarts ICE, another one begins anew
	early       []signaling.Event
}

// maxEarly bounds the replies that wait for a terminal's channels to open.
const maxEarly = 32

// Taken says whether a terminal has ever sat here.
func (s *Seat) Taken() bool { return s.taken }

// Reply sends a signalling message to the terminal by its newest connection.
func (s *Seat) Reply(m signaling.Signal) {
	if s.reply != nil {
		s.reply(m)
	}
}

// Tell sends the terminal an event, where it is connected. A reply to a terminal that asks before the last of its channels
// is open waits until Flush.
func (s *Seat) Tell(e signaling.Event) error {
	if s.RTC == nil {
		return nil
	}
	err := s.RTC.SendEvent(e)
	if errors.Is(err, stream.ErrNotConnected) && e.Type == signaling.EventReply && len(s.early) < maxEarly {
		s.early = append(s.early, e)
		return nil
	}
	return err
}

// Flush sends the replies that have waited, once the terminal is connected. The error is that of the first that cannot be
// sent.
func (s *Seat) Flush() error {
	var first error
	early := s.early
	s.early = nil
	for _, e := range early {
		if err := s.Tell(e); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Hello takes in a connection whose token has been verified, or refuses it when another terminal sits here.
func (s *Seat) Hello(connection string, claims *signaling.TokenClaims, hello signaling.Signal, servers []signaling.ICEServer, reply func(signaling.Signal)) {
	if claims.Role != signaling.RoleHost {
		reply(Problem(signaling.ProblemForbidden, "No guests", "This session takes its host only"))
		return
	}
	if s.taken && hello.Resume != s.resume {
		reply(Problem(signaling.ProblemSessionTaken, "Session is open elsewhere",
			"Another page shows this session. Close it there, or open the study again for a session of its own"))
		return
	}
	if !s.taken {
		s.taken, s.id, s.resume = true, signaling.PeerID(signaling.NewID("p")), signaling.NewID("r")
	}
	s.connection, s.reply = connection, reply
	reply(signaling.Signal{Type: signaling.SignalWelcome, Peer: s.id, Resume: s.resume, ICEServers: servers})
}

// Gone says that a connection is closed: nothing is sent to it any more where no other way is left.
func (s *Seat) Gone(connection string) {
	if s.connection == connection && s.RTC == nil {
		s.reply = nil
	}
}

// Signal takes in a later message of a connection. The error is what the owner may want to log.
func (s *Seat) Signal(connection string, m signaling.Signal, owner Owner) error {
	if !s.taken || s.connection != connection {
		return nil // of a connection that was replaced
	}
	switch m.Type {
	case signaling.SignalOffer:
		var told *signaling.Problem // by the stream itself
		if err := s.offer(m, owner); err != nil && !errors.As(err, &told) {
			s.Reply(Problem(signaling.ProblemUnsupported, "The stream cannot be set up", err.Error()))
			return err
		}
	case signaling.SignalCandidate:
		if s.RTC != nil {
			return s.RTC.Signal(m)
		}
	case signaling.SignalBye:
		owner.Leave(ErrBye)
	default:
		s.Reply(Problem(signaling.ProblemBadRequest, "Message not expected",
			fmt.Sprintf("A terminal sends hello, offer, candidate or bye, not %.40q", string(m.Type))))
	}
	return nil
}

// offer answers an offer: the terminal that is connected already restarts ICE, another one gets a connection of its own and
// the old one ends.
func (s *Seat) offer(m signaling.Signal, owner Owner) error {
	print := fingerprint(m.SDP)
	if s.RTC != nil && print != "" && print == s.fingerprint {
		return s.RTC.Signal(m)
	}
	rtc, err := owner.Open()
	if err != nil {
		return err
	}
	s.RTC, s.fingerprint, s.early = rtc, print, nil
	return rtc.Signal(m)
}

var fingerprintLine = regexp.MustCompile(`(?m)^a=fingerprint:(\S+ \S+)`)

func fingerprint(sdp string) string {
	m := fingerprintLine.FindStringSubmatch(sdp)
	if m == nil {
		return ""
	}
	return strings.ToUpper(m[1])
}

// Problem is a refusal as a signalling message.
func Problem(code signaling.ProblemCode, title, detail string) signaling.Signal {
	return signaling.Signal{Type: signaling.SignalError, Problem: &signaling.Problem{Code: code, Title: title, Detail: detail}}
}
