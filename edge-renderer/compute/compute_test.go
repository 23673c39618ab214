package compute_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

const detectors, projections = 64, 48

func raw(t *testing.T, v any) json.RawMessage {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// reconstruction is a task whose data the terminal sends, and the data.
func reconstruction(t *testing.T) (signaling.TaskRequest, []byte) {
	data := make([]byte, 4*detectors*projections)
	for i := range data {
		if i%4 == 3 {
			data[i] = 0x3F // values about 0.5
		}
	}
	return signaling.TaskRequest{
		Type: signaling.ImageReconstruction, Operation: "filtered-back-projection",
		Parameters: raw(t, signaling.ReconstructionParameters{Detectors: detectors, Projections: projections, DetectorMm: 1}),
		Input:      &signaling.TaskInput{Format: "application/octet-stream", Bytes: int64(len(data))},
	}, data
}

// statistics is a task on a series.
func statistics(t *testing.T) signaling.TaskRequest {
	return signaling.TaskRequest{Type: signaling.DataComputation, Operation: "statistics", Series: &ref, Parameters: raw(t, signaling.StatisticsParameters{Percentiles: []float64{50}})}
}

func withRamp(t *testing.T) func(*edge, *compute.Config) {
	return func(e *edge, _ *compute.Config) { e.series = ramp(t) }
}

// A compute task takes its input data from the terminal and returns the result (A15); the data is checked, the handling
// looked up once it is there, and what was used is told at the end.
func TestA15ComputeTakesInputAndReturnsTheResult(t *testing.T) {
	request, data := reconstruction(t)
	e := start(t, task.Config{}, request, nil)
	s := e.dial("")
	var told []signaling.EventType
	var started signaling.Event
	out, err := s.Compute(within(t), request, data, terminal.ComputeOptions{Told: func(e signaling.Event) {
		told = append(told, e.Type)
		if e.Type == signaling.EventTaskStarted {
			started = e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := tasktest.Image(t, operation.Result{Format: out.Header.Format, Data: out.Data})
	if m.Size != [3]int{detectors, detectors, 1} || out.Header.Task != "t-1" {
		t.Errorf("the result is %v of task %s", m.Size, out.Header.Task)
	}
	if started.Handling != signaling.HandlingAllocate || started.TaskID != "t-1" {
		t.Errorf("told %v, started %+v", told, started)
	}
	e.update(signaling.TaskRunning)
	if err := s.Finish(within(t)); err != nil {
		t.Error(err)
	}
	u := e.update(signaling.TaskFinished)
	if want := float64(len(data)) / (1 << 20); u.Usage == nil || u.Usage.DataMB != want || u.Usage.TransferMs <= 0 || u.Usage.CPUMs <= 0 || u.Usage.RunMs <= 0 ||
		u.Usage.BytesSent != int64(len(out.Data)) {
		t.Errorf("usage %+v", u.Usage)
	}
	<-e.job.Done()
}

// Every type of compute task runs on a series or on data, and its result is of its kind (A1, A15).
func TestA1EveryComputeType(t *testing.T) {
	for _, c := range []struct {
		kind       signaling.TaskType
		name       string
		parameters any
		format     string
	}{
		{signaling.ImageProcessing, "gaussian", signaling.GaussianParameters{SigmaMm: 1}, signaling.FormatNRRD},
		{signaling.ImageProcessing, "median", signaling.MedianParameters{}, signaling.FormatNRRD},
		{signaling.DataComputation, "histogram", signaling.HistogramParameters{Bins: 20}, "application/json"},
		{signaling.DataComputation, "statistics", signaling.StatisticsParameters{}, "application/json"},
		{signaling.Training, "tissue-mixture", signaling.MixtureParameters{Components: 2}, "application/json"},
	} {
		request := signaling.TaskRequest{Type: c.kind, Operation: c.name, Series: &ref, Parameters: raw(t, c.parameters)}
		e := start(t, task.Config{}, request, withRamp(t))
		s := e.dial("")
		out, err := s.Compute(within(t), request, nil, terminal.ComputeOptions{})
		if err != nil || out.Header.Format != c.format || len(out.Data) == 0 {
			t.Errorf("%s: %+v, %v", c.name, out.Header, err)
		}
		s.Close()
		e.update(signaling.TaskFinished) // a terminal that has its result and leaves has finished
		<-e.job.Done()
	}
}

// Where the node asks, the user's choice is what is done (A9).
func TestA9UserChooses(t *testing.T) {
	asks := task.Config{Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingAsk }}
	for _, want := range task.Choices {
		request := statistics(t)
		e := start(t, asks, request, withRamp(t))
		s := e.dial("")
		var got signaling.Handling
		_, err := s.Compute(within(t), request, nil, terminal.ComputeOptions{
			Choose: func([]signaling.Handling) signaling.Handling { return want },
			Told: func(e signaling.Event) {
				if e.Type == signaling.EventTaskStarted {
					got = e.Handling
				}
			},
		})
		if err != nil || got != want {
			t.Errorf("handled by %s, chosen was %s: %v", got, want, err)
		}
	}
	e := start(t, asks, statistics(t), withRamp(t))
	s := e.dial("")
	event(t, s, signaling.EventChoose)
	for _, r := range []signaling.Request{{Type: signaling.RequestHandle, Handling: "later"}, {Type: signaling.RequestHandle, Handling: signaling.HandlingAsk},
		{Type: signaling.RequestHandle, TaskID: "t-2", Handling: signaling.HandlingDefer}, {Type: signaling.RequestStill}} {
		var p *signaling.Problem
		if _, err := s.Request(within(t), r); !errors.As(err, &p) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// A deferred task says why it waits.
func TestA9DeferredTaskIsTold(t *testing.T) {
	request := statistics(t)
	e := start(t, task.Config{QuietFor: time.Hour, DeferAtMost: time.Millisecond, Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingDefer }},
		request, func(e *edge, _ *compute.Config) { e.series = ramp(t); e.workers.Touch() })
	s := e.dial("")
	if w := event(t, s, signaling.EventTaskWaiting); w.Reason == "" || w.TaskID != "t-1" {
		t.Errorf("told %+v", w)
	}
	event(t, s, signaling.EventTaskDone)
}

// What is wrong with a task is told to its terminal by name, and ends it.
func TestComputeRefusals(t *testing.T) {
	request, data := reconstruction(t)
	with := func(change func(*signaling.TaskRequest)) signaling.TaskRequest {
		r := request
		change(&r)
		return r
	}
	for want, r := range map[string]signaling.TaskRequest{
		"no operation":     with(func(r *signaling.TaskRequest) { r.Operation = "holography" }),
		"input is missing": with(func(r *signaling.TaskRequest) { r.Input = nil }),
		"detectors": with(func(r *signaling.TaskRequest) {
			r.Parameters = []byte(`{"detectors":1,"projections":1,"detectorMm":1}`)
		}),
		"series is missing": {Type: signaling.DataComputation, Operation: "statistics"},
		"no volume":         statistics(t),
		"No room":           with(func(r *signaling.TaskRequest) { r.Input = &signaling.TaskInput{Format: "x", Bytes: 1 << 29} }),
	} {
		e := start(t, task.Config{}, r, func(e *edge, _ *compute.Config) {
			e.series = ramp(t)
			e.series.Volume, e.series.Info.Why = nil, "it is a single image"
		})
		s := e.dial("")
		_, err := s.Compute(within(t), r, data, terminal.ComputeOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if u := e.update(signaling.TaskFailed); u.Reason == "" || strings.Contains(u.Reason, "single image") {
			t.Errorf("%s: ended as %+v", want, u)
		}
		<-e.job.Done()
	}
}

// Bytes beyond what was announced, or others than that, are not taken.
func TestComputeTakesWhatWasAnnounced(t *testing.T) {
	request, data := reconstruction(t)
	for name, h := range map[string]struct {
		header signaling.BulkHeader
		data   []byte
	}{
		"more":      {signaling.BulkHeader{Transfer: 1, Format: request.Input.Format}, append(data[:len(data):len(data)], 0)},
		"less":      {signaling.BulkHeader{Transfer: 1, Format: request.Input.Format}, data[1:]},
		"format":    {signaling.BulkHeader{Transfer: 1, Format: "text/plain"}, data},
		"elsewhere": {signaling.BulkHeader{Transfer: 1, Format: request.Input.Format, Task: "t-2"}, data},
	} {
		e := start(t, task.Config{}, request, nil)
		s := e.dial("")
		event(t, s, signaling.EventReady)
		if err := s.SendBulk(within(t), h.header, h.data); err != nil {
			t.Fatal(err)
		}
		want := signaling.ProblemBadRequest
		if name == "more" {
			want = signaling.ProblemTooLarge
		}
		if d := event(t, s, signaling.EventTaskDone); d.Problem == nil || d.Problem.Code != want {
			t.Errorf("%s: %+v", name, d)
		}
		e.update(signaling.TaskFailed)
		<-e.job.Done()
	}
}

// Data that was damaged on its way is asked for again.
func TestComputeDamagedDataComesAgain(t *testing.T) {
	request, data := reconstruction(t)
	e := start(t, task.Config{}, request, nil)
	s := e.dial("")
	event(t, s, signaling.EventReady)
	h := signaling.BulkHeader{Transfer: 1, Format: request.Input.Format, SHA256: strings.Repeat("0", 64)}
	if err := s.SendBulk(within(t), h, data); err != nil {
		t.Fatal(err)
	}
	if n := event(t, s, signaling.EventNotice); n.Problem == nil || !strings.Contains(n.Problem.Detail, "again") {
		t.Errorf("told %+v", n)
	}
	h.Transfer, h.SHA256 = 2, ""
	if err := s.SendBulk(within(t), h, data); err != nil {
		t.Fatal(err)
	}
	if d := event(t, s, signaling.EventTaskDone); d.Problem != nil {
		t.Errorf("ended with %v", d.Problem)
	}
}

// A terminal that was gone while its task was computed gets the result when it is back; another one gets no place.
func TestComputeResultWaitsForItsTerminal(t *testing.T) {
	request := statistics(t)
	open := make(chan struct{})
	e := start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { <-open; return signaling.HandlingResident }}, request, withRamp(t))
	s := e.dial("")
	event(t, s, signaling.EventReady)
	_, err := terminal.Dial(within(t), e.url, string(signaling.RoleHost), terminal.Options{DataOnly: true})
	var p *signaling.Problem
	if !errors.As(err, &p) || p.Code != signaling.ProblemSessionTaken {
		t.Errorf("a second terminal: %v", err)
	}
	_, err = terminal.Dial(within(t), e.url, string(signaling.RoleGuest), terminal.Options{DataOnly: true})
	if !errors.As(err, &p) || p.Code != signaling.ProblemForbidden {
		t.Errorf("a guest: %v", err)
	}
	resume := s.ResumeToken()
	s.Close()
	close(open)
	again := e.dial(resume)
	if d := event(t, again, signaling.EventTaskDone); d.Transfer == 0 {
		t.Errorf("ended with %+v", d)
	}
	if b := <-again.Bulks(); b.Header.Format != "application/json" {
		t.Errorf("the result is %+v", b.Header)
	}
}

// A task is cancelled by its terminal, before and while it is computed.
func TestComputeCancelled(t *testing.T) {
	request, data := reconstruction(t)
	for _, begun := range []bool{false, true} {
		e := start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingAsk }}, request, nil)
		s := e.dial("")
		event(t, s, signaling.EventReady)
		if begun {
			if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 1, Format: request.Input.Format}, data); err != nil {
				t.Fatal(err)
			}
			event(t, s, signaling.EventChoose)
		}
		if _, err := s.Request(within(t), signaling.Request{Type: signaling.RequestTaskCancel, TaskID: "t-1"}); err != nil {
			t.Fatal(err)
		}
		e.update(signaling.TaskFinished)
		<-e.job.Done()
	}
}

