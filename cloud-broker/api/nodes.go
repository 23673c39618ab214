package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// nodesInput says which nodes are looked at.
type nodesInput struct {
	After  string              `query:"after" maxLength:"63" doc:"Id behind which the list begins: the answer's next, for the next page."`
	Limit  int                 `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"How many are returned at most."`
	State  signaling.NodeState `query:"state" enum:"starting,ready,cordoned,draining,lost" doc:"Only nodes in this state."`
	Tier   signaling.Tier      `query:"tier" enum:"edge,cloud" doc:"Only nodes of this tier."`
	Type   signaling.TaskType  `query:"type" enum:"image-processing,image-reconstruction,data-computation,rendering,training" doc:"Only nodes that take tasks of this type."`
	Zone   string              `query:"zone" maxLength:"63" doc:"Only nodes of this zone."`
	Search string              `query:"search" maxLength:"63" doc:"Only nodes with this in their id, in whatever case."`
}

// wants says whether n is one of the nodes that are asked for.
func (in *nodesInput) wants(n *pool.NodeStatus) bool {
	return (in.State == "" || n.State == in.State) && (in.Tier == "" || n.Tier == in.Tier) && (in.Zone == "" || n.Zone == in.Zone) &&
		(in.Type == "" || slices.Contains(n.Types, in.Type)) &&
		(in.Search == "" || strings.Contains(strings.ToLower(string(n.ID)), strings.ToLower(in.Search)))
}

// everyNode says that no node is left out.
func (in *nodesInput) everyNode() bool {
	return in.State == "" && in.Tier == "" && in.Type == "" && in.Zone == "" && in.Search == ""
}

// NodeStatus is a node as operators see it.
type NodeStatus struct {
	pool.NodeStatus
	Time *nodetimes.Status `json:"time,omitempty" doc:"When it is open, and for how long it can be used. Absent where it is always there."`
}

// nodePage is a part of the list of nodes.
type nodePage struct {
	Nodes []NodeStatus     `json:"nodes" nullable:"false" doc:"In the order of their ids."`
	Next  signaling.NodeID `json:"next,omitempty" doc:"Where the next page begins: the parameter after. Absent where there is none."`
}

type nodesOutput struct{ Body nodePage }

type nodeInput struct {
	Node signaling.NodeID `path:"node" maxLength:"63" doc:"Id of the node."`
}

// node is the one that an operation is about.
func (in *nodeInput) node() signaling.NodeID { return in.Node }

type nodeOutput struct {
	Body struct {
		NodeStatus
		Tasks []heldTask `json:"tasks" nullable:"false" doc:"What runs there, the oldest first, without whose and on what."`
	}
}

// heldTask is a task on a node as an operator looks at nodes: without whose it is and on what it works.
type heldTask struct {
	Task      signaling.TaskID    `json:"task"`
	Type      signaling.TaskType  `json:"type"`
	Operation string              `json:"operation,omitempty"`
	State     signaling.TaskState `json:"state"`
	Attempt   signaling.Attempt   `json:"attempt"`
	Resources signaling.Resources `json:"resources" doc:"What it holds now."`
	Requested signaling.Resources `json:"requested" doc:"What it asked for."`
	CreatedAt time.Time           `json:"createdAt"`
	Shadow    bool                `json:"shadow,omitempty" doc:"It is kept ready here to take over."`
	Moves     bool                `json:"moves,omitempty" doc:"It is on its way here."`
}

type drainInput struct {
	Node   signaling.NodeID `path:"node" maxLength:"63" doc:"Id of the node."`
	Within string           `query:"within" maxLength:"20" doc:"What could not move ends after this time at the latest, like 90s, 10m or 2h, at most 168h. Without it, it goes on as long as it wants."`
}

func (in *drainInput) node() signaling.NodeID { return in.Node }

type overrideInput struct {
	Node signaling.NodeID `path:"node" maxLength:"63" doc:"Id of the node."`
	Body signaling.Override
}

func (in *overrideInput) node() signaling.NodeID { return in.Node }

// maxDrain bounds the time that what runs on a node may be given.
const maxDrain = 7 * 24 * time.Hour

