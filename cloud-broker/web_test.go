package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

func TestThePageOpensWithoutAsking(t *testing.T) {
	b := start(t)
	page := b.get("/viewer?StudyInstanceUIDs=1.2.3")
	if page.status != 200 || !strings.Contains(string(page.body), "Tomocast") || !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors 'self'") {
		t.Fatalf("%d %v", page.status, page.header)
	}
	cookie, _, _ := strings.Cut(page.header.Get("Set-Cookie"), ";")
	own := "http://" + strings.TrimPrefix(b.url, "http://")
	if r := b.do("GET", "/api/v1/studies", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); r.status != 200 {
		t.Errorf("the page's own request: %d %s", r.status, r.body)
	}
	if r := b.do("POST", "/api/v1/tasks", rendering, "Cookie", cookie, "Origin", own); r.problem(t).Code != signaling.ProblemNoFreeNode {
		t.Errorf("the page's own request for a session: %d %s", r.status, r.body)
	}
	for name, r := range map[string]reply{
		"nobody":                 b.get("/api/v1/studies"),
		"wrong token":            b.do("GET", "/api/v1/studies", "", "Authorization", "Bearer wrong"),
		"an edge's secret":       b.do("GET", "/api/v1/studies", "", "Authorization", "Bearer "+edgeSecret),
		"description":            b.get("/api/v1/openapi.json"),
		"unknown, by nobody":     b.get("/api/v1/nothing"),
		"metrics":                b.get("/metrics"),
		"DICOMweb":               b.get("/dicom-web/studies"),
		"session of a foreigner": b.do("GET", "/api/v1/session", "", "Origin", "https://evil.example"),
	} {
		if r.status != 401 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for name, r := range map[string]reply{
		"another port's page": b.do("POST", "/api/v1/tasks", rendering, "Cookie", cookie, "Origin", "http://localhost:1"),
		"no origin":           b.do("POST", "/api/v1/tasks", rendering, "Cookie", cookie),
	} {
		if p := r.problem(t); r.status != 403 || p.Code != signaling.ProblemForbidden {
			t.Errorf("%s: %d %+v", name, r.status, p)
		}
	}
	// A page that was open while the broker was started anew.
	who := b.do("GET", "/api/v1/session", "", "Cookie", strings.Split(cookie, "=")[0]+"=old", "Sec-Fetch-Site", "same-origin")
	if who.status != 200 || who.header.Get("Set-Cookie") == "" || !strings.Contains(string(who.body), `"subject":"local"`) {
		t.Errorf("%d %v %s", who.status, who.header, who.body)
	}
	// A name that was made to lead here (DNS rebinding).
	req := httptest.NewRequest("GET", b.url+"/", nil)
	req.RequestURI, req.Host = "", "evil.example"
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Set-Cookie") != "" {
		t.Error("a page of a foreign name gets the cookie")
	}
}

func TestTheViewersFiles(t *testing.T) {
	b := start(t)
	plain := b.get("/assets/index-1234.js")
	if !strings.Contains(plain.header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(plain.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%v", plain.header)
	}
	zipped := b.do("GET", "/assets/index-1234.js", "", "Accept-Encoding", "br, gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(plain.body) {
		t.Errorf("%v", zipped.header)
	}
	page := b.get("/")
	if page.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v", page.header)
	}
	if again := b.do("GET", "/", "", "If-None-Match", page.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("asked again: %d", again.status)
	}
	if r := b.do("POST", "/", "x"); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}