// The edge waits for its terminal, its data, and its return, each for a bounded time, and says what did not come (A6).
func TestA6ComputeLetsGo(t *testing.T) {
	request, _ := reconstruction(t)
	for want, change := range map[string]func(*signaling.Instruction){
		"did not come": func(i *signaling.Instruction) { i.WaitMs = 30 },
		"no data came": func(i *signaling.Instruction) { i.IdleMs = 30 },
		"was gone":     func(i *signaling.Instruction) { i.GraceMs = 30 },
	} {
		e := start(t, task.Config{}, request, func(_ *edge, c *compute.Config) { change(&c.Instruction) })
		if want != "did not come" {
			s := e.dial("")
			if want == "was gone" {
				event(t, s, signaling.EventReady)
				s.Close()
			}
		}
		if u := e.update(signaling.TaskExpired); !strings.Contains(u.Reason, want) {
			t.Errorf("%s: %+v", want, u)
		}
		<-e.job.Done()
	}
}

// Whoever ends a task from outside has its terminal told why.
func TestComputeEnded(t *testing.T) {
	request, _ := reconstruction(t)
	e := start(t, task.Config{}, request, nil)
	s := e.dial("")
	event(t, s, signaling.EventReady)
	e.job.End(&signaling.Problem{Code: signaling.ProblemPreempted, Title: "An urgent task came"})
	if d := event(t, s, signaling.EventEnding); d.Problem == nil || d.Problem.Code != signaling.ProblemPreempted {
		t.Errorf("told %+v", d)
	}
	if u := e.update(signaling.TaskFailed); u.Reason != "An urgent task came" {
		t.Errorf("%+v", u)
	}
}

