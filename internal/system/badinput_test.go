package system

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// register opens an edge's link by hand, says r, and returns what the broker answers.
func (s *tomocast) register(r signaling.Register) signaling.Control {
	s.t.Helper()
	ws, _, err := websocket.DefaultDialer.DialContext(s.ctx, strings.Replace(s.url, "http", "ws", 1)+"/api/v1/edges/link",
		http.Header{"Authorization": {"Bearer " + edgeSecret}})
	if err != nil {
		s.t.Fatal(err)
	}
	link := signaling.NewConn(ws, signaling.MaxControl)
	s.t.Cleanup(func() { link.Close(websocket.CloseNormalClosure, "") })
	var c signaling.Control
	if err := link.Send(signaling.Control{Type: signaling.ControlRegister, Register: &r}); err != nil {
		s.t.Fatal(err)
	}
	if err := link.Receive(&c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// TestEdgesThatCannotBe: another version, impossible amounts, types and names are refused by the name of the field, and are
// not in the pool; the edge beside them is not disturbed.
func TestEdgesThatCannotBe(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("near")
		x := s.open()
		for name, c := range map[string]struct {
			change func(*signaling.Register)
			code   signaling.ProblemCode
			words  []string
		}{
			"another version":    {func(r *signaling.Register) { r.Version = signaling.ControlVersion + 1 }, signaling.ProblemUnsupported, []string{"version", "same version"}},
			"an older version":   {func(r *signaling.Register) { r.Version = 1 }, signaling.ProblemUnsupported, []string{"version 1"}},
			"negative amounts":   {func(r *signaling.Register) { r.Node.Capacity.CPUMilli = -1 }, signaling.ProblemBadRequest, []string{"capacity", "cpuMilli"}},
			"no amounts":         {func(r *signaling.Register) { r.Node.Capacity = signaling.Resources{} }, signaling.ProblemBadRequest, []string{"capacity"}},
			"amounts of no GPU":  {func(r *signaling.Register) { r.Node.Capacity.GPUMemoryMB = 1 << 40 }, signaling.ProblemBadRequest, []string{"gpuMemoryMB"}},
			"GPUs that are less": {func(r *signaling.Register) { r.Node.GPUs = []signaling.GPU{{MemoryMB: 1, Milli: 1}} }, signaling.ProblemBadRequest, []string{"gpus"}},
			"an unknown type":    {func(r *signaling.Register) { r.Node.Types = []signaling.TaskType{"cooking"} }, signaling.ProblemBadRequest, []string{"types", "cooking"}},
			"no name":            {func(r *signaling.Register) { r.Node.ID = "a b" }, signaling.ProblemBadRequest, []string{"id"}},
			"no network":         {func(r *signaling.Register) { r.Node.Networks = []string{"here"} }, signaling.ProblemBadRequest, []string{"networks[0]"}},
			"an unknown handling": {func(r *signaling.Register) {
				r.Node.Handling = map[signaling.TaskType]signaling.Handling{"rendering": "never"}
			}, signaling.ProblemBadRequest, []string{"handling"}},
		} {
			r := signaling.Register{Version: signaling.ControlVersion, Node: signaling.Node{ID: "stranger", Tier: signaling.TierEdge, State: signaling.NodeReady,
				Version: "test", Renderer: "none", Codecs: []string{"VP8"}, Types: []signaling.TaskType{signaling.Rendering},
				Capacity: signaling.Resources{GPUMemoryMB: 4096, GPUMilli: 1000, EncoderSessions: 4, CPUMilli: 4000, MemoryMB: 8192}}}
			c.change(&r)
			answer := s.register(r)
			if answer.Type != signaling.ControlError || answer.Problem == nil || answer.Problem.Code != c.code {
				t.Errorf("%s: %s %+v", name, answer.Type, answer.Problem)
				continue
			}
			for _, w := range c.words {
				if !strings.Contains(answer.Problem.Error(), w) {
					t.Errorf("%s: %q does not say %q", name, answer.Problem, w)
				}
			}
		}
		if err := s.ask(http.MethodGet, "/nodes/stranger", nil, nil); err == nil {
			t.Error("one of them is in the pool")
		}
		x.move()
	})
}

// TestTwoEdgesOfOneName: the second one is refused by name, at the first one's broker and at another; the first one is not
// disturbed, and its place is free when it has ended.
func TestTwoEdgesOfOneName(t *testing.T) {
	t.Parallel()
	bs := three(t)
	first := bs[0].edge("twin")
	bs[2].knows("twin")
	x := bs[2].open()
	for _, s := range []*tomocast{bs[0], bs[1]} {
		second := s.launchEdge("twin")
		second.says(`level=WARN msg="no link to the broker".*twin`)
		x.move()
		_ = second.stop()
	}
	if _, after, _ := strings.Cut(first.log.String(), "registered with the broker"); strings.Contains(after, "registered with the broker") {
		t.Error("the first one lost its link")
	}
	x.move()
	_ = first.stop()
	third := bs[1].launchEdge("twin")
	third.says(`registered with the broker`)
}

