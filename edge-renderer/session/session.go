// Package session runs rendering tasks. A session is one task on this edge: its view state, the loop that
// makes pictures of it, and the peer that watches.
//
// The way of a picture: newest input -> view state (view) -> quality (controller) -> render, convert, encode
// (pipeline) -> send (peer). Loop owns all of it; whoever else has something to say sends the loop an event.
package session

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// Volumes opens series and keeps them; cache.Cache does.
type Volumes interface {
	Open(context.Context, cache.Request, cache.Watch) (*cache.Series, error)
	// Reserve makes room for the files that a terminal sends.
	Reserve(ctx context.Context, bytes int64) (release func(), err error)
	// Forget wipes what belongs to an owner (cache.Request).
	Forget(owner string)
}

// Config is what a session needs of its edge.
type Config struct {
	Instruction signaling.Instruction
	Node        signaling.NodeID
	Renderer    render.Renderer
	Fallback    string // why the reference renderer runs, see signaling.SessionInfo
	Volumes     Volumes
	// Sources finds where the series of a source are read.
	Sources   func(signaling.SourceAccess) (cache.Source, error)
	Transport *stream.Transport
	Workers   *task.Workers
	Metrics   *Metrics
	Logger    *slog.Logger
	// Show, where set, is given every picture too: RGBA, rows from top to bottom. It does not keep pix.
	Show func(pix []byte, width, height int)
	// Changed is told every change of state, in order; the last one is an end.
	Changed func(signaling.Update)
	// Viewed, where set, is told the view state as Instruction.ViewMs says.
	Viewed func(signaling.ViewReport)
	// Moved, where set, is told how a move of the session to or from this edge went.
	Moved func(signaling.MoveReport)
}

// Session is a running rendering task. Its methods may be called from several goroutines.
type Session struct {
	cfg    Config
	log    *slog.Logger
	start  time.Time
	events chan event
	stop   context.CancelCauseFunc
	done   chan struct{}
	// used is when the terminal did something last, on the session's clock, before 0 where that was elsewhere; 0 while none
	// has come.
	used atomic.Int64
	// account is what the session may use, and has used.
	account *account
}

// event is something that the loop must know.
type event any

// The events that are not a peer's own.
type (
	eventSignal struct { // of a terminal's connection
		connection string
		claims     *signaling.TokenClaims // on hello
		signal     signaling.Signal
		reply      func(signaling.Signal)
	}
	eventGone    struct{ connection string }
	eventView    struct{ view json.RawMessage } // of the session that this one is the shadow of
	eventPromote struct{ signaling.Promote }
)

// Start begins a session: it loads the series and waits for the terminal. The session ends by itself or by
// End, and Done then says that everything it held is released.
func Start(cfg Config) *Session {
	ctx, stop := context.WithCancelCause(context.Background())
	s := &Session{
		cfg: cfg, start: time.Now(), stop: stop, account: newAccount(&cfg.Instruction),
		log:    cfg.Logger.With("task", cfg.Instruction.Task, "attempt", cfg.Instruction.Attempt.ID),
		events: make(chan event, 256), done: make(chan struct{}),
	}
	go func() {
		newLoop(s).run(ctx)
		close(s.done)
		s.refuseMoves()
	}()
	return s
}

// End ends the session for a reason that the terminal is told, and returns at once.
func (s *Session) End(reason error) { s.stop(reason) }

// Done is closed when the session holds nothing any more.
func (s *Session) Done() <-chan struct{} { return s.done }

// Hello takes in a terminal's connection whose token has been verified; reply sends it signalling messages.
func (s *Session) Hello(connection string, claims *signaling.TokenClaims, hello signaling.Signal, reply func(signaling.Signal)) {
	s.tell(eventSignal{connection, claims, hello, reply})
}

// Signal takes in a later message of a connection.
func (s *Session) Signal(connection string, m signaling.Signal) {
	s.tell(eventSignal{connection: connection, signal: m})
}

// View takes the view state of the session that this one is the shadow of.
func (s *Session) View(v signaling.ViewReport) { s.tell(eventView{v.View}) }

// Promote makes a shadow the session itself, which waits for its terminal from now on.
func (s *Session) Promote(p signaling.Promote) error {
	s.tell(eventPromote{p})
	return nil
}

// Idle is for how long the terminal has done nothing; 0 while none has come.
func (s *Session) Idle() time.Duration {
	used := time.Duration(s.used.Load())
	if used == 0 {
		return 0
	}
	return s.clock() - used
}

// Gone says that a terminal's signalling connection is closed, which ends no session.
func (s *Session) Gone(connection string) { s.tell(eventGone{connection}) }

func (s *Session) tell(e event) {
	select {
	case s.events <- e:
	case <-s.done:
	}
}

// parameters are what the request asks for; one that cannot be understood asks for nothing.
func (s *Session) parameters() signaling.RenderingParameters {
	var p signaling.RenderingParameters
	if json.Unmarshal(s.cfg.Instruction.Request.Parameters, &p) != nil {
		return signaling.RenderingParameters{}
	}
	return p
}

// clock is the time since the session began.
func (s *Session) clock() time.Duration { return time.Since(s.start) }

// offered are the codecs that this edge can encode, best first.
func offered() []stream.Codec {
	var out []stream.Codec
	seen := map[encode.Codec]bool{}
	for _, info := range encode.Available() {
		if !info.Usable || seen[info.Codec] {
			continue
		}
		seen[info.Codec] = true
		switch info.Codec {
		case encode.H264:
			out = append(out, stream.Codec{MimeType: info.Codec.MimeType(), Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"})
		case encode.VP8:
			out = append(out, stream.Codec{MimeType: info.Codec.MimeType()})
		}
	}
	return out
}
