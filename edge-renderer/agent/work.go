package agent

import (
	"context"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/signaling"
)

// Work is an attempt that runs on this edge: a session, a compute task. Its methods may be called from several goroutines
// and return at once.
type Work interface {
	// Done is closed when the work holds nothing any more.
	Done() <-chan struct{}
	// End ends the work for a reason, see the package ending.
	End(reason error)
	// Hello takes in a terminal's connection whose token has been verified; reply sends it signalling messages.
	Hello(connection string, claims *signaling.TokenClaims, hello signaling.Signal, reply func(signaling.Signal))
	// Signal takes in a later message of a connection.
	Signal(connection string, m signaling.Signal)
	// Gone says that a terminal's signalling connection is closed, which ends no work.
	Gone(connection string)
}

// A Work may also be some of these.
type (
	// promoter can be a shadow (signaling.Instruction.Shadow), which takes over.
	promoter interface {
		Promote(signaling.Promote) error
	}
	// viewer takes the view state of the session that it is the shadow of.
	viewer interface {
		View(signaling.ViewReport)
	}
	// mover has a terminal, which may go to another edge. Move answers told once: with nil when the terminal was told, or is
	// told as soon as it can go, and goes on here until it is ended; else with why not, a problem not-found where no terminal
	// is there. Stay has it remain after all.
	mover interface {
		Move(m signaling.Move, told func(error))
		Stay(signaling.Move)
	}
	// budgeter has a budget, which may change while it runs (B5). SetBudget refuses, with a *signaling.Problem and at once, one
	// that is less than what the work holds; Used is what it has used since it began.
	budgeter interface {
		SetBudget(signaling.Budget) error
		Budget() signaling.Budget
		Used() share.Used
	}
	// idler says for how long its terminal has done nothing.
	idler interface {
		Idle() time.Duration
	}
)

// Studies are the series that an edge has, for what the broker asks beside tasks.
type Studies interface {
	// Volumes are the series that are here, as signaling.VolumeKey names them, most recently used first.
	Volumes() []string
	// Prefetch loads a series, which then stays as long as there is room.
	Prefetch(context.Context, signaling.Fetch) error
	// Thumbnail makes a small picture of a series. Its error is a *signaling.Problem.
	Thumbnail(context.Context, signaling.Fetch) (signaling.Thumbnail, error)
}

// noStudies is an edge that has none.
type noStudies struct{}

var errNoStudies = &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "This edge reads no studies", Detail: "Ask another one"}

func (noStudies) Volumes() []string { return nil }

func (noStudies) Prefetch(context.Context, signaling.Fetch) error { return errNoStudies }

func (noStudies) Thumbnail(context.Context, signaling.Fetch) (signaling.Thumbnail, error) {
	return signaling.Thumbnail{}, errNoStudies
}
