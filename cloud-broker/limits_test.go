package main

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/signaling"
)

// TestTenThousandRequestsOfOneTerminal refuses them but for the first, says so in the log once, and serves another
// terminal all the while.
func TestTenThousandRequestsOfOneTerminal(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast")
	b.join(newNode("near"))
	wild, calm := "Bearer "+token("anna"), "Bearer "+token("bert")
	const requests, at = 10_000, 16
	var left, served, refused atomic.Int64
	left.Store(requests)
	var all sync.WaitGroup
	half := make(chan struct{})
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: at}}
	defer client.CloseIdleConnections()
	for range at {
		all.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				if n == requests/2 {
					close(half)
				}
				req, err := http.NewRequestWithContext(t.Context(), "POST", b.url+"/api/v1/tasks", strings.NewReader(rendering))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", wild)
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				switch {
				case resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "" && resp.Header.Get("Content-Type") == "application/problem+json":
					refused.Add(1)
				case resp.StatusCode == 201 || resp.StatusCode == 503: // the pool is soon full
					served.Add(1)
				default:
					t.Errorf("%s %v", resp.Status, resp.Header)
				}
				resp.Body.Close()
			}
		})
	}
	// In the middle of it, the other asks as often as a page does.
	<-half
	for i := range 20 {
		if r := b.do("GET", "/api/v1/session", "", "Authorization", calm); r.status != 200 {
			t.Errorf("the other's request %d: %d %s", i, r.status, r.body)
		}
	}
	r := b.do("POST", "/api/v1/tasks", waits, "Authorization", calm)
	if r.status != 201 && r.status != 202 {
		t.Errorf("the other's task: %d %s", r.status, r.body)
	}
	all.Wait()
	if served.Load()+refused.Load() != requests || refused.Load() < requests/2 {
		t.Errorf("%d served, %d refused", served.Load(), refused.Load())
	}
	text := b.logs.String()
	if n := strings.Count(text, "one asks too often"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	if strings.Contains(text, "status=429") || strings.Contains(text, "anna") {
		t.Error("the log has each refused request, or who made them")
	}
}

