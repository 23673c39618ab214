package identity

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/signaling"
)

// request makes a request to host with headers given as name, value, name, value.
func request(method, host string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://"+host+"/api/v1/studies", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestLocalTokenAsCookieAndBearer(t *testing.T) {
	const host, cookie = "localhost:8080", "tomocast-8080=secret-of-this-run"
	l := NewLocal("secret-of-this-run")
	for _, c := range []struct {
		name   string
		method string
		host   string
		header []string
		want   error
	}{
		{"bearer", "POST", host, []string{"Authorization", "Bearer secret-of-this-run"}, nil},
		{"bearer of another origin", "POST", host, []string{"Authorization", "bearer secret-of-this-run", "Origin", "http://localhost:3000"}, nil},
		{"wrong bearer", "GET", host, []string{"Authorization", "Bearer other"}, ErrUnauthenticated},
		{"wrong bearer with good cookie", "GET", host, []string{"Authorization", "Bearer other", "Cookie", cookie}, ErrUnauthenticated},
		{"nothing", "GET", host, nil, ErrUnauthenticated},
		{"cookie from the page", "POST", host, []string{"Cookie", cookie, "Origin", "http://localhost:8080"}, nil},
		{"cookie, same-origin GET", "GET", host, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, nil},
		{"cookie of another port", "GET", host, []string{"Cookie", "tomocast-8081=secret-of-this-run"}, ErrUnauthenticated},
		{"cookie, page of another port", "POST", host, []string{"Cookie", cookie, "Origin", "http://localhost:3000"}, ErrForbidden},
		{"cookie, sandboxed page", "POST", host, []string{"Cookie", cookie, "Origin", "null"}, ErrForbidden},
		{"cookie, image on another port's page", "GET", host, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, ErrForbidden},
		{"cookie, changing, no origin", "POST", host, []string{"Cookie", cookie}, ErrForbidden},
		{"rebound name", "GET", "evil.example:8080", []string{"Cookie", cookie}, ErrForbidden},
		{"rebound name with bearer", "GET", "evil.example:8080", []string{"Authorization", "Bearer secret-of-this-run"}, ErrForbidden},
		{"IPv6 loopback", "GET", "[::1]:8080", []string{"Authorization", "Bearer secret-of-this-run"}, nil},
	} {
		p, err := l.Authenticate(request(c.method, c.host, c.header...))
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && (p.Subject != LocalSubject || !p.Operator) {
			t.Errorf("%s: %+v", c.name, p)
		}
		if err != nil && strings.Contains(err.Error(), "secret-of-this-run") {
			t.Errorf("%s: error shows the token", c.name)
		}
	}
}

