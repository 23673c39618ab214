package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/signaling"
)

type edgesInput struct {
	Type  signaling.TaskType `query:"type" enum:"image-processing,image-reconstruction,data-computation,rendering,training" default:"rendering" doc:"The task type that they take."`
	Zone  string             `query:"zone" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"Zone that the terminal stands in, where it knows."`
	Limit int                `query:"limit" minimum:"1" maximum:"64" default:"8" doc:"How many are returned at most."`
}

type edgesOutput struct{ Body signaling.NearEdges }

type pingsInput struct {
	Body struct {
		Zone  string           `json:"zone,omitempty" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"Zone that the terminal stands in, where it knows."`
		Pings []signaling.Ping `json:"pings" minItems:"1" maxItems:"16" nullable:"false" doc:"Round trips that the terminal has measured."`
	}
}

// edgeOperations are what a terminal needs to ask an edge itself (A2, A3).
func (s *server) edgeOperations(a huma.API) {
	huma.Register(a, operation("near-edges", http.MethodGet, "/edges", "List the edges near you",
		"The edges of a type that are nearer than the cloud, the likeliest first, with the token to show them when asking them for a place.",
		http.StatusServiceUnavailable),
		func(ctx context.Context, in *edgesInput) (*edgesOutput, error) {
			near, err := s.Dispatcher.Near(ctx, terminal(ctx, in.Zone), in.Type, in.Limit)
			if near.Edges == nil {
				near.Edges = []signaling.NearEdge{}
			}
			return answer(&edgesOutput{Body: near}, err)
		})
	pings := operation("remember-pings", http.MethodPost, "/edges/pings", "Tell how far edges are",
		"Round trips that the terminal has measured; they count for others of its zone too.", http.StatusBadRequest)
	pings.DefaultStatus = http.StatusNoContent
	huma.Register(a, pings, func(ctx context.Context, in *pingsInput) (*struct{}, error) {
		// What holds for the pings of a request holds for these.
		r := signaling.TaskRequest{Type: signaling.DataComputation, Zone: in.Body.Zone, Pings: in.Body.Pings}
		if err := r.Validate(); err != nil {
			return nil, invalid("The round trips cannot be used.", err)
		}
		s.Dispatcher.Remember(ctx, terminal(ctx, in.Body.Zone), in.Body.Pings)
		return &struct{}{}, nil
	})
}
