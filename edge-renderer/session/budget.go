package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/signaling"
)

// A session's budget may change while it runs (B5), and its pictures go on: its share of the GPU's time is a weight, its
// encoder is made anew with other threads for the next picture, which is a key frame, what is encoded a second is part of
// what the quality is chosen from, and its memory bounds what series it may keep beside each other.

// account is what a session may use, and what it has used. Its methods may be called from several goroutines.
type account struct {
	client  *share.Client   // on the renderer's device
	workers *task.Allowance // of the compute tasks in the session

	mu     sync.Mutex
	budget signaling.Budget
	used   share.Used // without what the client and the workers know
}

func newAccount(i *signaling.Instruction) *account {
	b := i.Begins()
	return &account{client: share.NewClient(b.GPUMilli), workers: task.NewAllowance(b.CPUMilli), budget: b, used: share.Used{Pictures: &share.Pictures{}}}
}

// SetBudget gives the session another budget, in force from its next picture on. One with less memory than the session holds
// is refused.
func (s *Session) SetBudget(b signaling.Budget) error {
	if err := b.Validate(); err != nil {
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "No such budget", Detail: err.Error()}
	}
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if held := share.MiB(a.used.Memory); b.MemoryMB < a.budget.MemoryMB && b.MemoryMB < held {
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The session holds more memory than that",
			Detail: fmt.Sprintf("It shows series of %d MiB with its pictures, and was to have %d", held, b.MemoryMB)}
	}
	a.budget = b
	a.client.SetWeight(b.GPUMilli)
	a.workers.Set(b.CPUMilli)
	return nil
}

// Budget is the one in force.
func (s *Session) Budget() signaling.Budget { return s.account.now() }

// Used is what the session has used since it began here.
func (s *Session) Used() share.Used {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	u, p := a.used, *a.used.Pictures
	p.GPU = a.client.Used()
	u.CPU += a.workers.Spent()
	u.Pictures = &p
	return u
}

func (a *account) now() signaling.Budget {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget
}

// spent notes processor time.
func (a *account) spent(cpu time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used.CPU += cpu
}

// encoded notes a picture, for which the encoder's threads were busy for so long in all.
func (a *account) encoded(width, height int, busy time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used.CPU += busy
	a.used.Pictures.Encoder += busy
	a.used.Pictures.Pixels += int64(width) * int64(height)
}

// holds notes the memory that the session holds, and what it would hold.
func (a *account) holds(bytes, wanted int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used.Memory, a.used.Peak, a.used.Wanted = bytes, max(a.used.Peak, bytes), wanted
}

// keepAccounts brings the budget to where it is obeyed, and what the session holds to its account.
func (l *loop) keepAccounts(ctx context.Context, now time.Duration) {
	b := l.s.account.now()
	l.control.limit = limit{threads: int(min(b.EncoderThreads, encode.MaxThreads)), kpps: b.EncoderKpps}
	bytes := int64(pictureBytes * l.width * l.height)
	counted := map[*cache.Series]bool{}
	for _, h := range l.series {
		bytes += h.Bytes
		counted[h.Series] = true
	}
	wanted := int64(0)
	if o := l.opening; o != nil {
		for _, h := range o.kept {
			if !counted[h.Series] {
				bytes += h.Bytes
			}
		}
		if w := o.waits; w != nil && !w.over {
			wanted = bytes + w.series.Bytes
			if w.over = now >= w.until; w.over || l.lacks(o, w.series) == nil {
				l.loaded(ctx, w.eventLoaded)
			}
		}
	}
	l.s.account.holds(bytes, wanted)
}

// pictureBytes is what a pixel takes in a session: as it is rendered, as it is shown, and as it is encoded (4:2:0).
const pictureBytes = 4 + 4 + 2

// memoryWithin is how long a series waits for a budget that has room for it: longer than scaling takes to see that it is
// wanted.
const memoryWithin = 10 * time.Second

// errWaits says that a series waits for memory.
var errWaits = errors.New("it waits for memory")

// awaited is a series that has come and waits for memory.
type awaited struct {
	eventLoaded
	until time.Duration // on the session's clock
	over  bool          // it has waited
}

// leave lets go of the series that waits, where there is one.
func (o *opening) leave() {
	if o.waits != nil && !o.waits.over {
		o.waits.series.Release()
		o.waits = nil
	}
}

// afford takes a series in that has come, has it wait for a larger budget (errWaits), or refuses it, and releases it then.
func (l *loop) afford(e eventLoaded) error {
	why := l.lacks(e.of, e.series)
	switch {
	case why == nil:
		return nil
	case e.of.waits == nil:
		l.opening = e.of
		e.of.waits = &awaited{eventLoaded: e, until: l.s.clock() + memoryWithin}
		return errWaits
	}
	e.series.Release()
	return why
}

// lacks says why the session must not keep a series beside those that stay on the screen with it. One that has the screen to
// itself is always shown: its request was placed with it. So is what the place shows from where it moves.
func (l *loop) lacks(o *opening, s *cache.Series) error {
	most := l.s.account.now().MemoryMB
	if l.view == nil || l.shadow || o.viewport == "" || most == 0 {
		return nil
	}
	bytes, beside := s.Bytes, false
	for key, h := range l.series {
		stays := slices.ContainsFunc(l.view.state.Viewports, func(v signaling.Viewport) bool {
			return v.ID != o.viewport && seriesKey(v.Series) == key && v.Series != o.shown
		})
		if stays && h.Info.Series != s.Info.Series {
			bytes, beside = bytes+h.Bytes, true
		}
	}
	if need := share.MiB(bytes); beside && need > most {
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The session has no memory for one more series",
			Detail: fmt.Sprintf("Together they take %d MiB and it has %d: show this one in place of another, or alone", need, most)}
	}
	return nil
}
