package compute_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/task/tasktest"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// place is an edge that a task moves from or to, and what it tells of that.
type place struct {
	*edge
	id      signaling.AttemptID
	reports chan signaling.MoveReport
}

func startPlace(t *testing.T, node signaling.NodeID, target bool, request signaling.TaskRequest, change func(*edge, *compute.Config)) *place {
	t.Helper()
	p := &place{id: signaling.AttemptID("a-" + node), reports: make(chan signaling.MoveReport, 4)}
	p.edge = start(t, task.Config{Handling: func(signaling.TaskType) signaling.Handling { return signaling.HandlingResident }}, request, func(e *edge, c *compute.Config) {
		i := &c.Instruction
		i.Attempt, i.Shadow, i.Moves = signaling.Attempt{ID: p.id, Node: node, Fencing: 1}, target, target
		c.Node, c.Moved = node, func(r signaling.MoveReport) { p.reports <- r }
		if change != nil {
			change(e, c)
		}
	})
	return p
}

func (p *place) grant() signaling.Grant {
	return signaling.Grant{Task: "t-1", Attempt: signaling.Attempt{ID: p.id, Node: signaling.NodeID(strings.TrimPrefix(string(p.id), "a-"))},
		SignalingURL: p.url, Token: string(signaling.RoleHost)}
}

// goTo has the terminal go to another edge.
func (p *place) goTo(to signaling.Grant) error {
	told := make(chan error, 1)
	p.job.Move(signaling.Move{Task: "t-1", Attempt: p.id, Grant: &to, Reason: "the edge is drained"}, func(err error) { told <- err })
	return <-told
}

func (p *place) report() signaling.MoveReport {
	p.t.Helper()
	select {
	case r := <-p.reports:
		return r
	case <-within(p.t).Done():
		p.t.Fatal("no report came")
	}
	panic("unreachable")
}

// slow is a training task that takes a while, on a series that both edges have.
func slow(t *testing.T) (signaling.TaskRequest, func(*edge, *compute.Config), []byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 9))
	v := tasktest.Volume(t, [3]int{24, 24, 24}, [3]float64{1, 1, 1}, volume.Float32, func(int, int, int) float64 { return r.NormFloat64() })
	parameters := signaling.MixtureParameters{Components: 5, Iterations: 200, Tolerance: 1e-300}
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tasktest.Run(t, 2, signaling.Training, "tissue-mixture", v, nil, parameters)
	if err != nil {
		t.Fatal(err)
	}
	series := func(e *edge, _ *compute.Config) {
		e.series = cache.NewSeries(v, nil, signaling.SeriesInfo{Series: ref}, func() {})
	}
	return signaling.TaskRequest{Type: signaling.Training, Operation: "tissue-mixture", Series: &ref, Parameters: raw}, series, timeless(t, want.Data)
}

