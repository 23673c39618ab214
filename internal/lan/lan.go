// Package lan announces edges in a local network, and finds them there: by DNS-based service discovery over multicast DNS
// (RFC 6762, RFC 6763). What is found is a hint and no more: an edge shows who it is by its certificate, and takes nobody
// without a token.
package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/mdns"

	"github.com/tomocast/tomocast/signaling"
)

const (
	domain = "local."
	// maxText bounds a string of a TXT record, bytes (RFC 6763 section 6.1), and maxFound the edges of one search.
	maxText  = 255
	maxFound = 64
)

// Edge is an edge as it announces itself.
type Edge struct {
	Node signaling.NodeID
	URL  string // of its API, http or https
	Pool string // host of its broker
}

// Validate refuses what cannot be announced, naming the field.
func (e Edge) Validate() error {
	u, err := url.Parse(e.URL)
	switch {
	case !signaling.ValidName(string(e.Node)):
		return fmt.Errorf("node %.70q cannot name an edge", string(e.Node))
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return fmt.Errorf("url %.100q is no http or https URL", e.URL)
	case len("url=")+len(e.URL) > maxText || len("pool=")+len(e.Pool) > maxText:
		return errors.New("url or pool is too long for a TXT record")
	}
	return nil
}

func (e Edge) text() []string {
	return []string{"node=" + string(e.Node), "url=" + e.URL, "pool=" + e.Pool}
}

// edgeOf reads a TXT record.
func edgeOf(text []string) (Edge, error) {
	var e Edge
	for _, t := range text {
		key, value, _ := strings.Cut(t, "=")
		switch key {
		case "node":
			e.Node = signaling.NodeID(value)
		case "url":
			e.URL = value
		case "pool":
			e.Pool = value
		}
	}
	return e, e.Validate()
}

// Announce answers questions in the local network, on an interface or, where that is nil, the system's choice, until ctx
// ends.
func Announce(ctx context.Context, e Edge, on *net.Interface) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("announce the edge in the local network: %w", err)
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	addresses, err := addressesOf(ctx, u.Hostname())
	if err != nil {
		return fmt.Errorf("announce the edge in the local network: %w", err)
	}
	// A host name of its own (RFC 6762 section 3) keeps the machine's out of it.
	zone, err := mdns.NewMDNSService(string(e.Node), signaling.Service, domain, strings.ReplaceAll(string(e.Node), ".", "-")+"."+domain, port, addresses, e.text())
	if err != nil {
		return fmt.Errorf("announce the edge in the local network: %w", err)
	}
	server, err := mdns.NewServer(&mdns.Config{Zone: zone, Iface: on, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return fmt.Errorf("announce the edge in the local network: %w", err)
	}
	<-ctx.Done()
	return server.Shutdown()
}

// addressesOf are the addresses of a URL's host.
func addressesOf(ctx context.Context, host string) ([]net.IP, error) {
	if ip := net.ParseIP(host); ip != nil {
		return []net.IP{ip}, nil
	}
	return net.DefaultResolver.LookupIP(ctx, "ip", host)
}

// Find asks the local network for edges, on an interface or, where that is nil, the system's choice, and returns those that
// answer within a time, ordered by their names. Answers that are none are left out.
func Find(ctx context.Context, within time.Duration, on *net.Interface) ([]Edge, error) {
	entries := make(chan *mdns.ServiceEntry, maxFound)
	err := mdns.QueryContext(ctx, &mdns.QueryParam{Service: signaling.Service, Domain: strings.TrimSuffix(domain, "."), Timeout: within,
		Interface: on, Entries: entries, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return nil, fmt.Errorf("look for edges in the local network: %w", err)
	}
	close(entries)
	var found []Edge
	for entry := range entries { // read only now: they are still written to before
		if e, err := edgeOf(entry.InfoFields); err == nil && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b Edge) int { return strings.Compare(string(a.Node)+a.URL, string(b.Node)+b.URL) })
	return found, nil
}
