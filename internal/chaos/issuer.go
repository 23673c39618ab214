package chaos

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	audience = "chaos"
	operator = "operator"
)

// issuer is an OpenID Connect issuer, so that each terminal is somebody of its own: brokers limit what one may ask, and
// are fair between all.
type issuer struct {
	*httptest.Server
	key ed25519.PrivateKey
}

func newIssuer() *issuer {
	public, private, _ := ed25519.GenerateKey(nil) // never fails (crypto/rand)
	i := &issuer{key: private}
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // a broker that is gone asks again
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth",
			"token_endpoint": i.URL + "/token", "id_token_signing_alg_values_supported": []string{"EdDSA"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1",
			"x": base64.RawURLEncoding.EncodeToString(public)}}})
	})
	i.Server = httptest.NewServer(mux)
	return i
}

// token says that its bearer is subject and of some groups, for as long as any run lasts.
func (i *issuer) token(subject string, groups ...string) (string, error) {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": i.URL, "aud": audience, "sub": subject, "groups": append([]string{}, groups...),
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(12 * time.Hour).Unix()})
	t.Header["kid"] = "1"
	s, err := t.SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("chaos: sign a token for %s: %w", subject, err)
	}
	return s, nil
}
