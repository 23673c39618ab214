package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const (
	localToken = "token-of-this-machine-in-tests"
	edgeSecret = "secret-of-the-edges-in-tests"
)

// tomocast is a broker with its edges.
type tomocast struct {
	t       testing.TB
	ctx     context.Context
	studies string
	args    []string // of the broker
	broker  *program
	url     string
	client  *terminal.Client
}

// start starts a broker that serves studies(t), or the folder that args name, with the arguments of a kind of Redis and more.
func start(t testing.TB, args ...string) *tomocast {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	s := &tomocast{t: t, ctx: ctx, args: append([]string{"--cache-dir", t.TempDir(), "--listen", "127.0.0.1:0"}, args...)}
	if i := slices.Index(s.args, "--studies"); i >= 0 {
		s.studies = s.args[i+1]
	} else {
		s.studies = studies(t)
		s.args = append(s.args, "--studies", s.studies)
	}
	s.launch()
	return s
}

// launch starts the broker, and again at the same address where it ran before.
func (s *tomocast) launch() {
	s.t.Helper()
	s.broker = launch(s.t, brokerProgram, nil, s.args...)
	address := s.broker.says(`msg="broker listens" address=(\S+)`)[1]
	s.args[slices.Index(s.args, "--listen")+1] = address
	s.url = "http://" + address
	s.client = newClient(s.url)
	s.eventually("the broker is ready", func() bool { return s.status("/readyz") == http.StatusOK })
}

// newClient asks a broker as this machine's user.
func newClient(url string) *terminal.Client {
	return &terminal.Client{Broker: url, Token: func() string { return localToken }}
}

// edge starts an edge and waits until the broker places tasks on it.
func (s *tomocast) edge(id string, args ...string) *program {
	s.t.Helper()
	p := s.launchEdge(id, args...)
	s.eventually("edge "+id+" is ready", func() bool { return s.node(id).State == signaling.NodeReady })
	return p
}

func (s *tomocast) launchEdge(id string, args ...string) *program {
	s.t.Helper()
	return launch(s.t, edgeProgram, nil, append([]string{"--broker", s.url, "--id", id, "--listen", "127.0.0.1:0", "--backend", "cpu"}, args...)...)
}

// onEachRedis runs a test on the embedded Redis and on a server. The test hands args to start.
func onEachRedis(t *testing.T, f func(t *testing.T, args ...string)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { t.Parallel(); f(t) })
	t.Run("redis-server", func(t *testing.T) { t.Parallel(); f(t, "--redis", "redis://"+redistest.Addr(t)) })
}

// eventually asks again until something is so, seldom enough for the broker's limit of requests.
func (s *tomocast) eventually(what string, is func() bool) {
	s.t.Helper()
	s.within(waitMost, what, is)
}

func (s *tomocast) within(most time.Duration, what string, is func() bool) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(most); !is(); <-tick.C {
		if time.Now().After(late) {
			s.t.Fatalf("in vain waited %v until %s", most, what)
		}
	}
}

// status is the HTTP status of a page that needs no identity, 0 where no answer comes.
func (s *tomocast) status(path string) int {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// ask sends a request to the API as this machine's user.
func (s *tomocast) ask(method, path string, body, answer any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	return s.client.Do(s.ctx, method, "/api/v1"+path, raw, nil, answer)
}

// get asks for something that must be there.
func get[T any](s *tomocast, path string) T {
	s.t.Helper()
	var v T
	if err := s.ask(http.MethodGet, path, nil, &v); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
	return v
}

// node is a node as the broker knows it; empty where it does not.
func (s *tomocast) node(id string) signaling.Node {
	var n signaling.Node
	_ = s.ask(http.MethodGet, "/nodes/"+id, nil, &n) // what is not there is waited for
	return n
}

// task is a task as the broker knows it; empty where it does not.
func (s *tomocast) task(id signaling.TaskID) signaling.Task {
	var t signaling.Task
	_ = s.ask(http.MethodGet, "/tasks/"+string(id), nil, &t)
	return t
}

// becomes waits until a task is in a state.
func (s *tomocast) becomes(id signaling.TaskID, state signaling.TaskState) signaling.Task {
	s.t.Helper()
	var last signaling.Task
	s.eventually("task "+string(id)+" is "+string(state), func() bool {
		last = s.task(id)
		return last.State == state
	})
	return last
}

// allFree waits until nothing of a node is taken.
func (s *tomocast) allFree(id string) {
	s.t.Helper()
	s.eventually("all resources of "+id+" are free", func() bool {
		n := s.node(id)
		return n.State == signaling.NodeReady && n.Free == n.Capacity
	})
}

// rendering asks for a session.
func rendering(series signaling.SeriesRef) signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.Rendering, Series: &series}
}

// submit asks for a task and must get a grant.
func (s *tomocast) submit(r signaling.TaskRequest) signaling.Grant {
	s.t.Helper()
	g, err := s.client.Submit(s.ctx, r, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

// place asks for a task until it comes to a node. What a broker chooses from in memory follows the pool within
// milliseconds, so the first one may still come to where there was room before.
func (s *tomocast) place(r signaling.TaskRequest, node string) signaling.Grant {
	s.t.Helper()
	var g signaling.Grant
	s.eventually("a task is placed on "+node, func() bool {
		var err error
		if g, err = s.client.Submit(s.ctx, r, ""); err != nil {
			wantProblem(s.t, err, signaling.ProblemNoFreeNode)
			return false
		}
		if string(g.Attempt.Node) != node {
			s.finish(g)
			return false
		}
		return true
	})
	return g
}

// full asks for a task until it is refused in these words, because the pool is full.
func (s *tomocast) full(r signaling.TaskRequest, words ...string) {
	s.t.Helper()
	var last error
	s.eventually(fmt.Sprintf("a task is refused as %q", words), func() bool {
		_, last = s.client.Submit(s.ctx, r, "")
		if last == nil {
			s.t.Fatal("a task is placed in a full pool")
		}
		for _, w := range words {
			if !strings.Contains(strings.ToLower(last.Error()), w) {
				return false
			}
		}
		return true
	})
	wantProblem(s.t, last, signaling.ProblemNoFreeNode, "try again")
}

// finish ends a task from outside.
func (s *tomocast) finish(g signaling.Grant) {
	s.t.Helper()
	if err := s.ask(http.MethodDelete, "/tasks/"+string(g.Task), nil, nil); err != nil {
		s.t.Fatal(err)
	}
}

// refused asks for a task and must be refused with a code and words.
func (s *tomocast) refused(r signaling.TaskRequest, code signaling.ProblemCode, words ...string) {
	s.t.Helper()
	_, err := s.client.Submit(s.ctx, r, "")
	wantProblem(s.t, err, code, words...)
}

// wantProblem checks that err is a problem with a code whose text has all words.
func wantProblem(t testing.TB, err error, code signaling.ProblemCode, words ...string) {
	t.Helper()
	var p *signaling.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v, want a problem %s", err, code)
	}
	if p.Code != code || p.Title == "" || p.Detail == "" {
		t.Errorf("problem %+v, want code %s, a title and a detail", p, code)
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(p.Error()), strings.ToLower(w)) {
			t.Errorf("problem %q does not say %q", p.Error(), w)
		}
	}
}
