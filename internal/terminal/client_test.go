package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/signaling"
)

const within = 10 * time.Second

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	return ctx
}

// refusingEdge answers hello with answer.
func refusingEdge(t *testing.T, hello chan<- signaling.Signal, answer signaling.Signal) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		conn := signaling.NewConn(ws, signaling.MaxSignal)
		defer conn.Close(websocket.CloseNormalClosure, "")
		for {
			var in signaling.Signal
			if conn.Receive(&in) != nil {
				return
			}
			if in.Type == signaling.SignalHello {
				hello <- in
				if answer.Type != "" {
					_ = conn.Send(answer)
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestOpenAsksTheBrokerThenTheEdge(t *testing.T) {
	hellos := make(chan signaling.Signal, 1)
	taken := &signaling.Problem{Code: signaling.ProblemSessionTaken, Title: "The session has a host"}
	edge := refusingEdge(t, hellos, signaling.Signal{Type: signaling.SignalError, Problem: taken})
	requests := make(chan *http.Request, 1)
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var task signaling.TaskRequest
		if err := json.NewDecoder(r.Body).Decode(&task); err != nil || task.Type != signaling.Rendering {
			t.Errorf("task %+v, %v", task, err)
		}
		requests <- r
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(signaling.Grant{SignalingURL: edge + "/signal", Token: "grant", Answer: signaling.EdgeAssigned})
	}))
	defer broker.Close()
	c := Client{Broker: broker.URL + "/", Token: func() string { return "bearer" }}
	_, err := c.Open(soon(t), signaling.TaskRequest{Type: signaling.Rendering}, Options{})
	var problem *signaling.Problem
	if !errors.As(err, &problem) || problem.Code != signaling.ProblemSessionTaken {
		t.Errorf("refusal of the edge: %v", err)
	}
	r := <-requests
	if r.Method != http.MethodPost || r.URL.Path != "/api/v1/tasks" || r.Header.Get("Authorization") != "Bearer bearer" ||
		len(r.Header.Get("Idempotency-Key")) < 20 {
		t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
	}
	if hello := <-hellos; hello.Token != "grant" {
		t.Errorf("hello %+v", hello)
	}
}

func TestRefusalsOfTheBroker(t *testing.T) {
	for _, c := range []struct {
		name, kind, body string
		status           int
		code             signaling.ProblemCode
		says             string
	}{
		{"problem", "application/problem+json", `{"code":"no-free-node","title":"No node is free"}`, 503, signaling.ProblemNoFreeNode, "No node is free"},
		{"something else", "text/html", "<h1>gateway</h1>", 502, "", "502"},
		{"no grant", "application/json", `{}`, 202, "", "no place"},
		{"no JSON", "application/json", `{`, 200, "", "not understood"},
	} {
		t.Run(c.name, func(t *testing.T) {
			broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer broker.Close()
			client := Client{Broker: broker.URL}
			_, err := client.Open(soon(t), signaling.TaskRequest{}, Options{})
			var problem *signaling.Problem
			if errors.As(err, &problem) != (c.code != "") || (problem != nil && problem.Code != c.code) || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestSignallingURLIsRelativeToTheBroker(t *testing.T) {
	c := Client{Broker: "https://broker.example/tomocast/"}
	for link, want := range map[string]string{
		"/signal/1":              "wss://broker.example/signal/1",
		"signal/1":               "wss://broker.example/tomocast/signal/1",
		"ws://edge.example:1/s":  "ws://edge.example:1/s",
		"https://edge.example/s": "wss://edge.example/s",
	} {
		if got, err := c.resolve(link); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", link, got, err, want)
		}
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	hellos := make(chan signaling.Signal, 1)
	silent := "ws" + strings.TrimPrefix(refusingEdge(t, hellos, signaling.Signal{}), "http")
	for name, url := range map[string]string{
		"no welcome": silent,
		"candidate before all": "ws" + strings.TrimPrefix(refusingEdge(t, make(chan signaling.Signal, 1),
			signaling.Signal{Type: signaling.SignalCandidate, Candidate: &signaling.ICECandidate{Candidate: "x"}}), "http"),
		"no answer": "ws" + strings.TrimPrefix(refusingEdge(t, make(chan signaling.Signal, 1), signaling.Signal{Type: signaling.SignalWelcome}), "http"),
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err := Dial(ctx, url, "t", Options{})
		cancel()
		if err == nil || (name != "candidate before all" && !errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Dial(soon(t), "ws://127.0.0.1:1/", "t", Options{}); err == nil {
		t.Error("dialled nothing")
	}
	if _, err := Dial(soon(t), silent, "t", Options{Codecs: []string{"video/none"}}); err == nil {
		t.Error("took an unknown codec")
	}
}
