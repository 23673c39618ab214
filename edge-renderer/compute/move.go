package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/signaling"
)

// A compute task moves to another edge by its operation's checkpoint (B8). Its terminal, which is told where to go, connects
// there, sends its data again and asks here for a checkpoint: the operation pauses, and what it goes on from is sent, which the
// terminal passes on. There the task waits until the checkpoint and its data have come, says so, and goes on. Here it stays
// paused until it is released, or goes on itself where the terminal or the broker says that it stays.

const (
	// promoteWithin is how long a task that has ended where it has just arrived waits for the broker's word that this is its
	// place.
	promoteWithin = 10 * time.Second
	// pausedAtMost is when a paused task of which nobody says what becomes of it goes on: longer than any handover lasts.
	pausedAtMost = 5 * time.Minute
)

// errLeft is why a task that ends does not move.
var errLeft = &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task ends", Detail: "There is nothing to move"}

// The events of a move.
type (
	eventMove struct {
		move signaling.Move
		told func(error)
	}
	eventStay    struct{ move signaling.Move }
	eventPromote struct{ signaling.Promote }
	eventSaved   struct { // the checkpoint was sent
		to       *conn
		transfer uint32
		err      error
	}
	eventCheckpoint struct { // one has come
		from    *conn
		data    []byte
		release func()
	}
)

// moving is what a task knows of its moves. It belongs to the loop.
type moving struct {
	leaving *signaling.Move // to another edge, nil while there is none
	pause   chan struct{}   // of the operation that runs
	runs    bool            // the operation itself
	pausing bool            // a checkpoint is asked for
	paused  bool            // nothing is computed
	since   time.Duration   // it is paused
	saved   []byte          // the checkpoint that it goes on from elsewhere
	sent    uint32          // number of the transfer sent last

	resume   []byte             // state that the operation goes on from
	share    float64            // how far it had come
	handling signaling.Handling // that the user has chosen

	arriving bool           // a place to which the terminal comes, which is not yet the task's
	taken    bool           // its checkpoint has come
	landed   bool           // that is reported
	room     func()         // of the checkpoint
	ran      *signaling.Ran // what is known from where it ran before
	awaited  time.Duration  // since when the terminal is
}

// Move has the terminal go to another edge, see the package agent. A terminal that is away cannot bring a checkpoint there, so
// that the task stays until it is back.
func (j *Job) Move(m signaling.Move, told func(error)) {
	var once sync.Once
	answer := func(err error) { once.Do(func() { told(err) }) }
	j.tell(eventMove{m, answer})
	select {
	case <-j.done: // nobody takes it any more
		answer(errLeft)
	default: // it is taken, at the latest by refuseMoves
	}
}

// refuseMoves answers moves that came while the task ended.
func (j *Job) refuseMoves() {
	for len(j.events) > 0 {
		switch e := (<-j.events).(type) {
		case eventMove:
			e.told(errLeft)
		case eventCheckpoint:
			e.release()
		}
	}
}

// Stay has the task go on here.
func (j *Job) Stay(m signaling.Move) { j.tell(eventStay{m}) }

// Promote makes this the task's place.
func (j *Job) Promote(p signaling.Promote) error {
	j.tell(eventPromote{p})
	return nil
}

// takeMove takes what concerns a move.
func (l *loop) takeMove(ctx context.Context, e event) {
	switch e := e.(type) {
	case eventMove:
		l.leave(e)
	case eventStay:
		l.stay(e.move)
	case eventPromote:
		l.promoted(e.Promote)
	case eventSaved:
		if e.err != nil || e.to != l.conn || l.leaving == nil {
			l.job.log.Info("checkpoint not delivered", "err", e.err)
			return
		}
		l.usage.BytesSent += int64(len(l.saved))
		l.event(signaling.Event{Type: signaling.EventCheckpoint, TaskID: l.job.cfg.Instruction.Task, Transfer: e.transfer, Progress: l.share})
	case eventCheckpoint:
		l.restore(e)
	}
}

