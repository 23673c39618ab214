package agent_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/share"
	"github.com/tomocast/tomocast/signaling"
)

// scaled is a work with a budget, which refuses less memory than it holds.
type scaled struct {
	*work
	mu     sync.Mutex
	budget signaling.Budget
	used   share.Used
}

func (s *scaled) SetBudget(b signaling.Budget) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.MemoryMB < 512 {
		return &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "It holds more than that"}
	}
	s.budget = b
	return nil
}

func (s *scaled) Budget() signaling.Budget {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.budget
}

// Used goes on with every reading.
func (s *scaled) Used() share.Used {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.CPU += 10 * time.Millisecond
	s.used.Memory = 600 << 20
	if s.used.Pictures != nil {
		s.used.Pictures = &share.Pictures{GPU: s.used.Pictures.GPU + time.Millisecond, Encoder: s.used.Pictures.Encoder + time.Millisecond,
			Pixels: s.used.Pictures.Pixels + 1_000_000}
	}
	return s.used
}

// scaling is an edge with room for two sessions, whose works have budgets.
func scaling(t *testing.T) *edge {
	return edgeOf(t, func(c *agent.Config) {
		begin := c.Begin
		c.Node.Capacity = signaling.DefaultResources(signaling.Rendering).Add(signaling.DefaultResources(signaling.Rendering))
		c.Begin = func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
			return &scaled{work: begin(i, changed).(*work), budget: i.Begins(), used: share.Used{Pictures: &share.Pictures{}}}
		}
	}, approving)
}

func (e *edge) budget(id, attempt string, b signaling.Budget) signaling.Control {
	e.t.Helper()
	e.send(e.link, signaling.Control{Type: signaling.ControlBudget, ID: "b/" + id,
		Budget: &signaling.SetBudget{Task: signaling.TaskID("t-" + attempt), Attempt: signaling.AttemptID(attempt), Budget: b}})
	return e.answer("b/" + id)
}

// B5, B6: what is taken from a running attempt can be given to others, what it is given is held for it, and neither happens
// where the edge has no room or its work refuses.
func TestB5BudgetMovesTheLedger(t *testing.T) {
	t.Parallel()
	e := scaling(t)
	e.order("1", instruction("a-1", 7))
	e.answer("b/1")
	one := signaling.Budget{Resources: signaling.DefaultResources(signaling.Rendering)}
	grown := one
	grown.MemoryMB = 2048
	grown.GPUMilli = 500
	if m := e.budget("2", "a-1", grown); m.Type != signaling.ControlConfirm {
		t.Fatalf("growing: %+v", m.Problem)
	}
	if a := e.ask("k-1", rendering); a.status != http.StatusAccepted { // sent on to the broker
		t.Errorf("what was given to it was given away: %+v", a)
	}
	grown.MemoryMB++
	if m := e.budget("3", "a-1", grown); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNoFreeNode {
		t.Errorf("more than there is: %+v", m)
	}
	small := one
	small.MemoryMB, small.GPUMilli = 100, 50
	if m := e.budget("4", "a-1", small); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemTooLarge {
		t.Errorf("less than it holds: %+v", m)
	}
	if a := e.ask("k-2", rendering); a.status != http.StatusAccepted {
		t.Errorf("a budget that was refused was given away: %+v", a)
	}
	small.MemoryMB = 512
	if m := e.budget("5", "a-1", small); m.Type != signaling.ControlConfirm {
		t.Fatalf("shrinking: %+v", m.Problem)
	}
	if a := e.ask("k-3", rendering); a.status != http.StatusCreated {
		t.Errorf("what was taken from it cannot be used: %+v", a)
	}
	if m := e.budget("6", "a-9", one); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemNotFound {
		t.Errorf("an attempt that is not here: %+v", m)
	}
	if m := e.budget("7", "a-1", signaling.Budget{EncoderKpps: -1}); m.Type != signaling.ControlRefuse || m.Problem.Code != signaling.ProblemBadRequest {
		t.Errorf("a budget that cannot be: %+v", m)
	}
}

// B5: heartbeats tell what each attempt uses of each kind, from its second one on as rates, with the budget in force.
func TestB5HeartbeatsTellRates(t *testing.T) {
	t.Parallel()
	e := scaling(t)
	e.order("1", instruction("a-1", 7))
	e.answer("b/1")
	m := e.next("rates", func(m *signaling.Control) bool {
		return m.Type == signaling.ControlHeartbeat && m.Heartbeat.Rates["a-1"].CPUMilli != nil
	})
	r := m.Heartbeat.Rates["a-1"]
	if r.Budget.Resources != signaling.DefaultResources(signaling.Rendering) || *r.MemoryMB != 600 {
		t.Errorf("budget %+v, memory %g", r.Budget, *r.MemoryMB)
	}
	// However long ago the reading before was, 10 ms of processor came with 1 ms of the others and 1000 thousands of pixels.
	if cpu := *r.CPUMilli; cpu <= 0 || !near(*r.GPUMilli, cpu/10) || !near(*r.EncoderThreads, cpu/10_000) || !near(*r.EncoderKpps, cpu*100) {
		t.Errorf("rates %g, %g, %g, %g", cpu, *r.GPUMilli, *r.EncoderThreads, *r.EncoderKpps)
	}
}

func near(a, b float64) bool { return a > 0.999*b && a < 1.001*b }
