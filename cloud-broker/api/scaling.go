package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/scaling"
)

// orderList are orders to scale tasks.
type orderList struct {
	Orders  []scaling.Order `json:"orders" nullable:"false" doc:"Those that wait, in the order of their age."`
	Reports []scaling.Order `json:"reports" nullable:"false" doc:"How the last ones ended, the newest first."`
}

type scalingOutput struct{ Body orderList }

// scalingOperation is about what running tasks are given and what is taken from them (B5).
func (s *server) scalingOperation(a huma.API) {
	huma.Register(a, worked(operation("list-scaling", http.MethodGet, "/scaling", "List orders to scale tasks",
		"Those that wait, and how the last ones have ended, of all running tasks. For operators.", http.StatusForbidden),
		nil, orderList{[]scaling.Order{exampleOrder}, []scaling.Order{exampleReport}}),
		func(ctx context.Context, _ *struct{}) (*scalingOutput, error) {
			if err := operatorsOnly(ctx); err != nil {
				return nil, problemOf(err)
			}
			out := &scalingOutput{}
			out.Body.Orders, out.Body.Reports = []scaling.Order{}, []scaling.Order{}
			for _, o := range s.Scaler.Orders(ctx) {
				if o.EndedAt == nil {
					out.Body.Orders = append(out.Body.Orders, o)
				} else {
					out.Body.Reports = append(out.Body.Reports, o)
				}
			}
			return out, nil
		})
}
