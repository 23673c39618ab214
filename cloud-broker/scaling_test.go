package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// hasty has a sites file in which sessions are scaled within milliseconds.
func hasty(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sites.yaml")
	text := `scaling:
  sessions:
    {ceiling: 4, window: 50ms, settle: 1ms, every: 2ms, rest-shrink: 5ms, rest-expand: 5ms, expand-wait: 10ms, expand-give-up: 100ms,
     shrink-wait: 10ms, shrink-give-up: 50ms, retry: 5ms}
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// uses has the edge send heartbeats in which each attempt uses a share of its GPU time, until something is so.
func (e *edge) uses(share float64, what string, is func() bool) {
	e.t.Helper()
	e.b.eventually(what, func() bool {
		h := signaling.Heartbeat{State: signaling.NodeReady, Rates: map[signaling.AttemptID]signaling.Rates{}}
		e.mu.Lock()
		for _, l := range e.ledger {
			used := share * float64(l.Resources.GPUMilli)
			h.Attempts = append(h.Attempts, l.Attempt.ID)
			h.Rates[l.Attempt.ID] = signaling.Rates{Budget: signaling.Budget{Resources: l.Resources}, GPUMilli: &used}
		}
		e.mu.Unlock()
		e.send(signaling.Control{Type: signaling.ControlHeartbeat, Heartbeat: &h})
		return is()
	})
}

// has is what the edge's only task has, by its ledger.
func (e *edge) has() signaling.Resources {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ledger[0].Resources
}

// A session that its edge says is idle gets less over the edge's link, and more when it is busy; the API tells what it holds,
// which orders there were, and the metric counts them. An edge whose link is cut, and a pool that is lost, go on from what the
// ledger has (B5, B6, B9.1).
func TestB5SessionsAreScaled(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, append(args, "--sites", hasty(t))...)
		e := b.join(newNode("e"))
		g := b.submit()
		e.update(g, signaling.TaskRunning)
		asked := e.has()
		holds := func() signaling.Resources {
			task := decode[signaling.Task](t, b.ask("GET", "/api/v1/tasks/"+string(g.Task), ""), http.StatusOK)
			if task.Resources == nil {
				return signaling.Resources{}
			}
			return *task.Resources
		}
		e.uses(0.01, "it has less", func() bool { return e.has().GPUMilli < asked.GPUMilli && holds() == e.has() })
		e.kill()
		e.connect()
		e.uses(0.01, "edge and pool agree behind that", func() bool { return holds() == e.has() })
		if e.has().GPUMilli >= asked.GPUMilli {
			t.Errorf("it has %+v after its edge came back", e.has())
		}
		e.uses(1, "it has more than it asked for", func() bool { return e.has().GPUMilli > asked.GPUMilli && holds() == e.has() })

		e.uses(0.7, "what is free and held is what the node has", func() bool {
			n := decode[signaling.Node](t, b.ask("GET", "/api/v1/nodes/e", ""), http.StatusOK)
			return n.Free.Add(holds()) == n.Capacity
		})
		orders := b.ask("GET", "/api/v1/scaling", "")
		if orders.status != http.StatusOK || !strings.Contains(string(orders.body), `"direction":"shrink"`) || !strings.Contains(string(orders.body), `"direction":"expand"`) {
			t.Errorf("orders: %d %s", orders.status, orders.body)
		}
		if m := string(b.ask("GET", "/metrics", "").body); !strings.Contains(m, `tomocast_scaling_orders_total{direction="expand",kind="gpuMilli",outcome="done"}`) {
			t.Errorf("no metric of orders in\n%s", m)
		}
		b.ask("DELETE", "/api/v1/tasks/"+string(g.Task), "")
		b.eventually("all is free", func() bool {
			n := decode[signaling.Node](t, b.ask("GET", "/api/v1/nodes/e", ""), http.StatusOK)
			return n.Free == n.Capacity
		})
		audit, err := b.pooled.Load().Audit(t.Context())
		if err != nil || len(audit.Problems) > 0 {
			t.Errorf("audit: %+v, %v", audit, err)
		}
	})
}