// timeless is a result without the time that it took.
func timeless(t *testing.T, data []byte) []byte {
	t.Helper()
	var m signaling.Mixture
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m.RunMs = 0
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// computed is how a task ended for its terminal.
type computed struct {
	terminal.Bulk
	grant signaling.Grant
	err   error
}

// compute has the task done by a terminal that goes along, and calls then once the task has come so far.
func (p *place) compute(r signaling.TaskRequest, input []byte, share float64, then func()) chan computed {
	done := make(chan computed, 1)
	once := make(chan struct{}, 1)
	once <- struct{}{}
	go func() {
		var c computed
		c.Bulk, c.grant, c.err = (&terminal.Client{}).ComputeAt(within(p.t), p.grant(), r, input, terminal.ComputeOptions{Told: func(e signaling.Event) {
			if e.Type != signaling.EventTaskProgress || e.Progress < share {
				return
			}
			select {
			case <-once:
				then()
			default:
			}
		}})
		done <- c
	}()
	return done
}

// B8: a compute task pauses, its terminal brings what it goes on from to the target, and there it has the result that it would
// have had, and knows what it has used before.
func TestB8ComputeTaskGoesOnFromItsCheckpoint(t *testing.T) {
	r, series, want := slow(t)
	source := startPlace(t, "edge-1", false, r, series)
	target := startPlace(t, "edge-2", true, r, func(e *edge, c *compute.Config) {
		series(e, c)
		c.Instruction.Ran = &signaling.Ran{RunMs: 5000, Usage: signaling.Usage{CPUMs: 7000}}
	})
	done := source.compute(r, nil, 0.5, func() {
		if err := source.goTo(target.grant()); err != nil {
			t.Error(err)
		}
	})
	if m := target.report(); m.Problem != nil || m.Attempt != "a-edge-2" {
		t.Errorf("reported %+v", m)
	}
	if err := target.job.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-edge-2", Fencing: 2}}); err != nil {
		t.Fatal(err)
	}
	source.job.End(&signaling.Problem{Code: signaling.ProblemMoved, Title: "It goes on elsewhere"})
	c := <-done
	if c.err != nil {
		t.Fatal(c.err)
	}
	if c.grant.Attempt.Node != "edge-2" || !bytes.Equal(timeless(t, c.Data), want) {
		t.Errorf("done on %s, the same result: %v", c.grant.Attempt.Node, bytes.Equal(timeless(t, c.Data), want))
	}
	if u := target.update(signaling.TaskFinished); u.Usage.RunMs <= 5000 || u.Usage.CPUMs <= 7000 {
		t.Errorf("used %+v", u.Usage)
	}
	if u := source.update(signaling.TaskFinished); u.Usage.CPUMs == 0 {
		t.Errorf("the source ended with %+v, %+v", u, u.Usage)
	}
}

// Data that the terminal sends goes to the target as well.
func TestB8ComputeTaskWithInputMoves(t *testing.T) {
	p := signaling.ReconstructionParameters{Detectors: 256, Projections: 360, Slices: 8, DetectorMm: 1}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(4, 4))
	data := make([]byte, 0, 4*p.Detectors*p.Projections*p.Slices)
	for range cap(data) / 4 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(random.Float64())))
	}
	r := signaling.TaskRequest{Type: signaling.ImageReconstruction, Operation: "filtered-back-projection", Parameters: raw,
		Input: &signaling.TaskInput{Format: "application/octet-stream", Bytes: int64(len(data))}}
	room := func(e *edge, _ *compute.Config) { e.most = 64 << 20 }
	source, target := startPlace(t, "edge-1", false, r, room), startPlace(t, "edge-2", true, r, room)
	want, err := tasktest.Run(t, 2, r.Type, r.Operation, nil, data, p)
	if err != nil {
		t.Fatal(err)
	}
	done := source.compute(r, data, 0.2, func() {
		if err := source.goTo(target.grant()); err != nil {
			t.Error(err)
		}
	})
	target.report()
	if err := target.job.Promote(signaling.Promote{Task: "t-1", Attempt: signaling.Attempt{ID: "a-edge-2", Fencing: 2}}); err != nil {
		t.Fatal(err)
	}
	if c := <-done; c.err != nil || c.grant.Attempt.Node != "edge-2" || !bytes.Equal(c.Data, want.Data) {
		t.Errorf("done on %s: %v, the same result: %v", c.grant.Attempt.Node, c.err, bytes.Equal(c.Data, want.Data))
	}
}