// TestABurstOfGuessesIsLoggedOnce has an address that tries tokens.
func TestABurstOfGuessesIsLoggedOnce(t *testing.T) {
	b := start(t)
	counts := map[int]int{}
	for i := range 200 {
		counts[b.do("GET", "/api/v1/session", "", "Authorization", fmt.Sprint("Bearer guess-", i)).status]++
	}
	if counts[401] < 30 || counts[429] < 100 || len(counts) != 2 {
		t.Errorf("%v", counts)
	}
	if n := strings.Count(b.logs.String(), "without a valid credential"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	if r := b.ask("GET", "/api/v1/session", ""); r.status != 200 {
		t.Errorf("who has the token at the same address: %d", r.status)
	}
}

// TestWhatIsWrongIsNamed sends requests of which one field cannot be, and wants that field in the problem.
func TestWhatIsWrongIsNamed(t *testing.T) {
	b := start(t)
	b.join(newNode("near"))
	for body, field := range map[string]string{
		`{"type":"cooking"}`: "body.type",
		`{}`:                 "body",
		`{"type":"data-computation","resources":{"gpuMemoryMB":-1}}`:                                                  "body.resources.gpuMemoryMB",
		`{"type":"data-computation","resources":{"cpuMilli":99999999999}}`:                                            "body.resources.cpuMilli",
		`{"type":"data-computation","resources":{"memoryMB":"much"}}`:                                                 "body.resources.memoryMB",
		`{"type":"data-computation","zone":"ward 3"}`:                                                                 "body.zone",
		`{"type":"data-computation","zone":"` + strings.Repeat("z", 64) + `"}`:                                        "body.zone",
		`{"type":"data-computation","maxDistanceMs":-1}`:                                                              "body.maxDistanceMs",
		`{"type":"data-computation","whenFull":"wait"}`:                                                               "body.whenFull",
		`{"type":"data-computation","handling":"ask"}`:                                                                "body.handling",
		`{"type":"data-computation","pings":[{"node":"a b","ms":1}]}`:                                                 "body.pings[0].node",
		`{"type":"data-computation","pings":[{"node":"a","ms":-1}]}`:                                                  "body.pings[0].ms",
		`{"type":"data-computation","pings":[` + strings.Repeat(`{"node":"a","ms":1},`, 16) + `{"node":"a","ms":1}]}`: "body.pings",
		`{"type":"data-computation","shadow":true}`:                                                                   "body.shadow",
		`{"type":"data-computation","input":{"format":"x","bytes":2147483648}}`:                                       "body.input.bytes",
		`{"type":"data-computation","local":{"reason":"` + strings.Repeat("x", 301) + `"}}`:                           "body.local",
		`{"type":"data-computation","parameters":"` + strings.Repeat("x", 70<<10) + `"}`:                              "body.parameters",
		`{"type":"rendering","series":{"studyInstanceUID":"x"}}`:                                                      "body.series",
		`{"type":"rendering"}`: "body.series",
		`{"type":"data-computation","resources":{"gpuMemoryMB":99999999999999999999}}`: "body.resources.gpuMemoryMB",
	} {
		r := b.ask("POST", "/api/v1/tasks", body)
		var p struct {
			Code   signaling.ProblemCode
			Errors []struct{ Location string }
		}
		if err := json.Unmarshal(r.body, &p); err != nil || (r.status != 400 && r.status != 422) || p.Code != signaling.ProblemBadRequest ||
			len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, field) {
			t.Errorf("%.100s: %d %s, want %s", body, r.status, r.body, field)
		}
	}
	for query, field := range map[string]string{
		"?type=cooking": "query.type", "?zone=a%20b": "query.zone", "?limit=0": "query.limit", "?limit=65": "query.limit", "?zonee=a": "zonee",
	} {
		if r := b.ask("GET", "/api/v1/edges"+query, ""); r.status != 422 || !strings.Contains(string(r.body), field) {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	for body, field := range map[string]string{
		`{"pings":[]}`:                                 "body.pings",
		`{"pings":[{"node":"a b","ms":1}]}`:            "body.pings[0].node",
		`{"zone":"a b","pings":[{"node":"a","ms":1}]}`: "body.zone",
	} {
		if r := b.ask("POST", "/api/v1/edges/pings", body); (r.status != 400 && r.status != 422) || !strings.Contains(string(r.body), field) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

// TestTokensThatAreNotTaken has every kind of token that is not this broker's users'.
func TestTokensThatAreNotTaken(t *testing.T) {
	url, sign := signer(t)
	elsewhere, signElsewhere := signer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-urgent", "stroke-team")
	e := b.join(newNode("near"))
	claims := func(change jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"iss": url, "aud": "tomocast", "sub": "anna", "exp": time.Now().Add(time.Minute).Unix()}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	good := sign(claims(nil))
	ask := func(token, body string) reply {
		return b.do("POST", "/api/v1/tasks", body, "Authorization", "Bearer "+token)
	}
	g := decode[signaling.Grant](t, ask(good, rendering), 201)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := signaling.SignTerminalToken(key, signaling.TerminalClaims{}, "anna", time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	near := decode[signaling.NearEdges](t, b.do("GET", "/api/v1/edges", "", "Authorization", "Bearer "+good), 200)
	for name, token := range map[string]string{
		"none":                        "",
		"forged":                      good[:len(good)-8] + "AAAAAAAA",
		"expired":                     sign(claims(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})),
		"for another audience":        sign(claims(jwt.MapClaims{"aud": "mail"})),
		"of another issuer":           signElsewhere(claims(jwt.MapClaims{"iss": elsewhere})),
		"of another issuer's key":     signElsewhere(claims(nil)),
		"of another pool":             foreign,
		"a grant's":                   g.Token,
		"one for edges":               near.Token,
		"an edge's secret":            edgeSecret,
		"the one of a machine's user": localToken,
		"a study's credential":        receive(t, "the instruction", e.instructions).Source.Bearer,
		"far too long":                strings.Repeat("a", 20<<10),
	} {
		r := ask(token, rendering)
		if p := r.problem(t); r.status != 401 || p.Code != signaling.ProblemUnauthorized || r.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %+v", name, r.status, p)
		}
	}
	urgent := body(`"urgent":true`)
	if r := ask(good, urgent); r.status != 403 || r.problem(t).Code != signaling.ProblemForbidden || !strings.Contains(string(r.body), "urgent") {
		t.Errorf("urgent without the right: %d %s", r.status, r.body)
	}
	if r := ask(sign(claims(jwt.MapClaims{"sub": "vera", "groups": []string{"stroke-team"}})), urgent); r.status != 201 {
		t.Errorf("urgent with the right: %d %s", r.status, r.body)
	}
	who := decode[struct {
		Urgent bool
		Zone   string
	}](t, b.do("GET", "/api/v1/session", "", "Authorization", "Bearer "+sign(claims(jwt.MapClaims{"roles": "stroke-team", "tomocast_zone": "ward-3"}))), 200)
	if !who.Urgent || who.Zone != "ward-3" {
		t.Errorf("%+v", who)
	}
}

// TestA3ATerminalBehindAProxyIsFoundByItsOwnAddress has a proxy that is trusted and one that is not.
func TestA3ATerminalBehindAProxyIsFoundByItsOwnAddress(t *testing.T) {
	places := written(t, "sites.yaml", "sites:\n  - name: north\n    zones: [ward-3]\n    networks: [10.1.2.0/24]\n    max-distance-ms: 15\n")
	trusting, plain := start(t, "--sites", places, "--trusted-proxies", "127.0.0.0/8"), start(t, "--sites", places)
	zone := func(b *running, forwarded string) string {
		near := decode[signaling.NearEdges](t, b.ask("GET", "/api/v1/edges", "", "X-Forwarded-For", forwarded), 200)
		if (near.Zone != "") != (near.MaxDistanceMs == 15) || near.Edges == nil || near.Token == "" {
			t.Errorf("%+v", near)
		}
		return near.Zone
	}
	for forwarded, want := range map[string]string{
		"10.1.2.7": "ward-3", "10.9.9.9, 10.1.2.7": "ward-3", "10.1.2.7, 10.9.9.9": "", "10.1.2.7, 127.0.0.1": "ward-3", "nonsense": "",
	} {
		if got := zone(trusting, forwarded); got != want {
			t.Errorf("%s: %q, want %q", forwarded, got, want)
		}
		if got := zone(plain, forwarded); got != "" {
			t.Errorf("%s is believed of anyone", forwarded)
		}
	}
	x := decode[dispatch.Explained](t, plain.ask("POST", "/api/v1/explain", `{"request":{"type":"rendering"},"address":"10.1.2.200"}`), 200)
	if x.Site != "north" || x.Zone != "ward-3" || x.MaxDistanceMs != 15 {
		t.Errorf("%+v", x)
	}
}

// TestA3PingsOfATerminalAreKeptForItsZone tells the broker round trips outside of a request.
func TestA3PingsOfATerminalAreKeptForItsZone(t *testing.T) {
	eachRedis(t, func(t *testing.T, args ...string) {
		b := start(t, args...)
		b.join(newNode("near"))
		if r := b.ask("POST", "/api/v1/edges/pings", `{"zone":"ward-3","pings":[{"node":"near","ms":4.5},{"node":"unknown","ms":3}]}`); r.status != 204 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		b.eventually("they are kept", func() bool {
			known, err := b.pooled.Load().Pings(t.Context())
			return err == nil && known["ward-3"]["near"] == 4.5
		})
	})
}
