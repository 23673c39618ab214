package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// fake is a broker or an edge at the level of HTTP, which notes what it is asked.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	answer func(w http.ResponseWriter, r *http.Request) // POST /api/v1/tasks
	events func(w http.ResponseWriter, r *http.Request)
	near   func() signaling.NearEdges
}

// asked is a request for a task.
type asked struct {
	key, bearer string
	request     signaling.TaskRequest
	body        string
}

func newFake(t *testing.T) *fake {
	f := &fake{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/tasks", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := asked{key: r.Header.Get("Idempotency-Key"), bearer: r.Header.Get("Authorization"), body: string(body)}
		if err := json.Unmarshal(body, &a.request); err != nil {
			t.Errorf("request %s: %v", body, err)
		}
		f.mu.Lock()
		f.asked = append(f.asked, a)
		f.mu.Unlock()
		f.answer(w, r)
	})
	mux.HandleFunc("GET /api/v1/tasks/{id}/events", func(w http.ResponseWriter, r *http.Request) { f.events(w, r) })
	mux.HandleFunc("GET /api/v1/edges", func(w http.ResponseWriter, r *http.Request) { answerJSON(w, http.StatusOK, f.near()) })
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuses(status int, code signaling.ProblemCode) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(signaling.Problem{Code: code, Title: string(code)})
	}
}

func grants(kind signaling.Answer, link string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusCreated, signaling.Grant{Answer: kind, Task: "t-1", SignalingURL: link, Token: "token"})
	}
}

func pends(events string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusAccepted, signaling.Pending{Task: "t-1", State: signaling.TaskPlacing, Events: events, Reason: "busy"})
	}
}

// streams sends events as they are and ends the stream.
func streams(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

func event(name signaling.TaskEvent, v any) string {
	data, _ := json.Marshal(v)
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, data)
}

var reconstruction = signaling.TaskRequest{Type: signaling.ImageReconstruction, Operation: "filtered-back-projection",
	Input: &signaling.TaskInput{Format: "application/octet-stream", Bytes: 1 << 20}}

// What the terminal can do itself, it asks nobody for; else the request says why (A13).
func TestA13LocalFirst(t *testing.T) {
	broker := newFake(t)
	broker.answer = grants(signaling.EdgeAssigned, "/signal/1")
	for _, c := range []struct {
		suffices, preferred, here bool
	}{{true, false, true}, {true, true, false}, {false, false, false}} {
		client := Client{Broker: broker.URL, Check: func(r signaling.TaskRequest) (bool, signaling.LocalCheck) {
			return c.suffices, signaling.LocalCheck{Preferred: c.preferred, Reason: "no GPU for " + r.Operation, MemoryMB: 512}
		}}
		before := len(broker.requests())
		place, err := client.Place(soon(t), reconstruction, PlaceOptions{})
		if err != nil || place.Here != c.here {
			t.Fatalf("%+v: %+v, %v", c, place, err)
		}
		after := broker.requests()
		if len(after)-before != map[bool]int{true: 0, false: 1}[c.here] {
			t.Errorf("%+v: the broker was asked %d times", c, len(after)-before)
		}
		if !c.here {
			local := after[len(after)-1].request.Local
			if local == nil || local.Reason != "no GPU for filtered-back-projection" || local.Preferred != c.preferred {
				t.Errorf("%+v: the request says %+v", c, local)
			}
		}
	}
}