func (s *server) nodeOperations(a huma.API) {
	huma.Register(a, operation("list-nodes", http.MethodGet, "/nodes", "List nodes",
		"For operators. A page may have fewer than were asked for, or none, and still a next one: of a large pool only so many are looked through at a time.",
		http.StatusForbidden, http.StatusServiceUnavailable),
		func(ctx context.Context, in *nodesInput) (*nodesOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			page, err := s.nodes(ctx, in)
			return answer(&nodesOutput{Body: page}, err)
		})
	huma.Register(a, operation("get-node", http.MethodGet, "/nodes/{node}", "Look at a node", "For operators.",
		http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *nodeInput) (*nodeOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			return s.node(ctx, in.Node)
		})
	change(a, "cordon-node", http.MethodPost, "/cordon", "Keep new tasks away from a node", "What runs there goes on.",
		func(ctx context.Context, in *nodeInput) error {
			return s.Dispatcher.Cordon(ctx, in.Node, true)
		})
	change(a, "uncordon-node", http.MethodPost, "/uncordon", "Let tasks come to a node again", "",
		func(ctx context.Context, in *nodeInput) error {
			return s.Dispatcher.Cordon(ctx, in.Node, false)
		})
	change(a, "drain-node", http.MethodPost, "/drain", "Let a node take nothing new, and empty it",
		"What runs there moves to other nodes while it goes on. What cannot move stays, or ends when the time is up.",
		func(ctx context.Context, in *drainInput) error {
			within, err := in.deadline()
			if err != nil {
				return err
			}
			return s.Dispatcher.Drain(ctx, in.Node, within)
		})
	change(a, "forget-node", http.MethodDelete, "", "Take a node out of the pool",
		"What runs there fails. A node that lives registers again.",
		func(ctx context.Context, in *nodeInput) error {
			return s.Dispatcher.Forget(ctx, in.Node)
		})
	change(a, "override-node", http.MethodPut, "/override", "Say what a node offers",
		"In place of what it registers with, until it is taken back. What is left out stays the node's own.",
		func(ctx context.Context, in *overrideInput) error {
			if err := in.Body.Validate(); err != nil {
				return invalid("The override cannot be used.", err)
			}
			err := s.Dispatcher.Override(ctx, in.Node, &in.Body)
			var p *signaling.Problem
			if errors.As(err, &p) && p.Code == signaling.ProblemBadRequest {
				return invalid(p.Title, errors.New(p.Detail))
			}
			return err
		})
	change(a, "restore-node", http.MethodDelete, "/override", "Let a node offer what it registers with", "",
		func(ctx context.Context, in *nodeInput) error {
			return s.Dispatcher.Override(ctx, in.Node, nil)
		})
}

// change registers an operation that changes a node and answers nothing. example is what is sent, where something is.
func change[I any, P interface {
	*I
	node() signaling.NodeID
}](a huma.API, id, method, path, summary, description string, do func(context.Context, *I) error, example ...any) {
	o := operation(id, method, "/nodes/{node}"+path, summary, strings.TrimSpace(description+" For operators."),
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable)
	o.DefaultStatus = http.StatusNoContent
	for _, e := range example {
		o = worked(o, e, nil)
	}
	huma.Register(a, o, func(ctx context.Context, in *I) (*struct{}, error) {
		if err := operatorsOnly(ctx); err != nil {
			return nil, problemOf(err)
		}
		if !signaling.ValidName(string(P(in).node())) {
			return nil, problemOf(&signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such node.",
				Detail: "A node's id is letters, digits, '.', '-' and '_', at most 63."})
		}
		return answer(&struct{}{}, do(ctx, in))
	})
}

func (in *drainInput) deadline() (time.Duration, error) {
	if in.Within == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(in.Within)
	if err != nil || d < time.Second || d > maxDrain {
		return 0, &Problem{Title: "The time cannot be used.", Status: http.StatusBadRequest, Code: signaling.ProblemBadRequest,
			Detail: fmt.Sprintf("within %.20q: write it like 90s, 10m or 2h; at least 1s, at most 168h.", in.Within),
			Errors: []*huma.ErrorDetail{{Location: "query.within", Message: "a time like 10m, 1s to 168h"}}}
	}
	return d, nil
}

