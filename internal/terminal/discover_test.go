package terminal

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/lan"
	"github.com/tomocast/tomocast/internal/lan/lantest"
	"github.com/tomocast/tomocast/signaling"
)

// A2, A3: an edge of the terminal's own network is found by multicast DNS and asked, also where the broker names none.
func TestA2EdgeIsFoundInTheLocalNetwork(t *testing.T) {
	on := lantest.Multicast(t)
	broker, edge := newFake(t), newFake(t)
	broker.names()
	edge.answer = grants(signaling.EdgeAccepts, "/signal")
	ctx, cancel := context.WithCancel(soon(t))
	ended := make(chan error, 2)
	for _, e := range []lan.Edge{{Node: "mine", URL: edge.URL, Pool: "mine.example"}, {Node: "strange", URL: edge.URL + "/x", Pool: "other.example"}} {
		go func() { ended <- lan.Announce(ctx, e, on) }()
	}
	client := Client{Broker: broker.URL, Discover: InLocalNetwork("mine.example", 200*time.Millisecond, on)}
	for {
		found, err := client.Discover(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(found, func(e signaling.NearEdge) bool { return e.Node == "strange" }) {
			t.Error("an edge of another pool was found")
		}
		if len(found) > 0 {
			client.Discover = func(context.Context) ([]signaling.NearEdge, error) { return found, nil }
			break
		}
	}
	place, err := client.Place(ctx, reconstruction, PlaceOptions{Way: EdgeFirst})
	if err != nil || place.Grant.Answer != signaling.EdgeAccepts || len(edge.requests()) != 1 {
		t.Errorf("%+v, %v", place, err)
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Who answers in a local network without a certificate is not shown the token.
func TestFoundEdgesNeedACertificate(t *testing.T) {
	for edge, want := range map[string]bool{
		"https://edge.example": true, "http://10.1.2.3:8090": false, "http://edge.example": false, "http://127.0.0.1:8090": true,
		"http://[::1]:1": true, "http://localhost:1": true, "ftp://x": false, "://": false,
	} {
		if trusted(edge) != want {
			t.Errorf("%s: %v", edge, !want)
		}
	}
	client := Client{Discover: func(context.Context) ([]signaling.NearEdge, error) {
		return []signaling.NearEdge{{Node: "rogue", URL: "http://192.0.2.1"}}, nil
	}}
	if list, pings := client.Nearest(soon(t), signaling.NearEdges{}, signaling.Training, 0); len(list)+len(pings) != 0 {
		t.Errorf("asked %+v", list)
	}
}
