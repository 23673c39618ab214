package signaling_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tomocast/tomocast/signaling"
)

// types are the Go types of the examples.
var types = map[string]func() any{
	"ViewState": func() any { return new(signaling.ViewState) }, "Task": func() any { return new(signaling.Task) },
	"Node": func() any { return new(signaling.Node) }, "Grant": func() any { return new(signaling.Grant) },
	"Reservation": func() any { return new(signaling.Reservation) }, "Signal": func() any { return new(signaling.Signal) },
	"Control": func() any { return new(signaling.Control) }, "Input": func() any { return new(signaling.Input) },
	"Request": func() any { return new(signaling.Request) }, "Event": func() any { return new(signaling.Event) },
	"Stamp": func() any { return new(signaling.Stamp) }, "StillHeader": func() any { return new(signaling.StillHeader) },
	"BulkHeader":          func() any { return new(signaling.BulkHeader) },
	"HistogramParameters": func() any { return new(signaling.HistogramParameters) },
	"Histogram":           func() any { return new(signaling.Histogram) },
	"Pending":             func() any { return new(signaling.Pending) }, "NearEdges": func() any { return new(signaling.NearEdges) },
	"Override":                 func() any { return new(signaling.Override) },
	"GaussianParameters":       func() any { return new(signaling.GaussianParameters) },
	"MedianParameters":         func() any { return new(signaling.MedianParameters) },
	"ReconstructionParameters": func() any { return new(signaling.ReconstructionParameters) },
	"StatisticsParameters":     func() any { return new(signaling.StatisticsParameters) },
	"Statistics":               func() any { return new(signaling.Statistics) },
	"MixtureParameters":        func() any { return new(signaling.MixtureParameters) },
	"Mixture":                  func() any { return new(signaling.Mixture) },
	"Schedule":                 func() any { return new(signaling.Schedule) },
	"NodeTime":                 func() any { return new(signaling.NodeTime) },
	"Moving":                   func() any { return new(signaling.Moving) },
}

// TestExamples reads every worked example into its Go type without an unknown field, gets the same document
// back, and checks it against the schema.
func TestExamples(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	doc, err := os.Open("schema/contract.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	schema, err := jsonschema.UnmarshalJSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("contract.json", schema); err != nil {
		t.Fatal(err)
	}
	paths, _ := filepath.Glob("examples/*.json")
	if len(paths) < len(types) {
		t.Fatalf("%d examples for %d types", len(paths), len(types))
	}
	seen := map[string]bool{}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			var file struct {
				Type    string
				Example json.RawMessage
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &file); err != nil {
				t.Fatal(err)
			}
			if types[file.Type] == nil {
				t.Fatalf("type %q is not in the contract", file.Type)
			}
			seen[file.Type] = true
			v := types[file.Type]()
			d := json.NewDecoder(bytes.NewReader(file.Example))
			d.DisallowUnknownFields()
			if err := d.Decode(v); err != nil {
				t.Fatal(err)
			}
			back, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			_ = json.Unmarshal(file.Example, &want)
			_ = json.Unmarshal(back, &got)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("comes back as %s", back)
			}
			s, err := compiler.Compile("contract.json#/$defs/" + file.Type)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(want); err != nil {
				t.Error(err)
			}
			if view, ok := v.(*signaling.ViewState); ok {
				if err := view.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no example of %s", name)
		}
	}
}