const (
	// nodesAtOnce is how many nodes are read at a time, maxNodesRead how many are looked through for one page.
	nodesAtOnce  = 500
	maxNodesRead = 20_000
)

// nodes looks for the nodes that in asks for.
func (s *server) nodes(ctx context.Context, in *nodesInput) (nodePage, error) {
	page := nodePage{Nodes: []NodeStatus{}}
	after, once := signaling.NodeID(in.After), nodesAtOnce
	if in.everyNode() {
		once = in.Limit + 1
	}
	for read := 0; read < maxNodesRead; {
		some, err := s.Dispatcher.Nodes(ctx, after, once)
		if err != nil {
			return page, err
		}
		for i := range some {
			n := &some[i]
			if !in.wants(n) {
				continue
			}
			if len(page.Nodes) == in.Limit {
				page.Next = page.Nodes[in.Limit-1].ID
				return page, nil
			}
			page.Nodes = append(page.Nodes, s.withTime(*n))
		}
		if len(some) < once {
			return page, nil
		}
		read += len(some)
		after = some[len(some)-1].ID
	}
	page.Next = after
	return page, nil
}

// withTime is a node with its time.
func (s *server) withTime(n pool.NodeStatus) NodeStatus {
	out := NodeStatus{NodeStatus: n}
	if t, own := s.Times.Status(n.ID); own {
		out.Time = &t
	}
	return out
}

// node reads a node with what runs there.
func (s *server) node(ctx context.Context, id signaling.NodeID) (*nodeOutput, error) {
	n, err := s.Dispatcher.Node(ctx, id)
	if err != nil {
		return nil, problemOf(err)
	}
	tasks, err := s.Dispatcher.Pool.OnNode(ctx, id, maxTasks)
	if err != nil && !errors.Is(err, pool.ErrUnknownNode) { // it may be forgotten at this moment
		return nil, problemOf(s.timeProblem(id, err))
	}
	out := &nodeOutput{}
	out.Body.NodeStatus, out.Body.Tasks = s.withTime(n), []heldTask{}
	for _, t := range tasks {
		for _, at := range []*signaling.Attempt{t.Attempt, t.Shadow, t.Moves} {
			if at == nil || at.Node != id {
				continue
			}
			out.Body.Tasks = append(out.Body.Tasks, heldTask{
				Task: t.ID, Type: t.Request.Type, Operation: t.Request.Operation, State: t.State, Attempt: *at,
				Resources: *t.Resources, Requested: t.Request.Needs(), CreatedAt: t.CreatedAt, Shadow: at == t.Shadow, Moves: at == t.Moves,
			})
			break
		}
	}
	return out, nil
}

// maxTasks bounds how much is told of what runs on a node.
const maxTasks = 1000

type sessionOutput struct {
	Body struct {
		Subject  string `json:"subject" doc:"Who you are."`
		Method   string `json:"method" enum:"oidc,local" doc:"How you were recognised."`
		Operator bool   `json:"operator" doc:"Whether you may see everyone's tasks and the nodes."`
		Urgent   bool   `json:"urgent" doc:"Whether you may ask for a place before others."`
		Zone     string `json:"zone,omitempty" doc:"Where your token says you are."`
		Version  string `json:"version" doc:"Version of the broker."`
		Source   string `json:"source" doc:"Name of the source of studies."`
		// Quota is what the user's tasks may hold at a time.
		Quota *signaling.Resources `json:"quota,omitempty" doc:"What your tasks may hold at a time; what is 0 is not bounded. Absent where nothing is."`
	}
}

func (s *server) sessionOperation(a huma.API) {
	huma.Register(a, operation("get-session", http.MethodGet, "/session", "Who am I", ""),
		func(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
			p := principal(ctx)
			out := &sessionOutput{}
			out.Body.Subject, out.Body.Method, out.Body.Operator = p.Subject, p.Method, p.Operator
			out.Body.Urgent, out.Body.Zone = p.Urgent, p.Zone
			if q := s.Dispatcher.Sites.Quota(p.Subject); !q.IsZero() {
				out.Body.Quota = &q
			}
			out.Body.Version, out.Body.Source = service.Version(), s.Library.Name()
			return out, nil
		})
}