// A terminal whose edge goes away in the middle comes back to its task at the node that the broker names then, and sends its
// data there.
func TestA4ComputeGoesOnAtAnotherEdge(t *testing.T) {
	request, data := reconstruction(t)
	held := make(chan struct{}) // the first edge never gets to computing
	first := start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { <-held; return "" }}, request, nil)
	t.Cleanup(func() { close(held) })
	second := start(t, task.Config{}, request, func(_ *edge, c *compute.Config) { c.Instruction.Attempt.ID = "a-2" })
	var renewed atomic.Int32
	mux := http.NewServeMux()
	grant := func(w http.ResponseWriter, status int, at *edge, attempt signaling.AttemptID) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(signaling.Grant{Answer: signaling.EdgeAssigned, Task: "t-1", Attempt: signaling.Attempt{ID: attempt}, SignalingURL: at.url, Token: string(signaling.RoleHost)})
	}
	mux.HandleFunc("POST /api/v1/tasks", func(w http.ResponseWriter, _ *http.Request) {
		grant(w, http.StatusCreated, first, "a-1")
		go func() { // once the data has come there
			for u := range first.updates {
				if u.State == signaling.TaskRunning {
					first.job.End(&signaling.Problem{Code: signaling.ProblemEdgeLost, Title: "The edge is being stopped"})
					return
				}
			}
		}()
	})
	mux.HandleFunc("POST /api/v1/tasks/t-1/grant", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Lost bool }
		if json.NewDecoder(r.Body).Decode(&body) != nil || !body.Lost {
			t.Errorf("the terminal does not say that its edge is lost")
		}
		renewed.Add(1)
		grant(w, http.StatusOK, second, "a-2")
	})
	broker := httptest.NewServer(mux)
	defer broker.Close()
	client := terminal.Client{Broker: broker.URL}
	out, err := client.Compute(within(t), request, data, terminal.ComputeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := tasktest.Image(t, operation.Result{Format: out.Header.Format, Data: out.Data}); m.Size[0] != detectors || renewed.Load() != 1 || out.Place.Grant.Attempt.ID != "a-2" {
		t.Errorf("%v after %d renewals at %+v", m.Size, renewed.Load(), out.Place.Grant.Attempt)
	}
	second.update(signaling.TaskFinished)
}

