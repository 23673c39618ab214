package api

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// call is what is known of a request while it is answered. One goroutine uses it.
type call struct {
	principal identity.Principal
	address   netip.Addr // the terminal's
	streamed  bool       // its answer lasts as long as somebody listens
}

type callKey struct{}

// callOf returns the call of a request; it is there for everything that passed through observe.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		c = &call{}
	}
	return c
}

// principal is who makes the request.
func principal(ctx context.Context) identity.Principal { return callOf(ctx).principal }

// name is what stands for p where one is told from another.
func name(p identity.Principal) string { return p.Method + ":" + p.Subject }

// terminal is who asks, and from where. zone is where it says it is, which counts where its token does not say.
func terminal(ctx context.Context, zone string) dispatch.Terminal {
	c := callOf(ctx)
	t := dispatch.Terminal{Principal: c.principal, Address: c.address, Zone: c.principal.Zone}
	if t.Zone == "" {
		t.Zone = zone
	}
	return t
}

// identify asks who is there, for everything below /api/ but what has credentials of its own: edges' links,
// and signalling, where the first message has the grant's token.
func (s *server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if !strings.HasPrefix(path, "/api/") || path == "/api/v1/edges/link" || strings.HasPrefix(path, dispatch.SignalPath) {
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.Identity.Authenticate(r)
		if err != nil && path == "/api/v1/session" && s.Local != nil && r.Header.Get("Authorization") == "" && s.Local.GiveCookie(w, r) {
			// The page of a broker that was started anew comes back by itself.
			who, err = s.Local.Principal(), nil
		}
		if err != nil {
			s.refuseStranger(w, r, err)
			return
		}
		limits := s.limits
		if strings.HasSuffix(path, "/thumbnail") {
			limits = s.pictures
		}
		if s.tooOften(limits, "requests of a terminal", name(who)) {
			Refuse(w, tooMany)
			return
		}
		c := callOf(r.Context())
		c.principal, c.address = who, s.addressOf(r)
		next.ServeHTTP(w, r)
	})
}

var tooMany = &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many requests.", Detail: "Wait a moment, then try again."}

// refuseStranger answers a request without a valid credential, fewer times a second to who tries often.
func (s *server) refuseStranger(w http.ResponseWriter, r *http.Request, err error) {
	if s.tooOften(s.failures, "requests without a valid credential from an address", s.addressOf(r).String()) {
		err = tooMany
	}
	Refuse(w, err)
}

// guardMetrics lets the collector with its secret, or an operator, read the metrics.
func (s *server) guardMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.MetricsSecret != "" {
			given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(given), []byte(s.MetricsSecret)) == 1 {
				next.ServeHTTP(w, r)
				return
			}
		}
		who, err := s.Identity.Authenticate(r)
		if err == nil && !who.Operator {
			err = identity.ErrForbidden
		}
		if err != nil {
			s.refuseStranger(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operatorsOnly refuses who is no operator.
func operatorsOnly(ctx context.Context) error {
	if !principal(ctx).Operator {
		return &signaling.Problem{Code: signaling.ProblemForbidden, Title: "This is for operators.", Detail: "Ask the operator of the broker, who can name you with --oidc-operators."}
	}
	return nil
}