// leave begins a move to another edge.
func (l *loop) leave(e eventMove) {
	var why *signaling.Problem
	switch {
	case l.ending != nil || l.failed != nil:
		why = errLeft
	case l.outcome != nil:
		why = &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task is done", Detail: "Its result is on its way to the terminal"}
	case !l.connected:
		why = &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "No terminal is connected", Detail: "It has to bring the checkpoint to the other edge"}
	}
	if why != nil {
		e.told(why)
		return
	}
	l.leaving = &e.move
	l.tellMove()
	e.told(nil)
}

// tellUsage tells the broker what the task has used so far, which goes along.
func (l *loop) tellUsage() {
	i, u := &l.job.cfg.Instruction, l.used()
	l.job.cfg.Changed(signaling.Update{Task: i.Task, Attempt: i.Attempt.ID, State: l.state, Usage: &u})
}

func (l *loop) tellMove() {
	if m := l.leaving; m != nil {
		l.event(signaling.Event{Type: signaling.EventMove, TaskID: m.Task, Grant: m.Grant, Reason: m.Reason})
	}
}

// stay gives a move up: the task goes on from where it was paused.
func (l *loop) stay(m signaling.Move) {
	if l.leaving != nil {
		l.event(signaling.Event{Type: signaling.EventStay, TaskID: m.Task, Reason: m.Reason})
		l.goOn()
	}
}

// stayed takes the terminal's word that it cannot go.
func (l *loop) stayed(p *signaling.Problem) {
	if l.leaving == nil {
		return
	}
	to := l.leaving.Grant.Attempt.ID
	l.goOn()
	l.reportMove(signaling.MoveReport{Task: l.job.cfg.Instruction.Task, Attempt: to, Problem: ending.Stayed(p)})
}

func (l *loop) goOn() {
	l.leaving, l.pausing, l.saved = nil, false, nil
	if l.paused {
		l.paused, l.begun = false, false
	}
}

// checkpoint pauses the operation, and has what it goes on from sent to the terminal.
func (l *loop) checkpoint(ctx context.Context) error {
	switch {
	case l.leaving == nil:
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "The task does not move", Detail: "A checkpoint is for the edge that it moves to"}
	case l.outcome != nil:
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The task is done", Detail: "Its result is on its way"}
	case l.paused:
		l.sendCheckpoint(ctx) // a terminal that has come back asks again
	case l.pausing:
	case !l.begun:
		l.halted(ctx)
	default:
		l.pausing = true
		close(l.pause)
		if !l.runs { // it waits for its turn, or for the user's choice
			l.cancel()
		}
	}
	return nil
}

