package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/signaling"
)

// worked adds worked examples to the description of an operation: of what is sent, and of what is answered; nil where there is
// nothing to send or answer.
func worked(o huma.Operation, sent, answered any) huma.Operation {
	example := func(v any) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Example: v}}
	}
	if sent != nil {
		o.RequestBody = &huma.RequestBody{Content: example(sent)}
	}
	if answered != nil {
		status := o.DefaultStatus
		if status == 0 {
			status = http.StatusOK
		}
		if o.Responses == nil {
			o.Responses = map[string]*huma.Response{}
		}
		o.Responses[strconv.Itoa(status)] = &huma.Response{Content: example(answered)}
	}
	return o
}

// noon is when the examples are.
var noon = time.Date(2026, 12, 4, 12, 0, 0, 0, time.UTC)

// later is a time behind it.
func later(d time.Duration) *time.Time {
	at := noon.Add(d)
	return &at
}

func number(v float64) *float64 { return &v }

var (
	exampleSchedule = signaling.Schedule{
		TimeZone: "Europe/Berlin",
		Hours: []signaling.OpenHours{
			{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "07:30", To: "19:00"}, {Days: []string{"sat"}, From: "08:00", To: "13:00"},
		},
		Closed: []signaling.TimeSpan{{From: noon.AddDate(0, 0, 20), To: noon.AddDate(0, 0, 23)}},
	}
	exampleTime = signaling.NodeTime{
		At: noon, Open: true, TotalS: number(41_400), FreeS: map[string]float64{"gpuMilli": 21_600, "cpuMilli": 21_600},
		Line: []signaling.NodeMoment{
			{At: noon, Open: true, Free: signaling.Resources{GPUMilli: 750, CPUMilli: 3500}},
			{At: *later(20 * time.Minute), Open: true, Free: signaling.Resources{GPUMilli: 1000, CPUMilli: 4000}},
			{At: *later(6 * time.Hour), Free: signaling.Resources{GPUMilli: 1000, CPUMilli: 4000}},
		},
		Tasks: []signaling.NodeTask{{Task: "t-4d1c", Type: signaling.Rendering, Resources: signaling.Resources{GPUMilli: 250, CPUMilli: 500},
			StartedAt: *later(-5 * time.Minute), EndsAt: later(20 * time.Minute), LateAt: later(55 * time.Minute)}},
	}
	exampleMoving = signaling.Moving{Task: "t-4d1c", Type: signaling.Rendering, Reason: signaling.MoveByHand, From: "edge-7", To: "edge-8", State: "handing-over", BeganAt: noon}
	exampleMoved  = signaling.Moving{Task: "t-9a02", Type: signaling.ImageReconstruction, Reason: signaling.MoveDrain, From: "edge-7", To: "edge-9", State: "moved",
		BeganAt: *later(-time.Minute), EndedAt: later(-59 * time.Second)}
	exampleOrder = scaling.Order{Task: "t-4d1c", Node: "edge-7", Kind: "gpuMilli", Direction: "expand", From: 250, To: 300, State: "waiting",
		Why: "the node has 20 free", CreatedAt: noon, DueAt: later(2 * time.Second)}
	exampleReport = scaling.Order{Task: "t-9a02", Node: "edge-7", Kind: "cpuMilli", Direction: "shrink", From: 4000, To: 2000, State: "done",
		CreatedAt: *later(-time.Minute), EndedAt: later(-time.Minute)}
	exampleRequest = signaling.TaskRequest{Type: signaling.ImageProcessing, Operation: "segment",
		Series: &signaling.SeriesRef{Source: "local", StudyInstanceUID: "1.2.3", SeriesInstanceUID: "1.2.3.4"}}
	exampleForecast = signaling.Forecast{Known: true, ExpectedMs: 41_000, LowMs: 22_000, HighMs: 95_000, CPUMilli: 3200,
		Basis: "the last 20 of the same operation and size"}
	exampleScore = foresight.Score{Type: signaling.ImageProcessing, Tasks: 312, Unknown: 4, ErrorLog: 0.31, Within2: 0.84, Covered90: 0.9}
)
