package system

import (
	"net/http"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// TestA14SessionFromTheListOfStudiesToItsEnd is the main job: a study is found, an edge loads it, the picture follows the
// hand and comes to rest as a still that is exactly what the renderer makes, a compute task runs beside it (A15), and
// at the end nothing is held any more.
func TestA14SessionFromTheListOfStudiesToItsEnd(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("near")
		s.eventually("a session can be opened", func() bool { return s.status("/readyz?session=1") == http.StatusOK })

		found := get[struct{ Studies []source.StudySummary }](s, "/studies?search=geheim").Studies
		if len(found) != 1 || found[0].StudyInstanceUID != studyUID || found[0].PatientName != patientName {
			t.Fatalf("studies %+v", found)
		}
		series := get[struct{ Series []source.SeriesSummary }](s, "/studies/"+studyUID+"/series").Series
		if len(series) != 1 || !series[0].Volume || series[0].SeriesInstanceUID != seriesUID {
			t.Fatalf("series %+v", series)
		}

		// Only the study is named: the edge chooses its largest volume.
		g := s.submit(rendering(signaling.SeriesRef{StudyInstanceUID: studyUID}))
		if g.Answer != signaling.EdgeAssigned || g.Attempt.Node != "near" || len(g.Reasons) == 0 {
			t.Errorf("grant %+v", g)
		}
		if state := s.task(g.Task).State; state != signaling.TaskReserved {
			t.Errorf("the task is %s before the terminal came", state)
		}
		x := s.connect(g, terminal.Options{})
		if i := x.info; i.PatientName != patientName || i.PatientID != patientID || i.Size != small || i.Series.SeriesInstanceUID != seriesUID || i.Min != -1000 || i.Max != 1100 {
			t.Errorf("series %+v", i)
		}
		s.becomes(g.Task, signaling.TaskRunning)
		if n := s.node("near"); n.Free != n.Capacity.Sub(signaling.DefaultResources(signaling.Rendering)) {
			t.Errorf("free %+v of %+v", n.Free, n.Capacity)
		}

		first := x.still()
		s.rendered(x.view, first, "cpu")
		stamp := x.move()
		if stamp.Times.RenderMs <= 0 || stamp.Times.EncodeMs <= 0 || stamp.Width == 0 {
			t.Errorf("stamp %+v", stamp)
		}
		turned := x.still()
		s.rendered(x.view, turned, "cpu")
		if different, _ := compare(t, first.Data, turned.Data); different == 0 {
			t.Error("the input did not change the picture")
		}

		h := x.histogram("count")
		want := map[float64]int64{}
		for z := range small[2] {
			for y := range small[1] {
				for v := range small[0] {
					want[float64(small.value(v, y, z))]++
				}
			}
		}
		if h.Voxels != int64(small[0]*small[1]*small[2]) || h.Min != -1000 || h.Max != 1100 || h.Percentiles[0] != -1000 || h.Percentiles[2] != 1100 {
			t.Errorf("histogram of %d voxels from %g to %g, percentiles %v", h.Voxels, h.Min, h.Max, h.Percentiles)
		}
		for value, n := range want {
			bin := min(int((value-h.Min)/h.BinWidth), len(h.Counts)-1)
			if h.Counts[bin] != n {
				t.Errorf("%d voxels of %g HU counted, want %d", h.Counts[bin], value, n)
			}
		}

		if err := x.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		ended := s.becomes(g.Task, signaling.TaskFinished)
		if ended.StartedAt == nil || ended.EndedAt == nil || ended.Usage == nil {
			t.Errorf("task %+v", ended)
		}
		s.allFree("near")
		history := get[struct{ Tasks []pool.HistoryEntry }](s, "/history").Tasks
		if len(history) != 1 {
			t.Fatalf("history %+v", history)
		}
		e := history[0]
		if e.Task != g.Task || e.Type != signaling.Rendering || e.State != signaling.TaskFinished || e.Node != "near" ||
			e.Requested != signaling.DefaultResources(signaling.Rendering) || e.Usage == nil {
			t.Fatalf("history %+v", e)
		}
		if u := *e.Usage; u.Pictures < 2 || u.BytesSent < int64(len(turned.Data)) || u.RunMs <= 0 || u.GPUMs <= 0 || u.CPUMs <= 0 {
			t.Errorf("usage %+v", u)
		}
	})
}

// TestSessionOnOpenGL is the same still on the backend that edges use by default, where the machine has it.
func TestSessionOnOpenGL(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.launchEdge("gl", "--backend", "gl")
	s.eventually("the edge is ready, or cannot be", func() bool { return !e.lives() || s.node("gl").State == signaling.NodeReady })
	if !e.lives() {
		e.killed = true // it ends with a status of its own
		t.Skipf("no OpenGL here: %s", e.log)
	}
	x := s.open()
	x.move()
	s.rendered(x.view, x.still(), "gl")
	if err := x.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("gl")
}

// TestARealChest is the same with a real contrast-enhanced CT of the chest, whose picture is lossless in every pixel.
func TestARealChest(t *testing.T) {
	t.Parallel()
	folder := sourcetest.Studies(t, "ct-chest-contrast")
	s := start(t, "--studies", folder)
	s.edge("near")
	found := get[struct{ Studies []source.StudySummary }](s, "/studies").Studies
	if len(found) != 1 {
		t.Fatalf("studies %+v", found)
	}
	x := s.connect(s.submit(rendering(signaling.SeriesRef{StudyInstanceUID: found[0].StudyInstanceUID})), terminal.Options{})
	if x.info.Modality != "CT" || x.info.Size[2] < 90 || x.info.Max < 1000 {
		t.Errorf("series %+v", x.info)
	}
	x.move()
	s.renderedFrom(folder, x.view, x.still(), "cpu")
	if h := x.histogram("count"); h.Voxels != int64(x.info.Size[0]*x.info.Size[1]*x.info.Size[2]) || h.Max != x.info.Max {
		t.Errorf("histogram of %d voxels up to %g", h.Voxels, h.Max)
	}
}

// TestTwoBrokersOfOnePool: the terminal is at one broker and the edge's link at the other one, which share a Redis.
func TestTwoBrokersOfOnePool(t *testing.T) {
	t.Parallel()
	redis := "redis://" + redistest.Addr(t)
	dir := studies(t)
	here, there := start(t, "--redis", redis, "--studies", dir), start(t, "--redis", redis, "--studies", dir)
	e := there.launchEdge("near", "--max-sessions", "1")
	for _, s := range []*tomocast{here, there} {
		s.eventually("both brokers know the edge", func() bool { return s.status("/readyz?session=1") == http.StatusOK })
	}
	x := here.open()
	x.move()
	there.full(rendering(chest), "one video encoder")
	// Signalling comes back by way of either broker.
	x.Disconnect()
	if err := x.Resume(here.ctx); err != nil {
		t.Fatal(err)
	}
	if err := x.RestartICE(here.ctx); err != nil {
		t.Fatal(err)
	}
	var again signaling.Grant
	if err := there.ask(http.MethodPost, "/tasks/"+string(x.Grant().Task)+"/grant", nil, &again); err != nil || again.Attempt != x.Grant().Attempt {
		t.Errorf("%+v, %v", again, err)
	}
	// The broker of the terminal goes; the session stays, and the other one ends it.
	here.broker.kill()
	x.move()
	there.finish(again)
	if p := x.ending(); p.Code != signaling.ProblemCancelled {
		t.Errorf("the terminal is told %+v", p)
	}
	there.becomes(again.Task, signaling.TaskFinished)
	there.allFree("near")
	if !e.lives() {
		t.Error("the edge has ended")
	}
}