// computed takes what became of the operation: its outcome, or that it has paused.
func (l *loop) computed(ctx context.Context, e eventComputed) {
	if l.runs { // what the terminal and a deferral took says nothing of this node
		l.usage.RunMs += max((l.job.clock() - l.started).Milliseconds(), 1)
	}
	l.usage.CPUMs += float64(e.spent) / float64(time.Millisecond)
	var paused *operation.Paused
	asked := errors.As(e.outcome.err, &paused)
	waited := !l.runs && errors.Is(e.outcome.err, context.Canceled) && isClosed(l.pause) && !l.cancelled
	l.runs = false
	switch {
	case !asked && !waited:
		l.pausing, l.outcome = false, &e.outcome
		return
	case asked && len(paused.State) > 0:
		l.resume, l.share = paused.State, paused.Share
	}
	if l.pausing {
		l.halted(ctx)
	} else {
		l.begun = false // it stays after all
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// halted notes that nothing is computed, and sends the checkpoint.
func (l *loop) halted(ctx context.Context) {
	l.pausing, l.paused, l.begun, l.since = false, true, true, l.job.clock()
	saved, err := operation.Checkpoint{Handling: l.handling, Share: l.share, State: l.resume}.Encode(&l.job.cfg.Instruction.Request)
	if err != nil {
		l.stayed(ending.Problem(err))
		return
	}
	l.saved = saved
	l.tellUsage()
	l.sendCheckpoint(ctx)
}

func (l *loop) sendCheckpoint(ctx context.Context) {
	if !l.connected || l.saved == nil {
		return
	}
	l.sent++
	rtc, to, data := l.seat.RTC, l.conn, l.saved
	h := signaling.BulkHeader{Transfer: resultTransfer + l.sent, Task: l.job.cfg.Instruction.Task, Format: signaling.CheckpointFormat}
	l.helpers.Go(func() {
		err := rtc.SendBulk(ctx, h, data)
		l.tell(ctx, eventSaved{to, h.Transfer, err})
	})
}

// restore takes the checkpoint of a task that moves here. One that cannot be used is refused by name, and the terminal stays.
func (l *loop) restore(e eventCheckpoint) {
	if l.taken || !l.arriving {
		e.release()
		return
	}
	c, err := operation.DecodeCheckpoint(e.data, &l.job.cfg.Instruction.Request)
	if err != nil {
		e.release()
		l.event(signaling.Event{Type: signaling.EventNotice, Problem: ending.Problem(err)})
		return
	}
	l.taken, l.resume, l.share, l.room = true, c.State, c.Share, e.release
	l.choose(c.Handling)
}

// choose notes how the user wants the task to be handled.
func (l *loop) choose(h signaling.Handling) {
	if l.handling == "" && h != "" {
		l.handling = h
	}
}

// land says that the task goes on here, once all that it needs has come.
func (l *loop) land() {
	if l.arriving && l.taken && l.ready && !l.landed {
		l.landed = true
		l.reportMove(signaling.MoveReport{Task: l.job.cfg.Instruction.Task, Attempt: l.job.cfg.Instruction.Attempt.ID})
	}
}

func (l *loop) reportMove(r signaling.MoveReport) {
	if l.job.cfg.Moved != nil {
		l.job.cfg.Moved(r)
	}
}

// goes says whether the task may be computed here now.
func (l *loop) goes() bool {
	return !l.paused && (l.arriving && l.landed || !l.arriving && l.state == signaling.TaskRunning)
}

// promoted makes this the task's place.
func (l *loop) promoted(p signaling.Promote) {
	if !l.arriving {
		return // the order came twice
	}
	l.arriving, l.awaited = false, l.job.clock()
	if p.Ran != nil {
		l.ran = p.Ran
	}
	if l.ending != nil {
		l.endAt = l.awaited + farewell
	}
	l.job.log.Info("takes over", "fencing", p.Attempt.Fencing, "share", l.share)
	if l.seat.Taken() {
		l.report(signaling.TaskRunning, "")
	}
}

// used is what the task has used, here and where it ran before.
func (l *loop) used() signaling.Usage { return ending.Used(l.ran, l.usage) }

// checkpointed takes a checkpoint that the terminal brings. It is called from the goroutine of a peer.
func (c *conn) checkpointed(h signaling.BulkHeader) (stream.Transfer, error) {
	if !c.job.cfg.Instruction.Moves {
		return nil, errors.New("no task moves here")
	}
	if h.Bytes > signaling.MaxCheckpoint {
		return nil, c.refuseCheckpoint(signaling.ProblemTooLarge, fmt.Errorf("it has %d bytes, %d are the most", h.Bytes, signaling.MaxCheckpoint))
	}
	ctx, cancel := context.WithTimeout(context.Background(), reserveWithin)
	defer cancel()
	release, err := c.job.cfg.Volumes.Reserve(ctx, h.Bytes)
	if err != nil {
		return nil, c.refuseCheckpoint(signaling.ProblemTooLarge, err)
	}
	t := &incoming{conn: c, release: release}
	t.data.Grow(int(h.Bytes))
	return t, nil
}

// refuseCheckpoint tells the terminal why its checkpoint is not taken.
func (c *conn) refuseCheckpoint(code signaling.ProblemCode, err error) error {
	c.tell(eventTold{c, signaling.Event{Type: signaling.EventNotice,
		Problem: &signaling.Problem{Code: code, Title: "The checkpoint cannot be used", Detail: err.Error()}}})
	return err
}

// incoming is a checkpoint on its way.
type incoming struct {
	conn    *conn
	release func()
	data    bytes.Buffer
}

// Write takes the next bytes.
func (t *incoming) Write(part []byte) (int, error) {
	t.conn.progressed()
	return t.data.Write(part)
}

// End says that all has come, or lets the room go.
func (t *incoming) End(err error) {
	if err != nil {
		t.release()
		t.conn.tell(eventBroken{t.conn, err})
		return
	}
	select {
	case t.conn.job.events <- eventCheckpoint{t.conn, t.data.Bytes(), t.release}:
	case <-t.conn.left:
		t.release()
	case <-t.conn.job.done:
		t.release()
	}
}
