package api

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestA3TheTerminalsAddress(t *testing.T) {
	var s server
	for _, p := range []string{"10.0.0.0/24", "192.0.2.7", "fd00::/8"} {
		prefix, err := ParsePrefix(p)
		if err != nil {
			t.Fatal(err)
		}
		s.Proxies = append(s.Proxies, prefix)
	}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "203.0.113.5:40000", nil, "203.0.113.5"},
		{"direct, with an invention", "203.0.113.5:40000", []string{"10.1.2.3"}, "203.0.113.5"},
		{"by a proxy", "10.0.0.9:40000", []string{"10.1.2.3"}, "10.1.2.3"},
		{"by a single one", "192.0.2.7:40000", []string{"10.1.2.3"}, "10.1.2.3"},
		{"by two, with an invention in front", "10.0.0.9:40000", []string{"8.8.8.8, 10.1.2.3, 10.0.0.8"}, "10.1.2.3"},
		{"in two headers", "10.0.0.9:40000", []string{"8.8.8.8, 10.1.2.3", "10.0.0.8"}, "10.1.2.3"},
		{"with a port", "10.0.0.9:40000", []string{"10.1.2.3:5555"}, "10.1.2.3"},
		{"IPv6", "[fd00::1]:40000", []string{"[2001:db8::2]:5555"}, "2001:db8::2"},
		{"IPv6 without a port", "[fd00::1]:40000", []string{"2001:db8::2"}, "2001:db8::2"},
		{"IPv4 as IPv6", "[::ffff:10.0.0.9]:40000", []string{"::ffff:10.1.2.3"}, "10.1.2.3"},
		{"a proxy that asks itself", "10.0.0.9:40000", nil, "10.0.0.9"},
		{"no address", "10.0.0.9:40000", []string{"10.1.2.3, unknown"}, "10.0.0.9"},
		{"a connection without one", "pipe", nil, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.addressOf(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/99", "proxy.example.org", "10.0.0"} {
		if p, err := ParsePrefix(bad); err == nil {
			t.Errorf("%q: %v", bad, p)
		}
	}
	if p, err := ParsePrefix("10.1.2.3/8"); err != nil || p != netip.MustParsePrefix("10.0.0.0/8") {
		t.Error(p, err)
	}
}
