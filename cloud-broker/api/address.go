package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ParsePrefix reads a range of addresses like 10.0.0.0/24, or a single address.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is no range of addresses: write it like 10.0.0.0/24", s)
	}
	return p.Masked(), nil
}

// maxForwarded bounds the entries of X-Forwarded-For that are looked at.
const maxForwarded = 32

// addressOf is the network address of the terminal that makes a request: the connection's, unless that is a trusted
// proxy's. Then it is the right-most address of X-Forwarded-For that is no trusted proxy's: each proxy appends whom it
// was asked by, and what stands before the last one that is not trusted is anyone's invention.
func (s *server) addressOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := peer.Addr().Unmap().WithZone("")
	if !s.trusted(at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	hops = hops[max(0, len(hops)-maxForwarded):]
	for _, hop := range slices.Backward(hops) {
		next, err := forwarded(strings.TrimSpace(hop))
		if err != nil {
			return at // the last one that is known
		}
		if at = next; !s.trusted(at) {
			break
		}
	}
	return at
}

// forwarded reads an entry of X-Forwarded-For; some proxies write a port too.
func forwarded(s string) (netip.Addr, error) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err
}

func (s *server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
