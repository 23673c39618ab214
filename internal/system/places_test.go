package system

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// file writes a file of a test.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// places are three zones: terminals of 10.1.0.0/16 stand in ward.
const places = `sites:
  - name: hospital
    zones: [ward, lab]
    networks: [10.1.0.0/16]
    LIMITS
  - name: elsewhere
    zones: [far]
distances:
  between:
    - {zones: [ward, lab], ms: 4}
  elsewhere-ms: 30
  cloud: {ward: 25}
`

func sitesFile(t testing.TB, limits string) string {
	return file(t, "sites.yaml", strings.Replace(places, "LIMITS", limits, 1))
}

// behind is a terminal at address behind a reverse proxy that the broker trusts. By its own address a terminal of this machine
// is in the local network of all edges.
type behind string

func (b behind) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(b))
	return http.DefaultTransport.RoundTrip(r)
}

const proxied = "127.0.0.0/8"

// TestA3Distance: by configuration, with the terminal's place by its address, by what the request says and by its token;
// by ping, its own and what others of its zone have measured. Only a node nearer than the cloud is an edge.
func TestA3Distance(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, append(args, "--sites", sitesFile(t, "when-full: refuse"), "--trusted-proxies", proxied)...)
		s.client.HTTP = &http.Client{Transport: behind("10.1.2.3")}
		s.edge("in-ward", "--zone", "ward", "--distance", "1")
		s.edge("in-lab", "--zone", "lab", "--distance", "1")
		s.edge("beyond", "--zone", "far", "--distance", "1")
		r := rendering(chest)
		on := func(what string, want string) {
			t.Helper()
			if g := s.place(r, want); !slices.ContainsFunc(g.Terms, func(term signaling.Term) bool { return term.Name == "distance" }) {
				t.Errorf("%s: %+v", what, g.Terms)
			} else {
				s.finish(g)
			}
		}
		on("by its address", "in-ward")
		r.Zone = "lab"
		on("by its own word", "in-lab")
		r.Zone = ""
		r.Pings = []signaling.Ping{{Node: "in-lab", Ms: 0.2}, {Node: "in-ward", Ms: 9}}
		on("by its own ping", "in-lab")
		r.Pings = nil
		// What its history counts against a node is beside the point here.
		out := ""
		s.eventually("what was measured is remembered for the zone", func() bool {
			var errs string
			var status int
			if out, errs, status = s.pool("explain", "--type", "rendering", "--zone", "ward"); status != 0 {
				t.Fatalf("explain: %s%s", out, errs)
			}
			return regexp.MustCompile(`in-lab .*\b0\.2 ms +remembered`).MatchString(out) && regexp.MustCompile(`in-ward .*\b9 ms +remembered`).MatchString(out)
		})
		if !regexp.MustCompile(`beyond .*no nearer than the cloud`).MatchString(out) {
			t.Errorf("explain says: %s", out)
		}
	})
}

// TestA7LimitOfASite: the site's threshold bounds its terminals, one of the request only more; within it any edge is taken.
func TestA7LimitOfASite(t *testing.T) {
	t.Parallel()
	s := start(t, "--sites", sitesFile(t, "max-distance-ms: 3"), "--trusted-proxies", proxied)
	s.client.HTTP = &http.Client{Transport: behind("10.1.2.3")}
	s.edge("in-lab", "--zone", "lab", "--distance", "1")
	r := rendering(chest)
	s.full(r, "1 is too far away")
	r.MaxDistanceMs = 10
	s.full(r, "1 is too far away")
	s.edge("in-ward", "--zone", "ward", "--distance", "2", "--max-sessions", "1")
	r.MaxDistanceMs = 1
	s.full(r, "2 are too far away")
	r.MaxDistanceMs = 0
	s.place(r, "in-ward")
	if near := s.near(signaling.Rendering); near.Zone != "ward" || near.MaxDistanceMs != 3 {
		t.Errorf("%+v", near)
	}
}

// TestA8DataThatStays: where a site's data must not leave it, neither another site's edge nor the cloud executes, however
// near and free; the request is refused by name, or waits for the site's own edge.
func TestA8DataThatStays(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, append(args, "--sites", sitesFile(t, "data-stays: true"), "--trusted-proxies", proxied)...)
		s.client.HTTP = &http.Client{Transport: behind("10.1.2.3")}
		s.edge("in-ward", "--zone", "ward", "--max-sessions", "1")
		s.edge("beyond", "--zone", "far")
		s.edge("cloud", "--tier", "cloud")
		first := s.place(rendering(chest), "in-ward")
		s.eventually("it is refused by the policy's name", func() bool {
			g, err := s.client.Submit(s.ctx, rendering(chest), "")
			if err == nil {
				t.Fatalf("placed on %s", g.Attempt.Node)
			}
			wantProblem(t, err, signaling.ProblemStays, "hospital")
			return true
		})
		r := rendering(chest)
		r.WhenFull = signaling.WhenFullQueue
		waits := s.queue(s.client, r)
		if p := waits.pending(); p.Queue == nil || p.Queue.Position != 1 || p.Queue.Length != 1 || p.Reason == "" {
			t.Errorf("%+v", p)
		}
		s.finish(first)
		if g := waits.grant(); g.Attempt.Node != "in-ward" {
			t.Errorf("%+v", g)
		}
	})
}