// Data that has come whole need not come again when the terminal is back.
func TestComputeDataComesOnce(t *testing.T) {
	request, data := reconstruction(t)
	open := make(chan struct{})
	e := start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { <-open; return "" }}, request, nil)
	s := e.dial("")
	if r := event(t, s, signaling.EventReady); r.Loading == nil || r.Loading.Bytes != 0 || r.Loading.TotalBytes != int64(len(data)) {
		t.Errorf("told %+v", r.Loading)
	}
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 1, Format: request.Input.Format}, data); err != nil {
		t.Fatal(err)
	}
	for resume := s.ResumeToken(); ; {
		s.Close() // perhaps before the last of it has come
		s = e.dial(resume)
		r := event(t, s, signaling.EventReady)
		if r.Loading.Bytes == int64(len(data)) {
			break
		}
		if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 1, Format: request.Input.Format}, data); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Request(within(t), signaling.Request{Type: signaling.RequestStill}); err == nil {
			t.Error("it took a request for a still")
		}
	}
	close(open)
	if d := event(t, s, signaling.EventTaskDone); d.Problem != nil {
		t.Error(d.Problem)
	}
}

// A result that went over a connection which broke before the terminal had all of it goes again over the next one.
func TestComputeResultGoesAgain(t *testing.T) {
	request := statistics(t)
	e := start(t, task.Config{}, request, withRamp(t))
	s := e.dial("")
	event(t, s, signaling.EventTaskDone)
	again := e.dial(s.ResumeToken()) // in place of the first one, which is still there
	if d := event(t, again, signaling.EventTaskDone); d.Transfer == 0 {
		t.Errorf("ended with %+v", d)
	}
	if b := <-again.Bulks(); len(b.Data) == 0 {
		t.Error("no result")
	}
	if err := again.Finish(within(t)); err != nil {
		t.Error(err)
	}
	e.update(signaling.TaskFinished)
}
