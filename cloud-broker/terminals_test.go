package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/signaling"
)

// eachPool runs a test on one broker with the embedded Redis, on one with a server, and on three brokers of one server.
func eachPool(t *testing.T, f func(t *testing.T, bs brokers), args ...string) {
	t.Run("embedded", func(t *testing.T) { f(t, brokers{start(t, args...)}) })
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("redis, brokers=%d", n), func(t *testing.T) {
			with := append([]string{"--redis", "redis://" + redistest.Addr(t)}, args...)
			var bs brokers
			for range n {
				bs = append(bs, start(t, with...))
			}
			f(t, bs)
		})
	}
}

// brokers are those of one pool.
type brokers []*running

// at is one of them: the same number is the same one.
func (bs brokers) at(i int) *running { return bs[i%len(bs)] }

// join connects an edge to the i-th broker, and waits until all know it.
func (bs brokers) join(i int, node signaling.Node, change ...func(*edge)) *edge {
	bs[0].t.Helper()
	e := bs.at(i).join(node, change...)
	bs.know("the node is ready", node.ID, func(n signaling.Node) bool { return n.State == signaling.NodeReady })
	return e
}

// know waits until all brokers know something of a node.
func (bs brokers) know(what string, id signaling.NodeID, is func(signaling.Node) bool) {
	bs[0].t.Helper()
	for i, b := range bs {
		b.eventually(fmt.Sprintf("broker %d knows that %s", i, what), func() bool {
			n, known := b.nodes.Get(id)
			return known && is(n)
		})
	}
}

// full waits until all brokers know that a node has no encoder free.
func (bs brokers) full(id signaling.NodeID) {
	bs[0].t.Helper()
	bs.know("the node is full", id, func(n signaling.Node) bool { return n.Free.EncoderSessions == 0 })
}

// single is a node with room for one session.
func single(id string, distance float64) signaling.Node {
	n := newNode(id)
	n.Capacity.EncoderSessions, n.DistanceMs = 1, distance
	return n
}

// body is a request for a session with more fields, as JSON without braces.
func body(more ...string) string {
	return strings.TrimSuffix(rendering, "}") + "," + strings.Join(more, ",") + "}"
}

// requested is a request's JSON as the contract's type.
func requested(t testing.TB, body string) signaling.TaskRequest {
	t.Helper()
	var r signaling.TaskRequest
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wait asks for a place that is not free, and expects to wait.
func (b *running) wait(body string, header ...string) signaling.Pending {
	b.t.Helper()
	return decode[signaling.Pending](b.t, b.ask("POST", "/api/v1/tasks", body, header...), http.StatusAccepted)
}

// follow opens a task's events, until the test ends or it is closed.
func (b *running) follow(task signaling.TaskID, header ...string) *listener {
	b.t.Helper()
	if len(header) == 0 {
		header = []string{"Authorization", "Bearer " + localToken}
	}
	return b.listen("/api/v1/tasks/"+string(task)+"/events", header...)
}

// stands waits until a terminal is told its position.
func (s *listener) stands(position int) signaling.Pending {
	s.t.Helper()
	for {
		if p := heard[signaling.Pending](s, string(signaling.TaskEventPending)); p.Queue != nil && p.Queue.Position == position {
			return p
		}
	}
}

// grant waits for the grant.
func (s *listener) grant() signaling.Grant {
	s.t.Helper()
	return heard[signaling.Grant](s, string(signaling.TaskEventGrant))
}

// refusal waits for the problem because of which there is no grant.
func (s *listener) refusal() signaling.Problem {
	s.t.Helper()
	return heard[signaling.Problem](s, string(signaling.TaskEventProblem))
}

// finish ends a grant's task as its terminal does.
func (b *running) finish(task signaling.TaskID) {
	b.t.Helper()
	decode[signaling.Task](b.t, b.ask("DELETE", "/api/v1/tasks/"+string(task), ""), http.StatusOK)
}

// written is a file with a text in it.
func written(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// threeBrokers runs a test on three brokers of one Redis server.
func threeBrokers(t *testing.T, f func(t *testing.T, bs brokers), args ...string) {
	t.Helper()
	with := append([]string{"--redis", "redis://" + redistest.Addr(t)}, args...)
	var bs brokers
	for range 3 {
		bs = append(bs, start(t, with...))
	}
	f(t, bs)
}
