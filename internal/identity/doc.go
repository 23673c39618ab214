// Package identity answers who is there: a person or program with a token of an OpenID Connect issuer, the user
// of this machine on a loopback address, an edge with its own credential, or an edge that fetches the one
// study it was told to show.
package identity

import (
	"errors"
	"net/http"
	"strings"
)

// What a caller decides on. Errors of this package wrap one of them; their text holds no credential.
var (
	// ErrUnauthenticated: there is no credential, or it is not valid.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: the credential is valid, but not for this.
	ErrForbidden = errors.New("not allowed")
	// ErrUnavailable: what verifies credentials is out of reach.
	ErrUnavailable = errors.New("identity cannot be verified now")
)

// Principal is who makes a request.
type Principal struct {
	// Subject names them, unique among all of the method that recognised them.
	Subject string
	// Method is how they were recognised: oidc or local.
	Method string
	// Operator may see every task and node; others see their own tasks.
	Operator bool
	// Urgent may ask for a place before others, and in place of an idle session.
	Urgent bool
	// Zone is where their terminal stands, where the issuer says so; empty where not.
	Zone string
}

// Authenticator says who makes a request.
type Authenticator interface {
	Authenticate(r *http.Request) (Principal, error)
}

// bearer is the token of an Authorization header (RFC 6750 section 2.1), or nothing.
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