func TestPagesOfOtherOrigins(t *testing.T) {
	const allowed, foreign = "https://portal.example.org", "https://evil.example"
	b := start(t, "--allowed-origins", allowed+"/")
	preflight := func(origin string) http.Header {
		return b.do("OPTIONS", "/api/v1/tasks", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key").header
	}
	if h := preflight(allowed); h.Get("Access-Control-Allow-Origin") != allowed || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("%v", h)
	}
	if h := preflight(foreign); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("%v", h)
	}
	r := b.ask("GET", "/api/v1/studies", "", "Origin", allowed)
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != allowed || r.header.Get("Access-Control-Allow-Credentials") != "" ||
		!slices.Contains(r.header.Values("Vary"), "Origin") {
		t.Errorf("%d %v", r.status, r.header)
	}
	// The problem is readable for the page too.
	if r := b.do("GET", "/api/v1/studies", "", "Origin", allowed); r.status != 401 || r.header.Get("Access-Control-Allow-Origin") != allowed {
		t.Errorf("%d %v", r.status, r.header)
	}
	if h := b.get("/viewer").header.Get("Content-Security-Policy"); !strings.Contains(h, "frame-ancestors 'self' "+allowed) {
		t.Error(h)
	}
}

func TestStudiesAreListedAndSearched(t *testing.T) {
	b := start(t)
	type page struct {
		Studies []source.StudySummary
		Total   int
	}
	all := decode[page](t, b.ask("GET", "/api/v1/studies", ""), 200)
	if all.Total != 2 || len(all.Studies) != 2 || all.Studies[0].Source != "local" {
		t.Errorf("%+v", all)
	}
	if p := decode[page](t, b.ask("GET", "/api/v1/studies?limit=1&offset=1", ""), 200); p.Total != 2 || len(p.Studies) != 1 || p.Studies[0].StudyInstanceUID != all.Studies[1].StudyInstanceUID {
		t.Errorf("%+v", p)
	}
	if p := decode[page](t, b.ask("GET", "/api/v1/studies?studyInstanceUID="+study, ""), 200); p.Total != 1 || p.Studies[0].SeriesCount != 3 {
		t.Errorf("%+v", p)
	}
	if p := decode[page](t, b.ask("GET", "/api/v1/studies?search=nobodyofthisname", ""), 200); p.Total != 0 || p.Studies == nil {
		t.Errorf("%+v", p)
	}
	found := decode[struct{ Series []source.SeriesSummary }](t, b.ask("GET", "/api/v1/studies/"+study+"/series", ""), 200).Series
	i := slices.IndexFunc(found, func(s source.SeriesSummary) bool { return s.SeriesInstanceUID == series })
	if len(found) != 3 || i < 0 || !found[i].Volume || found[i].InstanceCount != 4 {
		t.Errorf("%+v", found)
	}
	for _, query := range []string{"?limit=0", "?limit=5000", "?offset=-1", "?serach=x", "?limit=many"} {
		if r := b.ask("GET", "/api/v1/studies"+query, ""); r.status != 422 || r.problem(t).Code != signaling.ProblemBadRequest {
			t.Errorf("%s: %d", query, r.status)
		}
	}
	if r := b.ask("GET", "/api/v1/studies/no-uid/series", ""); r.status != 400 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestTheDescriptionCoversTheAPI(t *testing.T) {
	b := start(t)
	var doc struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	r := b.ask("GET", "/api/v1/openapi.json", "")
	if err := json.Unmarshal(r.body, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%v: %.300s", err, r.body)
	}
	for path, methods := range map[string][]string{
		"/sources": {"get"}, "/studies": {"get"}, "/patients": {"get"}, "/studies/{study}": {"delete"}, "/studies/{study}/series": {"get"},
		"/studies/{study}/series/{series}/thumbnail": {"get"}, "/prefetch": {"post"},
		"/tasks": {"get", "post"}, "/tasks/{task}": {"get", "delete"},
		"/tasks/{task}/grant": {"post"}, "/nodes": {"get"}, "/nodes/{node}": {"get"}, "/nodes/{node}/drain": {"post"}, "/history": {"get"}, "/session": {"get"},
	} {
		for _, m := range methods {
			if doc.Paths[path][m] == nil {
				t.Errorf("no %s %s", m, path)
			} else if !strings.Contains(string(doc.Paths[path][m]), "application/problem+json") {
				t.Errorf("%s %s answers errors as something else", m, path)
			}
		}
	}
}

func TestMetricsAreForWhoMayReadThem(t *testing.T) {
	b := start(t, "--metrics-secret-file", secretFile(t, "for-the-collector"))
	b.join(newNode("near"))
	b.submit()
	r := b.do("GET", "/metrics", "", "Authorization", "Bearer for-the-collector")
	for _, want := range []string{"tomocast_edges_linked 1", "tomocast_nodes{state=\"ready\"} 1", `tomocast_grants_total{answer="edge-assigned",type="rendering"} 1`,
		`tomocast_http_requests_total{route="POST /api/v1/tasks",status="201"} 1`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("no %q in %d %.200s", want, r.status, r.body)
		}
	}
	if r := b.do("GET", "/metrics", "", "Authorization", "Bearer for-anyone"); r.status != 401 {
		t.Errorf("%d", r.status)
	}
}