// TestTokensThatAreNone: without one, forged, expired, of another issuer, and for somebody else's broker.
func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	i, other := newIssuer(t), newIssuer(t)
	s := start(t, "--oidc-issuer", i.URL, "--oidc-audience", "tomocast")
	s.launchEdge("near").says("registered with the broker")
	good := i.token(t, "anna", nil)
	for name, token := range map[string]string{
		"none":            "",
		"forged":          good[:len(good)-4] + "AAAA",
		"expired":         i.token(t, "anna", func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
		"of another":      other.token(t, "anna", nil),
		"in its name":     other.token(t, "anna", func(c jwt.MapClaims) { c["iss"] = i.URL }),
		"for another":     i.token(t, "anna", func(c jwt.MapClaims) { c["aud"] = "billing" }),
		"of this machine": localToken,
		"of an edge":      edgeSecret,
	} {
		c := &terminal.Client{Broker: s.url, Token: func() string { return token }}
		_, err := c.Submit(s.ctx, rendering(chest), "")
		wantProblem(t, err, signaling.ProblemUnauthorized)
		if strings.Contains(s.broker.log.String(), token) && token != "" {
			t.Errorf("%s: the log has the token", name)
		}
	}
	c := &terminal.Client{Broker: s.url, Token: func() string { return good }}
	s.eventually("a good one is taken", func() bool {
		_, err := c.Submit(s.ctx, rendering(chest), "")
		return err == nil
	})
}

// TestRequestsThatCannotBe are refused with the name of the field.
func TestRequestsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	for body, field := range map[string]string{
		`{"type":"cooking"}`: "type",
		`{"type":"data-computation","resources":{"memoryMB":-1}}`:                 "memoryMB",
		`{"type":"data-computation","resources":{"gpuMilli":99999999999}}`:        "gpuMilli",
		`{"type":"data-computation","maxDistanceMs":-2}`:                          "maxDistanceMs",
		`{"type":"data-computation","zone":"a b"}`:                                "zone",
		`{"type":"data-computation","whenFull":"panic"}`:                          "whenFull",
		`{"type":"data-computation","handling":"never"}`:                          "handling",
		`{"type":"data-computation","pings":[{"node":"x","ms":-1}]}`:              "pings",
		`{"type":"data-computation","input":{"format":"x","bytes":0}}`:            "input",
		`{"type":"data-computation","input":{"format":"x","bytes":999999999999}}`: "input",
		`{"type":"rendering"}`: "series",
		`{"type":"rendering","series":{"studyInstanceUID":"1.2.a"}}`: "studyInstanceUID",
		`{"type":"data-computation","shadow":true}`:                  "shadow",
	} {
		err := s.client.Do(s.ctx, http.MethodPost, "/api/v1/tasks", []byte(body), nil, nil)
		wantProblem(t, err, signaling.ProblemBadRequest, field)
	}
	s.allFree("near")
}

// TestTenThousandRequestsInASecond of one terminal: they are refused by the limit, which is logged once, and another terminal
// is served meanwhile as before.
func TestTenThousandRequestsInASecond(t *testing.T) {
	t.Parallel()
	s, as := users(t)
	s.edge("near")
	anna := as("anna")
	place := func() {
		t.Helper()
		g, err := anna.Submit(s.ctx, rendering(chest), "")
		if err == nil {
			err = anna.Do(s.ctx, http.MethodDelete, "/api/v1/tasks/"+string(g.Task), nil, nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	place()
	flood := as("flood")
	flood.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer flood.HTTP.CloseIdleConnections()
	body := text(t, rendering(signaling.SeriesRef{StudyInstanceUID: unknownUID}))
	var flooding sync.WaitGroup
	var mu sync.Mutex
	answers := map[signaling.ProblemCode]int{}
	for range 16 {
		flooding.Go(func() {
			for range 10_000 / 16 {
				err := flood.Do(s.ctx, http.MethodPost, "/api/v1/tasks", body, nil, nil)
				code := signaling.ProblemCode("none")
				if p, ok := err.(*signaling.Problem); ok {
					code = p.Code
				}
				mu.Lock()
				answers[code]++
				mu.Unlock()
			}
		})
	}
	over := make(chan struct{})
	go func() { // ends with the flood, for which the test waits
		flooding.Wait()
		close(over)
	}()
	served := 0
	for done := false; !done; {
		select {
		case <-over:
			done = true
		default:
			if served < 30 { // anna has her own limit
				place()
				served++
			} else {
				<-over
			}
		}
	}
	if served == 0 || answers[signaling.ProblemRateLimited] < 9000 || answers["none"] > 0 {
		t.Errorf("%d requests of another terminal were served; the flood got %v", served, answers)
	}
	if n := strings.Count(s.broker.log.String(), `msg="requests are refused: one asks too often"`); n != 1 {
		t.Errorf("the burst is logged %d times", n)
	}
}