func TestLocalCookieIsGivenOnlyToThePageItself(t *testing.T) {
	l := NewLocal("")
	for _, c := range []struct {
		host   string
		header []string
		want   bool
	}{
		{"localhost:8080", nil, true},
		{"127.0.0.1:8080", []string{"Sec-Fetch-Site", "none"}, true},
		{"localhost:8080", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		{"localhost:8080", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		{"localhost:8080", []string{"Origin", "https://evil.example"}, false},
		{"evil.example", nil, false},
	} {
		w := httptest.NewRecorder()
		r := request("GET", c.host, c.header...)
		if got := l.GiveCookie(w, r); got != c.want {
			t.Errorf("%s %v: %v", c.host, c.header, got)
			continue
		}
		if !c.want {
			continue
		}
		set := w.Result().Cookies()[0]
		if !set.HttpOnly || set.SameSite != http.SameSiteStrictMode {
			t.Errorf("cookie %+v", set)
		}
		r = request("GET", c.host, "Cookie", set.Name+"="+set.Value)
		if _, err := l.Authenticate(r); err != nil {
			t.Errorf("the cookie is refused: %v", err)
		}
	}
}

// issuer is an OpenID Connect issuer with one key.
type issuer struct {
	*httptest.Server
	key      *rsa.PrivateKey
	requests atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.requests.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys",
			"authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		b64 := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) sign(t *testing.T, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "1"
	s, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOIDCTokens(t *testing.T) {
	i := newIssuer(t)
	o := NewOIDC(OIDCConfig{Issuer: i.URL, Audience: "tomocast", Operators: []string{"radiology-admins"}})
	claims := func(change func(jwt.MapClaims)) string {
		c := jwt.MapClaims{"iss": i.URL, "aud": "tomocast", "sub": "anna", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix()}
		if change != nil {
			change(c)
		}
		return i.sign(t, c)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": i.URL, "aud": "tomocast", "sub": "anna", "exp": time.Now().Add(time.Minute).Unix()}).
		SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	good := claims(nil)
	for _, c := range []struct {
		name, token string
		want        error
		operator    bool
	}{
		{"good", good, nil, false},
		{"operator by group", claims(func(c jwt.MapClaims) { c["groups"] = []string{"x", "radiology-admins"} }), nil, true},
		{"operator by role", claims(func(c jwt.MapClaims) { c["roles"] = "radiology-admins" }), nil, true},
		{"odd groups", claims(func(c jwt.MapClaims) { c["groups"] = 7 }), nil, false},
		{"expired", claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }), ErrUnauthenticated, false},
		{"for another audience", claims(func(c jwt.MapClaims) { c["aud"] = "mail" }), ErrUnauthenticated, false},
		{"of another issuer", claims(func(c jwt.MapClaims) { c["iss"] = "https://evil.example" }), ErrUnauthenticated, false},
		{"without a subject", claims(func(c jwt.MapClaims) { delete(c, "sub") }), ErrUnauthenticated, false},
		{"forged", good[:len(good)-6] + "AAAAAA", ErrUnauthenticated, false},
		{"unsigned", unsigned, ErrUnauthenticated, false},
		{"garbage", "x.y.z", ErrUnauthenticated, false},
		{"too long", strings.Repeat("a", maxToken+1), ErrUnauthenticated, false},
		{"none", "", ErrUnauthenticated, false},
	} {
		p, err := o.Authenticate(request("GET", "broker.example", "Authorization", "Bearer "+c.token))
		if (err == nil) != (c.want == nil) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && (p.Subject != "anna" || p.Operator != c.operator || p.Method != "oidc") {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	if n := i.requests.Load(); n != 1 {
		t.Errorf("discovered %d times", n)
	}
}

// TestA4WhoMayBeUrgentAndWhere has tokens with the right to urgent requests, and with a zone.
func TestA4WhoMayBeUrgentAndWhere(t *testing.T) {
	i := newIssuer(t)
	o := NewOIDC(OIDCConfig{Issuer: i.URL, Audience: "tomocast", Operators: []string{"radiology-admins"}, Urgent: []string{"stroke-team", "vera"}})
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		want   Principal
	}{
		{"neither", jwt.MapClaims{"sub": "anna"}, Principal{Subject: "anna"}},
		{"by group", jwt.MapClaims{"sub": "anna", "groups": []string{"stroke-team"}}, Principal{Subject: "anna", Urgent: true}},
		{"by role", jwt.MapClaims{"sub": "anna", "roles": "reader stroke-team"}, Principal{Subject: "anna", Urgent: true}},
		{"by name", jwt.MapClaims{"sub": "vera"}, Principal{Subject: "vera", Urgent: true}},
		{"an operator is not urgent by that", jwt.MapClaims{"sub": "anna", "roles": "radiology-admins"}, Principal{Subject: "anna", Operator: true}},
		{"a claim of its own making", jwt.MapClaims{"sub": "anna", "urgent": true}, Principal{Subject: "anna"}},
		{"with a zone", jwt.MapClaims{"sub": "anna", "tomocast_zone": "ward-3"}, Principal{Subject: "anna", Zone: "ward-3"}},
		{"with what is no zone", jwt.MapClaims{"sub": "anna", "tomocast_zone": "../ward 3"}, Principal{Subject: "anna"}},
		{"with a number as zone", jwt.MapClaims{"sub": "anna", "tomocast_zone": 3}, Principal{Subject: "anna"}},
	} {
		c.claims["iss"], c.claims["aud"], c.claims["exp"] = i.URL, "tomocast", time.Now().Add(time.Minute).Unix()
		c.want.Method = "oidc"
		p, err := o.Authenticate(request("GET", "broker.example", "Authorization", "Bearer "+i.sign(t, c.claims)))
		if err != nil || p != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, p, err, c.want)
		}
	}
	if p := NewLocal("").Principal(); !p.Urgent || !p.Operator {
		t.Errorf("the user of this machine: %+v", p)
	}
}

func TestOIDCIssuerOutOfReach(t *testing.T) {
	i := newIssuer(t)
	i.Close()
	o := NewOIDC(OIDCConfig{Issuer: i.URL, Audience: "tomocast"})
	if _, err := o.Authenticate(request("GET", "broker.example", "Authorization", "Bearer x.y.z")); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := o.Ready(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), i.URL) {
		t.Error(err)
	}
}

