package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/tomocast/tomocast/internal/service"
)

// LocalSubject is the subject of the user of this machine.
const LocalSubject = "local"

// Local recognises the user of this machine by a token that was made at start. A browser gets it as a cookie
// with the page; a program shows it as a bearer token.
//
// Every request must name this machine as its host: a page of a foreign site whose name was made to resolve to
// a loopback address (DNS rebinding) names that site.
type Local struct{ token string }

// NewLocal returns a Local with a token, a fresh one where token is empty.
func NewLocal(token string) *Local {
	if token == "" {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		token = base64.RawURLEncoding.EncodeToString(b[:])
	}
	return &Local{token: token}
}

var _ Authenticator = (*Local)(nil)

// Authenticate accepts the token as bearer token or as cookie. The cookie counts only for requests that a page
// of this very origin makes.
func (l *Local) Authenticate(r *http.Request) (Principal, error) {
	if err := hostIsLoopback(r); err != nil {
		return Principal{}, err
	}
	if token := bearer(r); token != "" {
		if !equal(token, l.token) {
			return Principal{}, fmt.Errorf("%w: the token is not the one of this run", ErrUnauthenticated)
		}
		return l.Principal(), nil
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil || !equal(cookie.Value, l.token) {
		return Principal{}, fmt.Errorf("%w: open the viewer at the broker's own address first", ErrUnauthenticated)
	}
	if !sameOrigin(r) {
		return Principal{}, fmt.Errorf("%w: a page of another origin shows a bearer token, not the cookie", ErrForbidden)
	}
	return l.Principal(), nil
}

// Principal is the user of this machine, who may do everything here.
func (l *Local) Principal() Principal {
	return Principal{Subject: LocalSubject, Method: "local", Operator: true, Urgent: true}
}

// GiveCookie sets the cookie in the answer to a request that this machine's user makes by opening the page or
// from the page itself, and says whether it did.
func (l *Local) GiveCookie(w http.ResponseWriter, r *http.Request) bool {
	if hostIsLoopback(r) != nil || !sameOrigin(r) {
		return false
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: l.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	return true
}

// cookieName has the port in it, since browsers keep the cookies of a host for all of its ports together
// (RFC 6265 section 8.5).
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "tomocast-" + port
}

func hostIsLoopback(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !service.IsLoopbackHost(host) {
		return fmt.Errorf("%w: this broker serves its own machine only; open it as http://localhost", ErrForbidden)
	}
	return nil
}

// sameOrigin says whether a request comes from a page of the origin that it goes to, or from no page at all.
// SameSite alone does not do: all ports of localhost are one site.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err == nil && u.Host == r.Host
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	// A link on another page that leads here is followed without the cookie (SameSite=Strict), and gets it anew.
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