// A move that fails leaves the task where it was: the target cannot be reached, or the broker gives it up while the task is
// paused. It goes on from where it paused.
func TestB8ComputeTaskThatStaysGoesOn(t *testing.T) {
	r, series, want := slow(t)
	source := startPlace(t, "edge-1", false, r, series)
	nowhere := signaling.Grant{Task: "t-1", Attempt: signaling.Attempt{ID: "a-9"}, SignalingURL: "ws://127.0.0.1:1/", Token: "host"}
	done := source.compute(r, nil, 0.5, func() {
		if err := source.goTo(nowhere); err != nil {
			t.Error(err)
		}
	})
	if m := source.report(); m.Problem == nil || m.Attempt != "a-9" {
		t.Errorf("reported %+v", m)
	}
	if c := <-done; c.err != nil || c.grant.Attempt.Node != "edge-1" || !bytes.Equal(timeless(t, c.Data), want) {
		t.Errorf("done on %s: %v", c.grant.Attempt.Node, c.err)
	}

	again := startPlace(t, "edge-1", false, r, series)
	s := again.dial("")
	event(t, s, signaling.EventTaskStarted)
	if _, err := s.Request(within(t), signaling.Request{Type: signaling.RequestCheckpoint}); err == nil {
		t.Error("a checkpoint of a task that does not move")
	}
	if err := again.goTo(nowhere); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Request(within(t), signaling.Request{Type: signaling.RequestCheckpoint}); err != nil {
		t.Fatal(err)
	}
	e := event(t, s, signaling.EventCheckpoint)
	if b := <-s.Bulks(); b.Header.Transfer != e.Transfer || b.Header.Format != signaling.CheckpointFormat {
		t.Errorf("checkpoint %+v of %+v", b.Header, e)
	}
	again.job.Stay(signaling.Move{Task: "t-1", Attempt: again.id, Reason: "no room"})
	event(t, s, signaling.EventStay)
	event(t, s, signaling.EventTaskDone)
	if b := <-s.Bulks(); !bytes.Equal(timeless(t, b.Data), want) {
		t.Error("the result is another one")
	}
}

// The target refuses a checkpoint that is damaged or of other work by name, and says nothing to the broker.
func TestB8TargetRefusesCheckpoints(t *testing.T) {
	r, series, _ := slow(t)
	other := r
	other.Operation = "another"
	foreign, err := operation.Checkpoint{}.Encode(&other)
	if err != nil {
		t.Fatal(err)
	}
	good, err := operation.Checkpoint{}.Encode(&r)
	if err != nil {
		t.Fatal(err)
	}
	target := startPlace(t, "edge-2", true, r, series)
	s := target.dial("")
	event(t, s, signaling.EventReady)
	for n, c := range []struct {
		data []byte
		says string
	}{{[]byte("nonsense"), "no checkpoint"}, {good[:len(good)-2], "damaged"}, {foreign, "another"}, {make([]byte, 2<<20), "room"}} {
		if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: uint32(n + 1), Task: "t-1", Format: signaling.CheckpointFormat}, c.data); err != nil {
			t.Fatal(err)
		}
		if e := event(t, s, signaling.EventNotice); e.Problem == nil || !strings.Contains(strings.ToLower(fmt.Sprint(e.Problem.Title, e.Problem.Detail)), c.says) {
			t.Errorf("%s: told %+v", c.says, e.Problem)
		}
	}
	if len(target.reports) > 0 || len(target.updates) > 0 {
		t.Error("it has told the broker of something")
	}
	if err := s.SendBulk(within(t), signaling.BulkHeader{Transfer: 9, Task: "t-1", Format: signaling.CheckpointFormat}, good); err != nil {
		t.Fatal(err)
	}
	target.report()
	target.job.End(errors.New("given up"))
	if e := event(t, s, signaling.EventEnding); e.Problem == nil || e.Problem.Code != signaling.ProblemMoved {
		t.Errorf("told %+v", e.Problem)
	}
}

// A task whose terminal is away, or that is done, does not move.
func TestB8ComputeTaskThatCannotMove(t *testing.T) {
	r, series, _ := slow(t)
	source := startPlace(t, "edge-1", false, r, series)
	var p *signaling.Problem
	if err := source.goTo(signaling.Grant{}); !errors.As(err, &p) || p.Code != signaling.ProblemUnavailable {
		t.Errorf("without a terminal: %v", err)
	}
	s := source.dial("")
	event(t, s, signaling.EventTaskDone)
	if err := source.goTo(signaling.Grant{}); !errors.As(err, &p) || p.Code != signaling.ProblemUnavailable {
		t.Errorf("done: %v", err)
	}
}
