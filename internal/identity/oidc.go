package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/tomocast/tomocast/signaling"
)

const (
	// discoverWithin bounds one request to the issuer.
	discoverWithin = 5 * time.Second
	// discoverAgain is the least time between two attempts to reach an issuer that did not answer.
	discoverAgain = 3 * time.Second
	maxToken      = 16 << 10
)

// OIDC recognises bearer tokens (JWT, RFC 9068 or ID tokens) that an OpenID Connect issuer signed for an audience.
// The issuer's keys are found by discovery (OpenID Connect Discovery 1.0 section 4) at the first
// request, and asked for again when a token names an unknown one.
type OIDC struct {
	OIDCConfig
	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tried    time.Time
	err      error
}

// OIDCConfig says whose tokens are taken and what they allow.
type OIDCConfig struct {
	// Issuer is the issuer's URL, Audience what its tokens must be for.
	Issuer, Audience string
	// Operators and Urgent are names: who has one as subject or in the claims "groups" or "roles" is an operator, or
	// has the right to urgent requests.
	Operators, Urgent []string
}

// NewOIDC returns an OIDC. A token's claim "tomocast_zone" says in which zone its terminal stands.
func NewOIDC(c OIDCConfig) *OIDC {
	return &OIDC{OIDCConfig: c, client: &http.Client{Timeout: discoverWithin}}
}

var _ Authenticator = (*OIDC)(nil)

// Authenticate verifies the request's bearer token: signature, issuer, audience, expiry, subject.
func (o *OIDC) Authenticate(r *http.Request) (Principal, error) {
	token := bearer(r)
	if token == "" {
		return Principal{}, fmt.Errorf("%w: send the issuer's token as Authorization: Bearer", ErrUnauthenticated)
	}
	if len(token) > maxToken {
		return Principal{}, fmt.Errorf("%w: the token is longer than %d bytes", ErrUnauthenticated, maxToken)
	}
	verifier, err := o.discover(r.Context())
	if err != nil {
		return Principal{}, err
	}
	verified, err := verifier.Verify(r.Context(), token)
	if err != nil {
		return Principal{}, refusal(err)
	}
	if verified.Subject == "" || len(verified.Subject) > 255 { // OpenID Connect Core 1.0 section 2
		return Principal{}, fmt.Errorf("%w: the token names no subject", ErrUnauthenticated)
	}
	var claims struct {
		Groups names `json:"groups"`
		Roles  names `json:"roles"`
		Zone   any   `json:"tomocast_zone"`
	}
	if err := verified.Claims(&claims); err != nil {
		return Principal{}, fmt.Errorf("%w: the token's claims cannot be read", ErrUnauthenticated)
	}
	is := func(name string) bool {
		return name == verified.Subject || slices.Contains(claims.Groups, name) || slices.Contains(claims.Roles, name)
	}
	p := Principal{Subject: verified.Subject, Method: "oidc", Operator: slices.ContainsFunc(o.Operators, is), Urgent: slices.ContainsFunc(o.Urgent, is)}
	// What cannot name a zone is as good as no claim: it places the terminal nowhere.
	if zone, _ := claims.Zone.(string); signaling.ValidName(zone) {
		p.Zone = zone
	}
	return p, nil
}

// refusal says in words what is wrong with a token, without quoting from it.
func refusal(err error) error {
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return fmt.Errorf("%w: the token has expired; log in again", ErrUnauthenticated)
	case strings.Contains(err.Error(), "fetching keys"): // go-oidc wraps without a type
		return fmt.Errorf("%w: the issuer's keys cannot be read; try again", ErrUnavailable)
	}
	return fmt.Errorf("%w: the token is not one of the configured issuer for this broker", ErrUnauthenticated)
}

func (o *OIDC) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil {
		return o.verifier, nil
	}
	if o.err != nil && time.Since(o.tried) < discoverAgain {
		return nil, o.err
	}
	o.tried = time.Now()
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), o.client), discoverWithin)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		o.err = fmt.Errorf("%w: OIDC issuer %s: %w", ErrUnavailable, o.Issuer, err)
		return nil, o.err
	}
	// The key set outlives this request, and so must the context that it reads keys with.
	keys := oidc.ClientContext(context.Background(), o.client)
	o.verifier = provider.VerifierContext(keys, &oidc.Config{ClientID: o.Audience})
	o.err = nil
	return o.verifier, nil
}

// Ready says whether the issuer has been reached, for readiness.
func (o *OIDC) Ready(ctx context.Context) error {
	_, err := o.discover(ctx)
	return err
}

// names is a claim that issuers write as a list of strings or as one string with spaces.
type names []string

// UnmarshalJSON reads either form; anything else is no names.
func (n *names) UnmarshalJSON(b []byte) error {
	var list []string
	var one string
	switch {
	case json.Unmarshal(b, &list) == nil:
		*n = list
	case json.Unmarshal(b, &one) == nil:
		*n = strings.Fields(one)
	}
	return nil
}
