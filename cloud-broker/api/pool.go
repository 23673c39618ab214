package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/signaling"
)

// overview is the pool at a glance, with its time.
type overview struct {
	dispatch.Overview
	Closed int `json:"closed" doc:"How many of the nodes that are ready are closed now, by their schedules or because their machine is to be gone: nothing new comes to them."`
}

type overviewOutput struct{ Body overview }

func (s *server) overview(ctx context.Context) (overview, error) {
	o, err := s.Dispatcher.Overview(ctx)
	return overview{o, s.Times.Closed()}, err
}

type queueInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many are returned at most."`
}

// waiting is a task that waits, as operators see the queue: without on what it works.
type waiting struct {
	Task      signaling.TaskID    `json:"task"`
	Type      signaling.TaskType  `json:"type"`
	Operation string              `json:"operation,omitempty"`
	Creator   string              `json:"creator,omitempty" doc:"who asked"`
	Zone      string              `json:"zone,omitempty"`
	Needs     signaling.Resources `json:"needs"`
	Urgent    bool                `json:"urgent,omitempty"`
	Since     time.Time           `json:"since"`
	Reason    string              `json:"reason,omitempty" doc:"why it waits"`
	Queue     *signaling.Queue    `json:"queue,omitempty"`
}

// queuePage is the head of the queue.
type queuePage struct {
	Tasks []waiting `json:"tasks" nullable:"false" doc:"The next one first."`
}

type queueOutput struct{ Body queuePage }

type explainInput struct {
	Body struct {
		Request signaling.TaskRequest `json:"request" doc:"What would be asked for. A rendering task without a series counts as one whose files the terminal sends."`
		Address string                `json:"address,omitempty" maxLength:"45" doc:"Network address of the terminal; yours where neither it nor the request's zone is given."`
		Limit   int                   `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"How many nodes are told about; 0 is 50."`
	}
}

type explainOutput struct{ Body dispatch.Explained }

// explainedNodes is how many nodes an explanation tells about where the request does not say.
const explainedNodes = 50

func (s *server) poolOperations(a huma.API) {
	huma.Register(a, operation("get-pool", http.MethodGet, "/pool", "See the pool at a glance",
		"Nodes by state, what they have and have free, sessions, the queue, and how many nodes there should be by the buffer policy. For operators.",
		http.StatusForbidden, http.StatusServiceUnavailable),
		func(ctx context.Context, _ *struct{}) (*overviewOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			o, err := s.overview(ctx)
			return answer(&overviewOutput{Body: o}, err)
		})
	huma.Register(a, operation("list-queue", http.MethodGet, "/pool/queue", "List what waits for a place", "For operators.",
		http.StatusForbidden, http.StatusServiceUnavailable),
		func(ctx context.Context, in *queueInput) (*queueOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			q, err := s.queue(ctx, in.Limit)
			return answer(&queueOutput{Body: q}, err)
		})
	huma.Register(a, operation("explain", http.MethodPost, "/explain", "Try where a task would be placed",
		"Every node with what speaks for and against it. Nothing is claimed. For operators.",
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable), s.explain)
	watch := operation("watch-pool", http.MethodGet, "/pool/events", "Watch the pool",
		"The overview, a page of nodes and the head of the queue: at the beginning, and when they have changed, at most once a second. For operators.",
		http.StatusForbidden, http.StatusServiceUnavailable)
	huma.Register(a, streamOperation(a, watch, map[string]*huma.Schema{
		watchOverview: schemaOf[overview](a), watchNodes: schemaOf[nodePage](a),
		watchQueue: schemaOf[queuePage](a), watchProblem: schemaOf[Problem](a),
	}), func(ctx context.Context, in *nodesInput) (*huma.StreamResponse, error) {
		if err := operatorsOnly(ctx); err != nil {
			return nil, problemOf(err)
		}
		return s.stream(s.watches, func(ctx context.Context, e *events) error { return s.watch(ctx, in, e) })
	})
}

func (s *server) queue(ctx context.Context, limit int) (queuePage, error) {
	tasks, err := s.Dispatcher.Queue(ctx, limit)
	page := queuePage{Tasks: make([]waiting, len(tasks))}
	for i, t := range tasks {
		page.Tasks[i] = waiting{
			Task: t.ID, Type: t.Request.Type, Operation: t.Request.Operation, Creator: t.Creator, Zone: t.Request.Zone, Needs: t.Request.Needs(),
			Urgent: t.Request.Urgent, Since: t.CreatedAt, Reason: t.Reason, Queue: t.Queue,
		}
	}
	return page, err
}

func (s *server) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	if err := operatorsOnly(ctx); err != nil {
		return nil, problemOf(err)
	}
	r, who := in.Body.Request, terminal(ctx, in.Body.Request.Zone)
	if in.Body.Address != "" || r.Zone != "" { // another terminal than the one who asks
		who.Address, who.Principal.Zone, who.Zone = netip.Addr{}, r.Zone, r.Zone
	}
	if in.Body.Address != "" {
		at, err := netip.ParseAddr(in.Body.Address)
		if err != nil {
			return nil, invalid("The address cannot be used.", fmt.Errorf("address %.45q: an IP address like 10.1.2.3", in.Body.Address))
		}
		who.Address = at.Unmap()
	}
	if r.Type == signaling.Rendering && r.Series == nil && len(r.Parameters) == 0 {
		r.Parameters = json.RawMessage(`{"upload":true}`)
	}
	if err := r.Validate(); err != nil {
		return nil, invalid("The request cannot be served as it is.", err)
	}
	limit := in.Body.Limit
	if limit == 0 {
		limit = explainedNodes
	}
	x, err := s.Dispatcher.Explain(ctx, who, r, limit)
	return answer(&explainOutput{Body: x}, err)
}

// The events of the pool.
const (
	watchOverview = "overview"
	watchNodes    = "nodes"
	watchQueue    = "queue"
	watchProblem  = "problem" // what it is can not be read now; the stream goes on
)

const (
	// watchEvery is the least time between two looks at the pool, and watchShare the share of the time that looking may
	// take: a look at very many nodes is taken less often.
	watchEvery = time.Second
	watchShare = 10
	// watchedQueue is how much of the queue is sent.
	watchedQueue = 100
)

// watch sends what the pool is, and again what of it has changed.
func (s *server) watch(ctx context.Context, in *nodesInput, e *events) error {
	sent := map[string][]byte{}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		start := time.Now()
		seen, err := s.look(ctx, in)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !e.begun():
			return err
		case err != nil:
			seen = []sight{{watchProblem, problemOf(err)}}
		default:
			delete(sent, watchProblem) // the next one is a new one
		}
		for _, v := range seen {
			text, err := json.Marshal(v.data)
			if err != nil {
				return fmt.Errorf("event %s: %w", v.name, err)
			}
			if bytes.Equal(text, sent[v.name]) {
				continue
			}
			if err := e.send(v.name, json.RawMessage(text)); err != nil {
				return err
			}
			sent[v.name] = text
		}
		next.Reset(max(watchEvery, watchShare*time.Since(start)))
	}
}

// sight is the data of an event of the pool.
type sight struct {
	name string
	data any
}

// look reads what watch sends.
func (s *server) look(ctx context.Context, in *nodesInput) ([]sight, error) {
	glance, err := s.overview(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := s.nodes(ctx, in)
	if err != nil {
		return nil, err
	}
	queue, err := s.queue(ctx, watchedQueue)
	if err != nil {
		return nil, err
	}
	return []sight{{watchOverview, glance}, {watchNodes, nodes}, {watchQueue, queue}}, nil
}
