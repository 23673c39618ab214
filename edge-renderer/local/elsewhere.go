package local

import (
	"net/http"
	"net/url"
)

// elsewhere asks the broker that the edge is linked to what a broker out of reach does not answer.
type elsewhere struct {
	via    http.RoundTripper
	linked func() *url.URL
}

// Elsewhere returns a transport for sources at brokers of one pool, which have the same ones: where a broker cannot be
// reached, the one that linked says is asked instead, so that a session outlives the broker that it began with.
func Elsewhere(via http.RoundTripper, linked func() *url.URL) http.RoundTripper {
	return elsewhere{via, linked}
}

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := e.via.RoundTrip(r)
	if err == nil || r.Context().Err() != nil || r.Body != nil && r.Body != http.NoBody {
		return resp, err
	}
	to := e.linked()
	if to.Host == r.URL.Host {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.URL.Scheme, again.URL.Host, again.Host = to.Scheme, to.Host, to.Host
	return e.via.RoundTrip(again)
}
