package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

type nodesInput struct {
	After string `query:"after" maxLength:"63" doc:"Id of the last node of the page before."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"How many are returned at most."`
}

type nodesOutput struct {
	Body struct {
		Nodes []pool.NodeStatus `json:"nodes" nullable:"false" doc:"In the order of their ids."`
	}
}

type nodeInput struct {
	Node string `path:"node" maxLength:"63" doc:"Id of the node."`
}

type nodeOutput struct{ Body pool.NodeStatus }

func (s *server) nodeOperations(a huma.API) {
	huma.Register(a, operation("list-nodes", http.MethodGet, "/nodes", "List nodes", "For operators.", http.StatusForbidden, http.StatusServiceUnavailable),
		func(ctx context.Context, in *nodesInput) (*nodesOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			nodes, err := s.Dispatcher.Nodes(ctx, signaling.NodeID(in.After), in.Limit)
			out := &nodesOutput{}
			if out.Body.Nodes = nodes; nodes == nil {
				out.Body.Nodes = []pool.NodeStatus{}
			}
			return answer(out, err)
		})
	huma.Register(a, operation("get-node", http.MethodGet, "/nodes/{node}", "Look at a node", "For operators.",
		http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *nodeInput) (*nodeOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			n, err := s.Dispatcher.Node(ctx, signaling.NodeID(in.Node))
			return answer(&nodeOutput{Body: n}, err)
		})
	drain := operation("drain-node", http.MethodPost, "/nodes/{node}/drain", "Let a node take nothing new",
		"What runs there goes on. For operators.", http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable)
	drain.DefaultStatus = http.StatusNoContent
	huma.Register(a, drain, func(ctx context.Context, in *nodeInput) (*struct{}, error) {
		if err := operatorsOnly(ctx); err != nil {
			return nil, problemOf(err)
		}
		return answer(&struct{}{}, s.Dispatcher.Drain(ctx, signaling.NodeID(in.Node), 0))
	})
}

type sessionOutput struct {
	Body struct {
		Subject  string `json:"subject" doc:"Who you are."`
		Method   string `json:"method" enum:"oidc,local" doc:"How you were recognised."`
		Operator bool   `json:"operator" doc:"Whether you may see everyone's tasks and the nodes."`
		Version  string `json:"version" doc:"Version of the broker."`
		Source   string `json:"source" doc:"Name of the source of studies."`
	}
}

func (s *server) sessionOperation(a huma.API) {
	huma.Register(a, operation("get-session", http.MethodGet, "/session", "Who am I", ""),
		func(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
			p := principal(ctx)
			out := &sessionOutput{}
			out.Body.Subject, out.Body.Method, out.Body.Operator = p.Subject, p.Method, p.Operator
			out.Body.Version, out.Body.Source = service.Version(), s.Library.Name()
			return out, nil
		})
}
