package system

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// issuer is an OpenID Connect issuer.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth",
			"token_endpoint": i.URL + "/token", "id_token_signing_alg_values_supported": []string{"RS256"}})
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

// token is a token of a user; change makes it another one.
func (i *issuer) token(t *testing.T, subject string, change func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": i.URL, "aud": "tomocast", "sub": subject, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	if change != nil {
		change(claims)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "1"
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestUsersOfAnIssuer has a broker that listens on every interface, for the users of an OpenID Connect issuer. Each has the
// own sessions, and an operator sees all.
func TestUsersOfAnIssuer(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		i := newIssuer(t)
		cert, key, trust := certificate(t)
		_, port, _ := strings.Cut(freeAddress(t), ":")
		dir := studies(t)
		launched := launch(t, brokerProgram, nil, append([]string{"--listen", "0.0.0.0:" + port, "--tls-cert", cert, "--tls-key", key, "--studies", dir, "--cache-dir", t.TempDir(),
			"--oidc-issuer", i.URL, "--oidc-audience", "tomocast", "--oidc-operators", "admins"}, args...)...)
		launched.says(`msg="broker listens"`)
		as := func(token string) *tomocast {
			return &tomocast{t: t, ctx: t.Context(), broker: launched, studies: dir, url: "https://127.0.0.1:" + port, client: &terminal.Client{
				Broker: "https://127.0.0.1:" + port, Token: func() string { return token },
				HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}}}
		}
		anna, ben := as(i.token(t, "anna", nil)), as(i.token(t, "ben", nil))
		admin := as(i.token(t, "olga", func(c jwt.MapClaims) { c["groups"] = []string{"admins"} }))
		admin.edge("near", "--broker-ca", cert)

		for name, token := range map[string]string{
			"expired":          i.token(t, "anna", func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
			"of another use":   i.token(t, "anna", func(c jwt.MapClaims) { c["aud"] = "mail" }),
			"of nobody":        i.token(t, "", nil),
			"of somebody else": newIssuer(t).token(t, "anna", func(c jwt.MapClaims) { c["iss"] = i.URL }),
			"local":            localToken,
			"none":             "",
		} {
			_, err := as(token).client.Submit(anna.ctx, rendering(chest), "")
			if wantProblem(t, err, signaling.ProblemUnauthorized); t.Failed() {
				t.Fatalf("with a token %s", name)
			}
		}

		x := anna.open()
		task := x.Grant().Task
		if got := anna.task(task); got.Creator != "anna" {
			t.Errorf("%+v", got)
		}
		for path, method := range map[string]string{"/tasks/" + string(task): http.MethodGet, "/tasks/" + string(task) + "/grant": http.MethodPost} {
			wantProblem(t, ben.ask(method, path, nil, nil), signaling.ProblemNotFound, "somebody else's")
		}
		wantProblem(t, ben.ask(http.MethodDelete, "/tasks/"+string(task), nil, nil), signaling.ProblemNotFound)
		if tasks := get[struct{ Tasks []signaling.Task }](ben, "/tasks").Tasks; len(tasks) != 0 {
			t.Errorf("ben sees %+v", tasks)
		}
		for _, path := range []string{"/nodes", "/history"} {
			wantProblem(t, anna.ask(http.MethodGet, path, nil, nil), signaling.ProblemForbidden, "operator")
		}
		x.move()
		if tasks := get[struct{ Tasks []signaling.Task }](admin, "/tasks").Tasks; len(tasks) != 1 || tasks[0].Creator != "anna" {
			t.Errorf("an operator sees %+v", tasks)
		}
		// An operator ends it, and its user hears so.
		if err := admin.ask(http.MethodDelete, "/tasks/"+string(task), nil, nil); err != nil {
			t.Fatal(err)
		}
		if p := x.ending(); p.Code != signaling.ProblemCancelled {
			t.Errorf("anna is told %+v", p)
		}
		admin.allFree("near")
	})
}