func TestEdgeSecrets(t *testing.T) {
	const shared, own = "shared-secret-0123456789", "own-secret-of-reading-room-1"
	list := filepath.Join(t.TempDir(), "edges")
	if err := os.WriteFile(list, []byte("# comment\n\nroom-1 "+own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := NewEdges(shared, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		secret, node string
		present, use error
	}{
		{shared, "room-2", nil, nil},
		{own, "room-1", nil, nil},
		{shared, "room-1", nil, ErrForbidden}, // it has a secret of its own
		{own, "room-2", nil, ErrForbidden},
		{"wrong", "room-2", ErrUnauthenticated, nil},
		{"", "room-2", ErrUnauthenticated, nil},
	} {
		cred, err := e.Present(request("GET", "b", "Authorization", "Bearer "+c.secret))
		if !errors.Is(err, c.present) || (err == nil) != (c.present == nil) {
			t.Errorf("%q: %v", c.secret, err)
		}
		if err != nil {
			continue
		}
		if err := e.For(cred, signaling.NodeID(c.node)); !errors.Is(err, c.use) || (err == nil) != (c.use == nil) {
			t.Errorf("%q for %s: %v", c.secret, c.node, err)
		}
	}
	for _, text := range []string{"room-1", "room-1 short", "bad/name " + own} {
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewEdges("", list); err == nil || !strings.Contains(err.Error(), "line 1") || strings.Contains(err.Error(), own) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if none, err := NewEdges("", ""); err != nil || none.Configured() {
		t.Error("nothing configured counts as configured", err)
	}
}

func TestStudyCredentials(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	other, otherPrivate, _ := ed25519.GenerateKey(nil)
	now := time.Now()
	sign := func(key ed25519.PrivateKey, at time.Time) string {
		s, err := SignStudy(key, "pacs", "1.2.3", "edge-1", at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	terminal, err := signaling.SignToken(private, signaling.TokenClaims{Task: "t", Attempt: "a", Node: "edge-1", Role: signaling.RoleHost}, "anna", now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(private, now)
	for _, c := range []struct {
		name, token, source, study string
		want                       error
	}{
		{"good", good, "pacs", "1.2.3", nil},
		{"other study", good, "pacs", "1.2.4", ErrForbidden},
		{"the same study of another source", good, "kept", "1.2.3", ErrForbidden},
		{"no source", good, "", "1.2.3", ErrForbidden},
		{"search over all studies", good, "pacs", "", ErrForbidden},
		{"expired", sign(private, now.Add(-time.Hour)), "pacs", "1.2.3", ErrUnauthenticated},
		{"foreign key", sign(otherPrivate, now), "pacs", "1.2.3", ErrUnauthenticated},
		{"a terminal's token", terminal, "pacs", "1.2.3", ErrUnauthenticated},
		{"none", "", "pacs", "1.2.3", ErrUnauthenticated},
	} {
		r := request("GET", "b", "Authorization", "Bearer "+c.token)
		if err := VerifyStudy([]ed25519.PublicKey{public}, r, c.source, c.study, now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// After a change of keys both hold.
	if err := VerifyStudy([]ed25519.PublicKey{other, public}, request("GET", "b", "Authorization", "Bearer "+good), "pacs", "1.2.3", now); err != nil {
		t.Error(err)
	}
	if _, err := signaling.VerifyToken([]ed25519.PublicKey{public}, good, now); err == nil {
		t.Error("a study credential passes for a terminal's token")
	}
}

func TestTURNCredentials(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	servers := Relays{STUN: []string{"stun:s"}, TURN: []string{"turn:t?transport=udp"}, Secret: "north", TTL: time.Hour}.Servers("a:b", now)
	if len(servers) != 2 || servers[0].Username != "" {
		t.Fatalf("%+v", servers)
	}
	mac := hmac.New(sha1.New, []byte("north"))
	mac.Write([]byte("1700003600:a_b"))
	if servers[1].Username != "1700003600:a_b" || servers[1].Credential != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Errorf("%+v", servers[1])
	}
	if s := (Relays{}).Servers("x", now); s == nil || len(s) != 0 {
		t.Errorf("%#v", s)
	}
}
