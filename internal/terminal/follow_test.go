package terminal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

var pending = signaling.Pending{Task: "t-1", Events: "/api/v1/tasks/t-1/events"}

// A stream that breaks is taken up again, at another broker too, and the grant's URL belongs to the broker that told it.
func TestFollowGoesOnAtAnotherBroker(t *testing.T) {
	first, second := newFake(t), newFake(t)
	var asked atomic.Int32
	first.events = func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		streams(event(signaling.TaskEventPending, pending))(w, r)
	}
	second.events = streams(event(signaling.TaskEventGrant, signaling.Grant{SignalingURL: "signal/9", Token: "x"}))
	client := Client{Broker: first.URL, Brokers: []string{second.URL}, Token: func() string { return "me" }}
	grant, err := client.Follow(soon(t), first.URL, pending, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "ws" + strings.TrimPrefix(second.URL, "http") + "/signal/9"; grant.SignalingURL != want {
		t.Errorf("grant for %s, want %s", grant.SignalingURL, want)
	}
	if asked.Load() != 1 {
		t.Errorf("the first broker was asked %d times", asked.Load())
	}
}

// That a task gets no place is said once; answers that ask for another try get one.
func TestFollowEnds(t *testing.T) {
	var p *signaling.Problem
	broker := newFake(t)
	client := Client{Broker: broker.URL}
	broker.events = streams(event(signaling.TaskEventProblem, signaling.Problem{Code: signaling.ProblemStays, Title: "It stays"}))
	if _, err := client.Follow(soon(t), broker.URL, pending, nil); !errors.As(err, &p) || p.Code != signaling.ProblemStays {
		t.Errorf("ended with %v", err)
	}
	broker.events = refuses(http.StatusNotFound, signaling.ProblemNotFound)
	if _, err := client.Follow(soon(t), broker.URL, pending, nil); !errors.As(err, &p) || p.Code != signaling.ProblemNotFound {
		t.Errorf("ended with %v", err)
	}
}

// Answers that ask for another try, or that are nobody's, get one, and so does an event that is not understood.
func TestFollowTriesAgain(t *testing.T) {
	broker := newFake(t)
	client := Client{Broker: broker.URL}
	var tries atomic.Int32
	broker.events = func(w http.ResponseWriter, r *http.Request) {
		switch tries.Add(1) {
		case 1:
			refuses(http.StatusTooManyRequests, signaling.ProblemRateLimited)(w, r)
		case 2:
			refuses(http.StatusServiceUnavailable, signaling.ProblemUnavailable)(w, r)
		case 3:
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>a proxy")
		case 4:
			streams("event: grant\ndata: {\n\n")(w, r)
		default:
			streams(event(signaling.TaskEventGrant, signaling.Grant{SignalingURL: "/s"}))(w, r)
		}
	}
	if _, err := client.Follow(soon(t), broker.URL, pending, nil); err != nil || tries.Load() != 5 {
		t.Errorf("ended after %d tries with %v", tries.Load(), err)
	}
}

// A terminal that stops waiting stops following.
func TestFollowEndsWithItsContext(t *testing.T) {
	broker := newFake(t)
	left := make(chan struct{})
	ctx, cancel := context.WithCancel(soon(t))
	broker.events = func(w http.ResponseWriter, r *http.Request) {
		streams(event(signaling.TaskEventPending, pending))(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	}
	client := Client{Broker: broker.URL}
	told := 0
	_, err := client.Follow(ctx, broker.URL, pending, func(signaling.Pending) {
		if told++; told == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	<-left
}