func exampleView(t *testing.T) signaling.ViewState {
	t.Helper()
	raw, err := os.ReadFile("examples/view-state.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Example signaling.ViewState }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Example
}

func TestViewStateRefusesWhatCannotBeRendered(t *testing.T) {
	for name, spoil := range map[string]func(*signaling.Viewport){
		"id":                 func(v *signaling.Viewport) { v.ID = "../x" },
		"rect":               func(v *signaling.Viewport) { v.Rect.Width = 2 },
		"series":             func(v *signaling.Viewport) { v.Series.StudyInstanceUID = "1.2; rm" },
		"mode":               func(v *signaling.Viewport) { v.Mode = "xray" },
		"position":           func(v *signaling.Viewport) { v.Camera.Position = v.Camera.LookAt },
		"up":                 func(v *signaling.Viewport) { v.Camera.Up = signaling.Point{0, 1, 0} },
		"height":             func(v *signaling.Viewport) { v.Camera.Height = 0 },
		"fovY":               func(v *signaling.Viewport) { v.Camera.Projection, v.Camera.FovY = signaling.Perspective, 0 },
		"window":             func(v *signaling.Viewport) { v.Window = &signaling.Window{Width: -1} },
		"slab":               func(v *signaling.Viewport) { v.Slab = &signaling.Slab{} },
		"clips":              func(v *signaling.Viewport) { v.Clips = make([]signaling.Plane, 9) },
		"colors":             func(v *signaling.Viewport) { v.Transfer.Colors = nil },
		"values must ascend": func(v *signaling.Viewport) { v.Transfer.Opacities = [][2]float64{{5, 0}, {1, 1}} },
	} {
		view := exampleView(t)
		spoil(&view.Viewports[0])
		err := view.Validate()
		if name == "colors" {
			name = "colours"
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	view := exampleView(t)
	view.Viewports[1].ID = view.Viewports[0].ID
	if err := view.Validate(); err == nil {
		t.Error("two viewports of one id")
	}
	view = exampleView(t)
	view.Version = 9
	if err := view.Validate(); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a version of the future: %v", err)
	}
}

func TestPatchSetsWholeFieldsAndNothingElse(t *testing.T) {
	v := exampleView(t).Viewports[1]
	var p signaling.ViewportPatch
	if err := json.Unmarshal([]byte(`{"id":"side","window":null,"camera":{"position":[0,-1,0],"lookAt":[0,0,0],"up":[0,0,1],"projection":"orthographic","height":10}}`), &p); err != nil {
		t.Fatal(err)
	}
	got, err := p.Apply(v)
	if err != nil {
		t.Fatal(err)
	}
	if got.Window != nil || got.Camera.FovY != 0 || got.Camera.Height != 10 {
		t.Errorf("old values shine through: %+v", got)
	}
	if got.Preset != v.Preset || got.Slab == nil || v.Window == nil {
		t.Error("a field that the patch does not name has changed")
	}
	for _, bad := range []string{`{"id":"side","camera":{}}`, `{"id":"side","colour":1}`, `{"id":"side","mode":7}`} {
		var p signaling.ViewportPatch
		_ = json.Unmarshal([]byte(bad), &p)
		if _, err := p.Apply(v); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestTokenIsForOneAttemptOnOneNode(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	other, _, _ := ed25519.GenerateKey(nil)
	now := time.Unix(1_800_000_000, 0)
	token, err := signaling.SignToken(private, signaling.TokenClaims{Task: "t-1", Attempt: "a-1", Node: "edge-1", Role: signaling.RoleHost}, "anna", now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c, err := signaling.VerifyToken([]ed25519.PublicKey{other, public}, token, now.Add(80*time.Second)) // within the skew
	if err != nil {
		t.Fatal(err)
	}
	if err := c.For("edge-1", "a-1"); err != nil || c.Subject != "anna" {
		t.Error(err, c.Subject)
	}
	for name, err := range map[string]error{
		"foreign node":    c.For("edge-2", "a-1"),
		"foreign attempt": c.For("edge-1", "a-2"),
		"expired":         second(signaling.VerifyToken([]ed25519.PublicKey{public}, token, now.Add(2*time.Minute))),
		"forged":          second(signaling.VerifyToken([]ed25519.PublicKey{other}, token, now)),
		"truncated":       second(signaling.VerifyToken([]ed25519.PublicKey{public}, token[:len(token)-4], now)),
		"no key":          second(signaling.VerifyToken(nil, token, now)),
		"unsigned":        second(signaling.VerifyToken([]ed25519.PublicKey{public}, "eyJhbGciOiJub25lIn0."+strings.Split(token, ".")[1]+".", now)),
	} {
		if !errors.Is(err, signaling.ErrToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second(_ *signaling.TokenClaims, err error) error { return err }

func TestRequestsAreRefusedByField(t *testing.T) {
	for field, r := range map[string]signaling.TaskRequest{
		"type":             {Type: "mining"},
		"series":           {Type: signaling.Rendering},
		"studyInstanceUID": {Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "../etc"}},
		"cpuMilli":         {Type: signaling.Training, Resources: &signaling.Resources{CPUMilli: -1}},
		"memoryMB":         {Type: signaling.Training, Resources: &signaling.Resources{MemoryMB: 1 << 40}},
		"maxDistanceMs":    {Type: signaling.Training, MaxDistanceMs: -3},
		"parameters.width": {Type: signaling.Rendering, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2"}, Parameters: []byte(`{"width":-1,"height":99999999}`)},
		"parameters":       {Type: signaling.Training, Parameters: make([]byte, signaling.MaxParameters+1)},
		"zone":             {Type: signaling.Training, Zone: "ward 3; rm"},
		"pings[1].node":    {Type: signaling.Training, Pings: []signaling.Ping{{Node: "e", Ms: 1}, {Node: "", Ms: 1}}},
		"pings[0].ms":      {Type: signaling.Training, Pings: []signaling.Ping{{Node: "e", Ms: math.NaN()}}},
		"pings has":        {Type: signaling.Training, Pings: make([]signaling.Ping, signaling.MaxPings+1)},
		"whenFull":         {Type: signaling.Training, WhenFull: "cry"},
		"handling":         {Type: signaling.Training, Handling: signaling.HandlingAsk},
		"shadow":           {Type: signaling.Training, Shadow: true},
		"input.bytes":      {Type: signaling.ImageReconstruction, Input: &signaling.TaskInput{Bytes: signaling.MaxInput + 1}},
		"input: only":      {Type: signaling.ImageProcessing, Series: &signaling.SeriesRef{StudyInstanceUID: "1.2"}, Input: &signaling.TaskInput{Bytes: 1}},
		"local":            {Type: signaling.Training, Local: &signaling.LocalCheck{Reason: strings.Repeat("x", 301)}},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// A request that names one amount still takes the others of its type: a session always has an encoder.
func TestNeedsAreTheDefaultsWhereNothingIsNamed(t *testing.T) {
	r := signaling.TaskRequest{Type: signaling.Rendering, Resources: &signaling.Resources{CPUMilli: 1}}
	want := signaling.DefaultResources(signaling.Rendering)
	want.CPUMilli = 1
	if got := r.Needs(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.Resources = nil
	if got := r.Needs(); got != signaling.DefaultResources(signaling.Rendering) {
		t.Errorf("%+v", got)
	}
}

func TestNodesAreRefusedByField(t *testing.T) {
	whole := signaling.Node{ID: "e", Tier: signaling.TierEdge, Types: signaling.TaskTypes, Capacity: signaling.Resources{GPUMemoryMB: 20, GPUMilli: 2000}}
	if err := whole.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*signaling.Node){
		"id":          func(n *signaling.Node) { n.ID = "a b" },
		"tier":        func(n *signaling.Node) { n.Tier = "fog" },
		"zone":        func(n *signaling.Node) { n.Zone = "/" },
		"distanceMs":  func(n *signaling.Node) { n.DistanceMs = math.NaN() },
		"types":       func(n *signaling.Node) { n.Types = nil },
		"capacity":    func(n *signaling.Node) { n.Capacity.CPUMilli = -5 },
		"gpus have":   func(n *signaling.Node) { n.GPUs = []signaling.GPU{{MemoryMB: 10, Milli: 1000}} },
		"gpus[0]":     func(n *signaling.Node) { n.GPUs = []signaling.GPU{{MemoryMB: -1}} },
		"gpus has":    func(n *signaling.Node) { n.GPUs = make([]signaling.GPU, signaling.MaxGPUs+1) },
		"networks[0]": func(n *signaling.Node) { n.Networks = []string{"10.1.2.3"} },
		"networks has": func(n *signaling.Node) {
			n.Networks = make([]string, signaling.MaxNetworks+1)
		},
		"handling": func(n *signaling.Node) {
			n.Handling = map[signaling.TaskType]signaling.Handling{signaling.Training: "never"}
		},
	} {
		n := whole
		spoil(&n)
		if err := n.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestAnOverrideOffersNoMoreThanTheNodeHas(t *testing.T) {
	n := signaling.Node{ID: "e", Zone: "a", DistanceMs: 5, Types: signaling.TaskTypes, Capacity: signaling.Resources{CPUMilli: 4000, MemoryMB: 100}}
	zone := ""
	o := signaling.Override{Types: []signaling.TaskType{signaling.Rendering}, Capacity: &signaling.Resources{CPUMilli: 9000, MemoryMB: 50}, Zone: &zone}
	got := o.Apply(n)
	if want := (signaling.Resources{CPUMilli: 4000, MemoryMB: 50}); got.Capacity != want || got.Zone != "" || got.DistanceMs != 5 || len(got.Types) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := (*signaling.Override)(nil).Apply(n); !reflect.DeepEqual(got, n) {
		t.Errorf("no override changed it to %+v", got)
	}
	far := -1.0
	for field, bad := range map[string]signaling.Override{
		"types": {Types: []signaling.TaskType{"x"}}, "capacity": {Capacity: &signaling.Resources{}}, "distanceMs": {DistanceMs: &far},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// A terminal's token opens no session, and a session's token lets nobody ask edges (A2).
func TestTokensOfTerminalsAndSessionsAreApart(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	keys, now := []ed25519.PublicKey{public}, time.Unix(1_800_000_000, 0)
	asks, err := signaling.SignTerminalToken(private, signaling.TerminalClaims{Zone: "ward-3", Urgent: true}, "anna", now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c, err := signaling.VerifyTerminalToken(keys, asks, now)
	if err != nil || c.Subject != "anna" || c.Zone != "ward-3" || !c.Urgent {
		t.Fatal(c, err)
	}
	if _, err := signaling.VerifyTerminalToken(keys, asks, now.Add(time.Hour)); !errors.Is(err, signaling.ErrToken) {
		t.Errorf("expired: got %v", err)
	}
	if c, err := signaling.VerifyToken(keys, asks, now); err == nil && c.For("edge-1", "a-1") == nil {
		t.Error("it opened a session")
	}
	opens, _ := signaling.SignToken(private, signaling.TokenClaims{Task: "t-1", Attempt: "a-1", Node: "edge-1", Role: signaling.RoleHost}, "anna", now, time.Minute)
	if _, err := signaling.VerifyTerminalToken(keys, opens, now); !errors.Is(err, signaling.ErrToken) {
		t.Errorf("a session's token asked an edge: %v", err)
	}
}

func TestResourcesAddUp(t *testing.T) {
	a := signaling.Resources{GPUMemoryMB: 5, GPUMilli: 4, EncoderSessions: 3, CPUMilli: 2, MemoryMB: 1}
	b := signaling.Resources{GPUMemoryMB: 1, GPUMilli: 1, EncoderSessions: 1, CPUMilli: 1, MemoryMB: 1}
	if a.Sub(b).Add(b) != a || !b.Fits(a) || a.Fits(b) || !a.Sub(a).IsZero() {
		t.Error("amounts do not add up")
	}
}
