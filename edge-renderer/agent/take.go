package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/ending"
	"github.com/tomocast/tomocast/signaling"
)

// roomWithin is how long an instruction waits for works that end: longer than their terminals' farewell takes.
const roomWithin = 2500 * time.Millisecond

// maxLate bounds the instructions that wait so.
const maxLate = 64

// take handles a message of the broker.
func (a *Agent) take(link *signaling.Conn, m *signaling.Control) {
	if answer, late := a.answered(m); answer {
		if late {
			a.tooLate(link, m)
		}
		return
	}
	switch {
	case m.Type == signaling.ControlInstruct && m.Instruction != nil:
		a.instruct(link, m)
	case m.Type == signaling.ControlRelease && m.Release != nil:
		reason := errRevoked
		switch {
		case m.Release.Problem != nil && m.Release.State == signaling.TaskExpired:
			reason = fmt.Errorf("%w: %w", ending.ErrExpired, m.Release.Problem)
		case m.Release.Problem != nil:
			reason = m.Release.Problem
		case m.Release.State == signaling.TaskFinished:
			reason = ending.ErrFinished
		case m.Release.Reason != "":
			reason = errors.New(m.Release.Reason)
		}
		a.ledger.release(m.Release, reason)
	case m.Type == signaling.ControlRelay && m.Relay != nil:
		a.relay(link, m.Relay)
	case m.Type == signaling.ControlPrefetch && m.Fetch != nil:
		a.prefetch(link, m)
	case m.Type == signaling.ControlThumbnail && m.Fetch != nil:
		a.thumbnail(link, m)
	case m.Type == signaling.ControlView && m.View != nil:
		if w, ok := a.ledger.shadow(m.View.Task).(viewer); ok {
			w.View(*m.View)
		}
	case m.Type == signaling.ControlPromote && m.Promote != nil:
		answer := signaling.Control{Type: signaling.ControlConfirm, ID: m.ID}
		if err := a.promote(m.Promote); err != nil {
			answer = refusal(m.ID, err)
		}
		_ = link.Send(answer)
	case m.Type == signaling.ControlBudget && m.Budget != nil:
		answer := signaling.Control{Type: signaling.ControlConfirm, ID: m.ID}
		if err := a.budget(m.Budget); err != nil {
			answer = refusal(m.ID, err)
		}
		_ = link.Send(answer)
	case m.Type == signaling.ControlMove && m.Move != nil:
		a.move(link, m)
	case m.Type == signaling.ControlStay && m.Move != nil:
		a.stay(m.Move)
	case m.Type == signaling.ControlConfigure && m.Node != nil:
		a.configure(*m.Node)
	case m.Type == signaling.ControlDrain:
		n := a.ledger.effective()
		n.State = signaling.NodeDraining
		a.ledger.configure(n)
	case m.Type == signaling.ControlError && m.Problem != nil:
		a.cfg.Logger.Warn("the broker reports", "problem", m.Problem)
	default:
		_ = link.Send(signaling.Control{Type: signaling.ControlError, ID: m.ID, Problem: &signaling.Problem{
			Code: signaling.ProblemUnsupported, Title: "Message not known here", Detail: fmt.Sprintf("type %.40q", string(m.Type))}})
	}
}

// refusal says why something that the broker asked for is not done.
func refusal(id string, err error) signaling.Control {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		p = &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The instruction cannot be carried out", Detail: err.Error()}
	}
	return signaling.Control{Type: signaling.ControlRefuse, ID: id, Problem: p}
}