// Compute runs a task on the terminal itself where that suffices.
func TestA13ComputeOnTheTerminalItself(t *testing.T) {
	client := Client{Check: func(signaling.TaskRequest) (bool, signaling.LocalCheck) {
		return true, signaling.LocalCheck{Reason: "enough memory"}
	}}
	out, err := client.Compute(soon(t), signaling.TaskRequest{Type: signaling.DataComputation}, []byte("abc"), ComputeOptions{
		Run: func(_ context.Context, r signaling.TaskRequest, input []byte) (Bulk, error) {
			return Bulk{Data: []byte(fmt.Sprintf("%s of %d", input, r.Input.Bytes))}, nil
		}})
	if err != nil || string(out.Data) != "abc of 3" || !out.Place.Here {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := client.Compute(soon(t), signaling.TaskRequest{}, nil, ComputeOptions{}); err == nil {
		t.Error("no way to do it, and no error")
	}
}

// The broker may be asked directly (A5); the request has no data in it (A2).
func TestA5BrokerFirst(t *testing.T) {
	broker := newFake(t)
	broker.answer = grants(signaling.ExecuteInCloud, "/signal/1")
	client := Client{Broker: broker.URL + "/", Token: func() string { return "me" }}
	place, err := client.Place(soon(t), reconstruction, PlaceOptions{Key: "key-1"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "ws" + strings.TrimPrefix(broker.URL, "http") + "/signal/1"; place.Grant.SignalingURL != want || place.Grant.Answer != signaling.ExecuteInCloud {
		t.Errorf("grant %+v, want %s", place.Grant, want)
	}
	a := broker.requests()[0]
	if a.key != "key-1" || a.bearer != "Bearer me" || len(a.body) > 1000 || *a.request.Input != *reconstruction.Input {
		t.Errorf("asked with %+v", a)
	}
}

// A broker that is out of reach, or that cannot answer now, is passed over: the next one gets the same idempotency key.
func TestAnotherBrokerIsAskedWithTheSameKey(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	ill, well := newFake(t), newFake(t)
	ill.answer = refuses(http.StatusServiceUnavailable, signaling.ProblemUnavailable)
	well.answer = grants(signaling.EdgeAssigned, "/signal/1")
	client := Client{Broker: dead.URL, Brokers: []string{ill.URL, well.URL}}
	if _, err := client.Place(soon(t), reconstruction, PlaceOptions{}); err != nil {
		t.Fatal(err)
	}
	if a, b := ill.requests(), well.requests(); len(a) != 1 || len(b) != 1 || a[0].key != b[0].key || len(a[0].key) < 20 {
		t.Errorf("asked %+v and %+v", a, b)
	}
	// A refusal is an answer: nobody else is asked.
	ill.answer = refuses(http.StatusForbidden, signaling.ProblemForbidden)
	_, err := client.Place(soon(t), reconstruction, PlaceOptions{})
	var p *signaling.Problem
	if !errors.As(err, &p) || p.Code != signaling.ProblemForbidden || len(well.requests()) != 1 {
		t.Errorf("refused with %v", err)
	}
	// Where no broker answers, the client gives up after some rounds.
	ill.answer = refuses(http.StatusServiceUnavailable, signaling.ProblemUnavailable)
	well.answer = refuses(http.StatusBadGateway, "")
	if _, err := client.Place(soon(t), reconstruction, PlaceOptions{}); err == nil || len(well.requests()) != 1+rounds {
		t.Errorf("gave up after %d requests with %v", len(well.requests()), err)
	}
}

// near makes a broker name edges.
func (f *fake) names(edges ...string) {
	near := signaling.NearEdges{Token: "to-edges", TokenExpiresAt: time.Now().Add(time.Hour), Zone: "ward-3", MaxDistanceMs: 1000}
	for i, u := range edges {
		near.Edges = append(near.Edges, signaling.NearEdge{Node: signaling.NodeID(fmt.Sprintf("edge-%d", i)), URL: u, Types: []signaling.TaskType{signaling.ImageReconstruction}})
	}
	f.near = func() signaling.NearEdges { return near }
}

// The terminal sends the nearest edge of the type a request without data; it carries the terminal's identity and the kind of
// task (A2). One that is out of reach is no edge for it, and one of another type is not asked.
func TestA2EdgeFirst(t *testing.T) {
	broker, edge, other := newFake(t), newFake(t), newFake(t)
	edge.answer = grants(signaling.EdgeAccepts, edge.URL+"/signal")
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	broker.names(dead.URL, edge.URL, "")
	named := broker.near()
	named.Edges = append([]signaling.NearEdge{{Node: "renderer", URL: other.URL, Types: []signaling.TaskType{signaling.Rendering}}}, named.Edges...)
	broker.near = func() signaling.NearEdges { return named }
	client := Client{Broker: broker.URL, Token: func() string { return "me" }}
	place, err := client.Place(soon(t), reconstruction, PlaceOptions{Way: EdgeFirst})
	if err != nil {
		t.Fatal(err)
	}
	if place.Grant.Answer != signaling.EdgeAccepts || place.Grant.SignalingURL != "ws"+strings.TrimPrefix(edge.URL, "http")+"/signal" {
		t.Errorf("grant %+v", place.Grant)
	}
	a := edge.requests()[0]
	if a.bearer != "Bearer to-edges" || a.request.Type != signaling.ImageReconstruction || a.request.Zone != "ward-3" ||
		len(a.request.Pings) != 1 || a.request.Pings[0].Node != "edge-1" || len(a.body) > 1000 {
		t.Errorf("asked with %+v", a)
	}
	if len(broker.requests())+len(other.requests()) != 0 {
		t.Error("someone else was asked too")
	}
}

// A busy edge sends the request on; the answer comes to the terminal from the broker, also when that edge is gone (A4).
func TestA4AnswerComesFromTheBroker(t *testing.T) {
	broker, edge, busy := newFake(t), newFake(t), newFake(t)
	broker.names(busy.URL)
	busy.answer = func(w http.ResponseWriter, r *http.Request) {
		pends(broker.URL+"/api/v1/tasks/t-1/events")(w, r)
		go busy.CloseClientConnections()
	}
	broker.events = streams(": hello\n\n" + event(signaling.TaskEventPending, signaling.Pending{Task: "t-1", Queue: &signaling.Queue{Position: 2, Length: 3}}) +
		event(signaling.TaskEventGrant, signaling.Grant{Answer: signaling.EdgeAssigned, SignalingURL: edge.URL + "/signal", Token: "x"}))
	client := Client{Broker: broker.URL}
	var heard []signaling.Pending
	place, err := client.Place(soon(t), reconstruction, PlaceOptions{Way: EdgeFirst, Waiting: func(p signaling.Pending) { heard = append(heard, p) }})
	if err != nil || place.Grant.Answer != signaling.EdgeAssigned {
		t.Fatalf("%+v, %v", place, err)
	}
	if len(heard) != 2 || heard[0].Reason != "busy" || heard[1].Queue.Position != 2 {
		t.Errorf("told %+v", heard)
	}
	if len(broker.requests()) != 0 {
		t.Error("the terminal asked again")
	}
}

// Where no edge can be asked, the broker is, with the same key; and an edge's refusal for itself is no refusal of the task.
func TestA2ThenTheBroker(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"busy without a link":    refuses(http.StatusServiceUnavailable, signaling.ProblemUnavailable),
		"no such type":           refuses(http.StatusUnprocessableEntity, signaling.ProblemUnsupported),
		"does not know the keys": refuses(http.StatusUnauthorized, signaling.ProblemUnauthorized),
		"broken":                 refuses(http.StatusBadGateway, ""),
	} {
		broker, edge := newFake(t), newFake(t)
		broker.names(edge.URL)
		edge.answer, broker.answer = answer, grants(signaling.EdgeAssigned, "/signal/1")
		client := Client{Broker: broker.URL}
		if _, err := client.Place(soon(t), reconstruction, PlaceOptions{Way: EdgeFirst}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a, b := edge.requests(), broker.requests(); len(a) != 1 || len(b) != 1 || a[0].key != b[0].key {
			t.Errorf("%s: asked %+v and %+v", name, a, b)
		}
	}
	broker, edge := newFake(t), newFake(t)
	broker.names(edge.URL)
	edge.answer = refuses(http.StatusBadRequest, signaling.ProblemBadRequest)
	client := Client{Broker: broker.URL}
	var p *signaling.Problem
	if _, err := client.Place(soon(t), reconstruction, PlaceOptions{Way: EdgeFirst}); !errors.As(err, &p) || p.Code != signaling.ProblemBadRequest {
		t.Errorf("a wrong request: %v", err)
	}
}

// Edges that were configured or found in the local network are asked too, also when no broker answers any more.
func TestA2EdgesWithoutABroker(t *testing.T) {
	broker, configured, found := newFake(t), newFake(t), newFake(t)
	broker.names()
	configured.answer = refuses(http.StatusServiceUnavailable, signaling.ProblemNoFreeNode)
	found.answer = grants(signaling.EdgeAccepts, "/signal")
	client := Client{Broker: broker.URL, Edges: []string{configured.URL + "/"}, Discover: func(context.Context) ([]signaling.NearEdge, error) {
		return []signaling.NearEdge{{Node: "found", URL: found.URL}, {Node: "twice", URL: configured.URL}}, nil
	}}
	if _, err := client.Near(soon(t), signaling.ImageReconstruction, ""); err != nil {
		t.Fatal(err)
	}
	broker.Close()
	place, err := client.Place(soon(t), reconstruction, PlaceOptions{Way: EdgeFirst})
	if err != nil {
		t.Fatal(err)
	}
	if want := "ws" + strings.TrimPrefix(found.URL, "http") + "/signal"; place.Grant.SignalingURL != want {
		t.Errorf("grant %+v", place.Grant)
	}
	if n := len(configured.requests()); n > 1 {
		t.Errorf("the configured edge was asked %d times", n)
	}
}

// A3, A7: of the edges that answer, the nearest by its ping comes first, and those beyond the limit are left out.
func TestA3NearestByPing(t *testing.T) {
	list := []signaling.NearEdge{{Node: "b", DistanceMs: 7}, {Node: "a", DistanceMs: 2}, {Node: "silent", DistanceMs: silent}, {Node: "far", DistanceMs: 30}}
	got, pings := ordered(list, 20)
	if len(got) != 2 || got[0].Node != "a" || got[1].Node != "b" || len(pings) != 2 || pings[0] != (signaling.Ping{Node: "a", Ms: 2}) {
		t.Errorf("%+v, %+v", got, pings)
	}
}