// waiting is a request that may wait.
type waiting struct {
	t    testing.TB
	told chan signaling.Pending
	over chan struct{}

	place terminal.Place
	err   error
}

// queue sends a request that may wait.
func (s *tomocast) queue(c *terminal.Client, r signaling.TaskRequest) *waiting {
	s.t.Helper()
	w := &waiting{t: s.t, told: make(chan signaling.Pending, 64), over: make(chan struct{})}
	ctx, cancel := context.WithTimeout(s.ctx, 2*waitMost)
	var asking sync.WaitGroup
	asking.Go(func() {
		defer close(w.over)
		w.place, w.err = c.Place(ctx, r, terminal.PlaceOptions{Waiting: func(p signaling.Pending) {
			select {
			case w.told <- p:
			default:
			}
		}})
	})
	s.t.Cleanup(func() { cancel(); asking.Wait() })
	return w
}

// pending waits until the request is told that it waits.
func (w *waiting) pending() signaling.Pending {
	w.t.Helper()
	select {
	case p := <-w.told:
		return p
	case <-w.over:
		w.t.Fatalf("it does not wait: %+v, %v", w.place, w.err)
	case <-time.After(waitMost):
		w.t.Fatal("in vain waited for the queue")
	}
	panic("not reached")
}

// at waits until it stands at a place of the queue.
func (w *waiting) at(position int) {
	w.t.Helper()
	for {
		if p := w.pending(); p.Queue != nil && p.Queue.Position == position {
			return
		}
	}
}

// grant waits for the place.
func (w *waiting) grant() signaling.Grant {
	w.t.Helper()
	select {
	case <-w.over:
	case <-time.After(2 * waitMost):
		w.t.Fatal("in vain waited for a place")
	}
	if w.err != nil {
		w.t.Fatal(w.err)
	}
	return w.place.Grant
}

// users are a broker for users of an issuer; doctor may ask urgently.
func users(t *testing.T, args ...string) (s *tomocast, as func(subject string) *terminal.Client) {
	t.Helper()
	i := newIssuer(t)
	s = start(t, append([]string{"--oidc-issuer", i.URL, "--oidc-audience", "tomocast", "--oidc-operators", "admin", "--oidc-urgent", "doctor"}, args...)...)
	as = func(subject string) *terminal.Client {
		token := i.token(t, subject, nil)
		return &terminal.Client{Broker: s.url, Token: func() string { return token }}
	}
	s.client = as("admin")
	return s, as
}

// TestQueueIsFair: who waits hears where it stands; one who asks for much does not delay others beyond its share; an urgent
// request goes first, and is a right.
func TestQueueIsFair(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s, as := users(t, args...)
		s.edge("near", "--max-sessions", "1")
		r := rendering(chest)
		r.WhenFull = signaling.WhenFullQueue
		first := s.submit(r)
		flood := as("flood")
		first1, first2 := s.queue(flood, r), (*waiting)(nil)
		first1.at(1)
		first2 = s.queue(flood, r)
		first2.at(2)
		other := s.queue(as("anna"), r)
		other.at(2) // before the second one of who asked twice
		first2.at(3)
		urgent := r
		urgent.Urgent = true
		_, err := as("anna").Place(s.ctx, urgent, terminal.PlaceOptions{})
		wantProblem(t, err, signaling.ProblemForbidden, "urgent")
		doctor := s.queue(as("doctor"), urgent)
		doctor.at(1)
		done := first
		for i, next := range []*waiting{doctor, first1, other, first2} {
			s.finish(done)
			done = next.grant()
			if done.Attempt.Node != "near" {
				t.Errorf("number %d: %+v", i, done)
			}
		}
	})
}

// TestUrgentEndsAnIdleSession: where nothing is free the session that has been idle the longest makes room, and its
// terminal hears why.
func TestUrgentEndsAnIdleSession(t *testing.T) {
	t.Parallel()
	s, as := users(t)
	s.edge("near", "--max-sessions", "1")
	anna := as("anna")
	g, err := anna.Submit(s.ctx, rendering(chest), "")
	if err != nil {
		t.Fatal(err)
	}
	operator := s.client
	s.client = anna
	x := s.connect(g, terminal.Options{})
	s.client = operator
	r := rendering(chest)
	r.Urgent, r.WhenFull = true, signaling.WhenFullQueue
	doctor := s.queue(as("doctor"), r)
	if p := x.ending(); p.Code != signaling.ProblemPreempted {
		t.Errorf("the terminal is told %+v", p)
	}
	if g := doctor.grant(); g.Attempt.Node != "near" {
		t.Errorf("%+v", g)
	}
}

// TestUrgentMayNotBeTakenByAToken: a token that says so itself, but not as the broker is configured, has no such right.
func TestUrgentMayNotBeTakenByAToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := start(t, "--oidc-issuer", i.URL, "--oidc-audience", "tomocast")
	token := i.token(t, "anna", func(c jwt.MapClaims) { c["urgent"], c["roles"] = true, []string{"doctor"} })
	c := &terminal.Client{Broker: s.url, Token: func() string { return token }}
	r := rendering(chest)
	r.Urgent = true
	err := c.Do(s.ctx, http.MethodPost, "/api/v1/tasks", text(t, r), nil, nil)
	wantProblem(t, err, signaling.ProblemForbidden, "urgent")
}