// instruct admits the task of an instruction and starts its work, and tells the broker. Where works are about to end whose
// resources it takes, it waits for them.
func (a *Agent) instruct(link *signaling.Conn, m *signaling.Control) {
	i := m.Instruction
	answer := func(err error) {
		if err != nil {
			_ = link.Send(refusal(m.ID, err))
			return
		}
		_ = link.Send(signaling.Control{Type: signaling.ControlConfirm, ID: m.ID})
	}
	if err := a.check(i); err != nil {
		answer(err)
		return
	}
	begin := func() Work { return a.cfg.Begin(*i, a.changed) }
	freed, err := a.ledger.admit(i, begin)
	if freed == nil {
		answer(err)
		return
	}
	ok := a.late.run(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, roomWithin)
		defer cancel()
		for freed != nil {
			select {
			case <-freed:
				if !a.ledger.awaits(i.Attempt.ID) {
					answer(errLetGo)
					return
				}
				freed, err = a.ledger.admit(i, begin)
			case <-ctx.Done():
				a.ledger.giveUp(i.Attempt.ID)
				freed = nil
			}
		}
		answer(err)
	})
	if !ok {
		a.ledger.giveUp(i.Attempt.ID)
		answer(err)
	}
}

// can says why this edge cannot do what a request asks for.
func (a *Agent) can(r *signaling.TaskRequest) error {
	if a.cfg.Can == nil {
		return nil
	}
	return a.cfg.Can(r)
}

// check refuses an instruction that is not for this edge, and makes its source's address whole.
func (a *Agent) check(i *signaling.Instruction) error {
	if err := i.Request.Validate(); err != nil {
		return err
	}
	if err := a.can(&i.Request); err != nil {
		return err
	}
	if i.Attempt.Node != a.cfg.Node.ID {
		return fmt.Errorf("the attempt is for node %.70q, this is %q", string(i.Attempt.Node), a.cfg.Node.ID)
	}
	if i.Source != nil {
		return a.locate(i.Source)
	}
	return nil
}

// promote makes a shadow the session itself.
func (a *Agent) promote(p *signaling.Promote) error {
	w, err := a.ledger.promote(p)
	if err != nil {
		return err
	}
	s, ok := w.(promoter)
	if !ok {
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "The task cannot take over", Detail: "It is no session"}
	}
	return s.Promote(*p)
}

// configure takes the edge as an operator has it. It does nothing that it cannot do by itself.
func (a *Agent) configure(n signaling.Node) {
	own := a.cfg.Node
	if n.ID != own.ID {
		a.cfg.Logger.Warn("the broker configures another edge", "node", n.ID)
		return
	}
	types := slices.DeleteFunc(slices.Clone(n.Types), func(t signaling.TaskType) bool { return !slices.Contains(own.Types, t) })
	capacity := n.Capacity
	n = (&signaling.Override{Capacity: &capacity, Zone: &n.Zone, DistanceMs: &n.DistanceMs}).Apply(withState(own, n.State))
	n.Types = types
	a.ledger.configure(n)
}

func withState(n signaling.Node, s signaling.NodeState) signaling.Node {
	n.State = s
	return n
}

// tooLate takes an answer that nobody waits for any more. The broker must not think that a task runs here which does not.
func (a *Agent) tooLate(link *signaling.Conn, m *signaling.Control) {
	i := m.Instruction
	if m.Type != signaling.ControlInstruct || i == nil || a.ledger.raise(i.Attempt) {
		return
	}
	_ = link.Send(signaling.Control{Type: signaling.ControlUpdate, Update: &signaling.Update{Task: i.Task, Attempt: i.Attempt.ID,
		State: signaling.TaskFailed, Reason: "the edge had let it go: the broker's answer came too late"}})
}

// View reports the view state of a session to the broker, where there is a link. The next one says more than one that is
// lost.
func (a *Agent) View(v signaling.ViewReport) {
	if len(v.View) > signaling.MaxViewReport {
		return
	}
	a.mu.Lock()
	link := a.link
	a.mu.Unlock()
	if link != nil {
		_ = link.Send(signaling.Control{Type: signaling.ControlView, View: &v})
	}
}

// locate makes a whole address of a source's that is at the broker, the one that the edge is linked to.
func (a *Agent) locate(s *signaling.SourceAccess) error {
	at, err := a.Broker().Parse(s.DICOMweb)
	if err != nil || (at.Scheme != "http" && at.Scheme != "https") {
		return fmt.Errorf("source %.64q has no address that this edge can use", s.Name)
	}
	s.DICOMweb = at.String()
	return nil
}
