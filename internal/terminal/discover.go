package terminal

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/tomocast/tomocast/internal/lan"
	"github.com/tomocast/tomocast/signaling"
)

// InLocalNetwork finds edges in the local network by multicast DNS, for [Client.Discover]: those of the pool whose broker has
// the host name pool, all where it is empty, that answer within a time on an interface, nil for the system's choice.
func InLocalNetwork(pool string, within time.Duration, on *net.Interface) func(context.Context) ([]signaling.NearEdge, error) {
	return func(ctx context.Context) ([]signaling.NearEdge, error) {
		found, err := lan.Find(ctx, within, on)
		if err != nil {
			return nil, err
		}
		var out []signaling.NearEdge
		for _, e := range found {
			if pool == "" || e.Pool == pool {
				out = append(out, signaling.NearEdge{Node: e.Node, URL: e.URL})
			}
		}
		return out, nil
	}
}

// trusted says whether an edge that was found may be shown the terminal's token: anyone may answer in a local network, so only
// one with a certificate that the client trusts, or on this machine.
func trusted(edge string) bool {
	u, err := url.Parse(edge)
	if err != nil {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && at.IsLoopback()
}