func TestWhoAsksTooOftenWaits(t *testing.T) {
	b := start(t)
	limited := false
	for range 400 {
		if r := b.ask("GET", "/api/v1/session", ""); r.status == 429 {
			limited = r.problem(t).Code == signaling.ProblemRateLimited && r.header.Get("Retry-After") != ""
			break
		}
	}
	if !limited {
		t.Error("no limit after 400 requests")
	}
	if r := b.get("/healthz"); r.status != 200 {
		t.Errorf("health: %d", r.status)
	}
}

// issuer is an OpenID Connect issuer that signs what the test asks for.
func issuer(t testing.TB) (url string, token func(subject string, groups ...string) string) {
	url, sign := signer(t)
	return url, func(subject string, groups ...string) string {
		return sign(jwt.MapClaims{"iss": url, "aud": "tomocast", "sub": subject, "groups": groups, "exp": time.Now().Add(time.Minute).Unix()})
	}
}

// signer is an OpenID Connect issuer that signs any claims.
func signer(t testing.TB) (url string, sign func(jwt.MapClaims) string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	answer := func(path string, v any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	answer("/.well-known/openid-configuration", map[string]any{"issuer": s.URL, "jwks_uri": s.URL + "/keys", "authorization_endpoint": s.URL, "token_endpoint": s.URL})
	b64 := base64.RawURLEncoding.EncodeToString
	answer("/keys", map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "kid": "1", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	return s.URL, func(claims jwt.MapClaims) string {
		j := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
		j.Header["kid"] = "1"
		signed, err := j.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
}

func TestWithAnIssuerEveryoneHasTheirOwnTasks(t *testing.T) {
	url, token := issuer(t)
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-operators", "admins")
	e := b.join(newNode("near"))
	as := func(subject, method, path, body string, groups ...string) reply {
		return b.do(method, path, body, "Authorization", "Bearer "+token(subject, groups...))
	}
	if r := b.get("/"); r.status != 200 || r.header.Get("Set-Cookie") != "" {
		t.Errorf("the page: %d %v", r.status, r.header)
	}
	if r := b.ask("GET", "/api/v1/studies", ""); r.status != 401 || r.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("the local token: %d", r.status)
	}
	g := decode[signaling.Grant](t, as("anna", "POST", "/api/v1/tasks", rendering), 201)
	if i := receive(t, "the instruction", e.instructions); i.Creator != "anna" {
		t.Errorf("creator %q", i.Creator)
	}
	path := "/api/v1/tasks/" + string(g.Task)
	for _, c := range []struct {
		subject, method, path string
		groups                []string
		status                int
	}{
		{"anna", "GET", path, nil, 200},
		{"anna", "POST", path + "/grant", nil, 200},
		{"bert", "GET", path, nil, 404},
		{"bert", "DELETE", path, nil, 404},
		{"bert", "POST", path + "/grant", nil, 404},
		{"bert", "GET", "/api/v1/nodes", nil, 403},
		{"bert", "GET", "/api/v1/history", nil, 403},
		{"bert", "GET", "/metrics", nil, 403},
		{"bert", "POST", "/api/v1/nodes/near/drain", nil, 403},
		{"carla", "GET", path, []string{"admins"}, 200},
		{"carla", "POST", path + "/grant", []string{"admins"}, 404}, // an operator hosts nobody's session
		{"carla", "GET", "/api/v1/nodes", []string{"admins"}, 200},
		{"carla", "DELETE", path, []string{"admins"}, 200},
	} {
		if r := as(c.subject, c.method, c.path, "", c.groups...); r.status != c.status {
			t.Errorf("%s %s %s: %d, want %d: %s", c.subject, c.method, c.path, r.status, c.status, r.body)
		}
	}
	if n := decode[struct{ Tasks []signaling.Task }](t, as("bert", "GET", "/api/v1/tasks", ""), 200); len(n.Tasks) != 0 {
		t.Errorf("%+v", n)
	}
	if n := decode[struct{ Nodes []pool.NodeStatus }](t, as("carla", "GET", "/api/v1/nodes", "", "admins"), 200); len(n.Nodes) != 1 || n.Nodes[0].SeenAt.IsZero() {
		t.Errorf("%+v", n)
	}
	// The same key of another person is another request.
	one := b.do("POST", "/api/v1/tasks", rendering, "Authorization", "Bearer "+token("anna"), "Idempotency-Key", "k")
	two := b.do("POST", "/api/v1/tasks", rendering, "Authorization", "Bearer "+token("bert"), "Idempotency-Key", "k")
	if decode[signaling.Grant](t, one, 201).Task == decode[signaling.Grant](t, two, 201).Task {
		t.Error("two people share a task by its key")
	}
}

// TestLogsHoldNoPatientData does what there is to do, and looks for what must not be in the log, at its finest level.
func TestLogsHoldNoPatientData(t *testing.T) {
	b := start(t, "--log-format", "json", "--edge-secrets", secretFile(t, "room-1 secret-of-room-one-alone"))
	e := b.join(newNode("near"))
	summary := decode[struct{ Studies []source.StudySummary }](t, b.ask("GET", "/api/v1/studies?search="+study, ""), 200)
	_ = summary
	b.ask("GET", "/api/v1/studies?patientName=Doe%5EJane&search=Jane&sort=name", "")
	b.ask("GET", "/api/v1/patients?patientID=Jane&source=local", "")
	b.ask("GET", "/api/v1/studies/"+study+"/series/"+series+"/thumbnail", "")
	b.ask("POST", "/api/v1/prefetch", prefetchBody)
	b.ask("DELETE", "/api/v1/studies/"+study, "")
	all := decode[struct{ Studies []source.StudySummary }](t, b.ask("GET", "/api/v1/studies", ""), 200)
	g := b.submit()
	i := receive(t, "the instruction", e.instructions)
	b.ask("GET", "/api/v1/studies/"+study+"/series", "")
	b.do("GET", "/dicom-web/studies/"+study+"/metadata", "", "Authorization", "Bearer "+i.Source.Bearer)
	b.do("GET", "/dicom-web/studies/"+otherStudy+"/series/"+series, "", "Authorization", "Bearer "+i.Source.Bearer)
	b.ask("POST", "/api/v1/tasks", strings.Replace(rendering, study, "1.2.3.4444", 1))
	b.ask("POST", "/api/v1/tasks", strings.Replace(rendering, "rendering", "Doe^Jane", 1))
	b.get("/viewer?StudyInstanceUIDs=" + study)
	b.get("/nothing/" + study)
	c, _, err := b.dialSignal(g.SignalingURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, signaling.Signal{Type: signaling.SignalHello, Token: g.Token})
	receive(t, "the hello", e.relays)
	b.ask("DELETE", "/api/v1/tasks/"+string(g.Task), "")
	e.kill()
	if err := b.end(); err != nil {
		t.Error(err)
	}
	text := b.logs.String()
	secrets := []string{study, otherStudy, "1.2.3.4444", "Jane", localToken, edgeSecret, g.Token, i.Source.Bearer, b.studies, "StudyInstanceUIDs"}
	for _, s := range all.Studies {
		secrets = append(secrets, s.PatientName, s.PatientID)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("the log has %q:\n%s", s, text)
		}
	}
	if !strings.Contains(text, `"task placed"`) || !strings.Contains(text, "GET /api/v1/studies/{study}/series") {
		t.Errorf("the log lacks what happened:\n%s", text)
	}
}
