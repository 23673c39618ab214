package lan_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/lan"
	"github.com/tomocast/tomocast/internal/lan/lantest"
)

// A3: an edge in the same local network is found without a broker.
func TestA3EdgesAreFoundInTheLocalNetwork(t *testing.T) {
	on := lantest.Multicast(t)
	ctx, cancel := context.WithCancel(t.Context())
	edges := []lan.Edge{{Node: "edge-a", URL: "https://127.0.0.1:8090", Pool: "broker.example.org"}, {Node: "edge-b", URL: "http://127.0.0.1:8091"}}
	ended := make(chan error, len(edges))
	for _, e := range edges {
		go func() { ended <- lan.Announce(ctx, e, on) }()
	}
	late := time.Now().Add(20 * time.Second)
	for {
		found, err := lan.Find(ctx, 200*time.Millisecond, on)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(found, edges[0]) && slices.Contains(found, edges[1]) {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("found %+v", found)
		}
	}
	cancel()
	for range edges {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatCannotBeAnnouncedIsNamed(t *testing.T) {
	for field, e := range map[string]lan.Edge{
		"node": {Node: "an edge", URL: "https://127.0.0.1"},
		"url":  {Node: "edge", URL: "ftp://127.0.0.1"},
		"long": {Node: "edge", URL: "https://" + strings.Repeat("a", 300)},
	} {
		if err := lan.Announce(t.Context(), e, nil); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
