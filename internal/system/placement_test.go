package system

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// TestA1TaskTypesAreAFilter: the type comes first, so that a node which does not do it is no candidate however free it is.
func TestA1TaskTypesAreAFilter(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near", "--types", "rendering")
	for _, kind := range signaling.TaskTypes {
		r := signaling.TaskRequest{Type: kind, Operation: "histogram", Series: &chest}
		if kind == signaling.Rendering {
			if g := s.submit(r); g.Attempt.Node != "near" {
				t.Errorf("%+v", g)
			}
			continue
		}
		s.refused(r, signaling.ProblemNoFreeNode, "takes no "+string(kind)+" tasks", "try again")
	}
	s.refused(signaling.TaskRequest{Type: "cooking"}, signaling.ProblemBadRequest, "type", "rendering")
}

// TestA5BrokerFirstTakesTheNearestFreeEdge has three edges of different distance fill up one after the other.
func TestA5BrokerFirstTakesTheNearestFreeEdge(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("middle", "--max-sessions", "1", "--distance", "5")
		s.edge("far", "--max-sessions", "1", "--distance", "20")
		s.edge("near", "--max-sessions", "1", "--distance", "1")
		grants := map[string]signaling.Grant{}
		for _, want := range []string{"near", "middle", "far"} {
			g := s.place(rendering(chest), want)
			// By what the broker knew, which lags a little, it was the nearest free one or the second or third.
			if why := strings.Join(g.Reasons, "; "); g.Answer != signaling.EdgeAssigned || !strings.Contains(why, "nearest free edge") && !strings.Contains(why, "by distance") {
				t.Errorf("%+v", g)
			}
			grants[want] = g
		}
		s.full(rendering(chest), "of 3 nodes 3 have less than one video encoder free")
		// A session that was refused nothing: it goes on beside.
		x := s.connect(grants["middle"], terminal.Options{})
		s.finish(grants["near"])
		if g := s.place(rendering(chest), "near"); g.Attempt.Fencing <= grants["far"].Attempt.Fencing {
			t.Errorf("%+v after the nearest became free", g)
		}
		x.move()
	})
}

// TestA6GrantOnlyAfterTheEdgeConfirmed halts the nearest edge: its instruction is not confirmed, so the next one is asked,
// and the terminal hears of that one alone.
func TestA6GrantOnlyAfterTheEdgeConfirmed(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		near := s.edge("near", "--distance", "1")
		s.edge("far", "--distance", "9")
		s.finish(s.place(rendering(chest), "near"))
		s.allFree("near")
		near.signal(syscall.SIGSTOP)
		g := s.submit(rendering(chest))
		if g.Attempt.Node != "far" || !strings.Contains(strings.Join(g.Reasons, "; "), "near did not confirm in time") {
			t.Errorf("%+v", g)
		}
		// The instruction that reaches the edge late is taken back: it holds nothing.
		near.signal(syscall.SIGCONT)
		near.says(`session ended.*state=failed`)
		s.allFree("near")
		s.connect(g, terminal.Options{}).move()
	})
}

// TestA7NoNodeBeyondTheLimit sets the threshold of distance.
func TestA7NoNodeBeyondTheLimit(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("ward", "--distance", "8")
	s.edge("beside", "--distance", "2", "--max-sessions", "1")
	r := rendering(chest)
	r.MaxDistanceMs = 5
	s.place(r, "beside")
	s.full(r, "1 is too far away", "1 has less than one video encoder free")
	r.MaxDistanceMs = 8
	s.place(r, "ward")
}

// TestA8CloudTierOnlyWhenNoEdgeIsFree has a cloud node that is nearer than the edge.
func TestA8CloudTierOnlyWhenNoEdgeIsFree(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("cloud", "--tier", "cloud", "--distance", "1")
		s.edge("ward", "--distance", "30", "--max-sessions", "1")
		first := s.place(rendering(chest), "ward")
		if first.Answer != signaling.EdgeAssigned {
			t.Errorf("%+v", first)
		}
		second := s.place(rendering(chest), "cloud")
		if second.Answer != signaling.ExecuteInCloud || !strings.Contains(strings.Join(second.Reasons, "; "), "no edge takes it") {
			t.Errorf("%+v", second)
		}
		// The cloud does it by the same rules: it renders, counts, and releases on finish (A9, A11).
		x := s.connect(second, terminal.Options{})
		x.move()
		x.histogram("count")
		if err := x.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.becomes(second.Task, signaling.TaskFinished)
		s.allFree("cloud")
		s.finish(first)
		if g := s.place(rendering(chest), "ward"); g.Answer != signaling.EdgeAssigned {
			t.Errorf("%+v after the edge became free", g)
		}
	})
}

// TestA11ComputeIsResidentAndRenderingIsReleased: a compute task takes and gives back nothing; a rendering task holds its
// resources from its grant until its terminal finishes it, does nothing for a time, stays away, or never comes.
func TestA11ComputeIsResidentAndRenderingIsReleased(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, append(args, "--session-idle", "4s", "--session-wait", "3s", "--session-grace", "1s")...)
		s.edge("near")
		held := func() signaling.Resources { n := s.node("near"); return n.Capacity.Sub(n.Free) }
		one := signaling.DefaultResources(signaling.Rendering)

		x := s.open()
		if held() != one {
			t.Errorf("%+v is held by one session, want %+v", held(), one)
		}
		for _, id := range []signaling.TaskID{"first", "second"} {
			x.histogram(id)
			if held() != one {
				t.Errorf("%+v is held after compute task %s, want %+v", held(), id, one)
			}
		}
		idle := x.Grant().Task
		p := x.ending()
		if p.Code != signaling.ProblemCancelled || !strings.Contains(p.Error(), "no input for 4 s") {
			t.Errorf("the terminal is told %+v", p)
		}
		if task := s.becomes(idle, signaling.TaskExpired); !strings.Contains(task.Reason, "no input") || task.Usage == nil {
			t.Errorf("%+v", task)
		}
		s.allFree("near")

		never := s.submit(rendering(chest))
		if held() != one {
			t.Errorf("%+v is held by a grant, want %+v", held(), one)
		}
		if task := s.becomes(never.Task, signaling.TaskExpired); !strings.Contains(task.Reason, "did not come within 3 s") {
			t.Errorf("%+v", task)
		}
		s.allFree("near")

		gone := s.open()
		gone.Close()
		if task := s.becomes(gone.Grant().Task, signaling.TaskExpired); !strings.Contains(task.Reason, "was gone for 1 s") {
			t.Errorf("%+v", task)
		}
		s.allFree("near")

		done := s.open()
		if err := done.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		s.becomes(done.Grant().Task, signaling.TaskFinished)
		s.allFree("near")
	})
}

// TestA14AnswersAreNamed reads a grant as it is on the wire.
func TestA14AnswersAreNamed(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	var wire map[string]json.RawMessage
	if err := s.ask(http.MethodPost, "/tasks", rendering(chest), &wire); err != nil {
		t.Fatal(err)
	}
	if string(wire["answer"]) != `"edge-assigned"` {
		t.Errorf("answer %s", wire["answer"])
	}
	// Where the study is, and how to log in there, is not the terminal's to know.
	for name, v := range wire {
		if strings.Contains(string(v), "dicom-web") || strings.Contains(string(v), s.studies) {
			t.Errorf("the grant tells the source: %s %s", name, v)
		}
	}
}

// TestASecondRequestWithTheSameKeyGivesTheSameTask: a terminal that got no answer asks again.
func TestASecondRequestWithTheSameKeyGivesTheSameTask(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("near", "--max-sessions", "1")
		g := s.submit(rendering(chest))
		first, err := s.client.Submit(s.ctx, rendering(chest), "the-key")
		wantProblem(t, err, signaling.ProblemNoFreeNode)
		s.finish(g)
		s.eventually("it is placed", func() bool {
			first, err = s.client.Submit(s.ctx, rendering(chest), "the-key")
			return err == nil
		})
		again, err := s.client.Submit(s.ctx, rendering(chest), "the-key")
		if err != nil || again.Task != first.Task || again.Attempt != first.Attempt {
			t.Errorf("%+v, %v; the first was %+v", again, err, first)
		}
		other := rendering(signaling.SeriesRef{StudyInstanceUID: studyUID})
		_, err = s.client.Submit(s.ctx, other, "the-key")
		wantProblem(t, err, signaling.ProblemBadRequest, "Idempotency-Key", "new key")
	})
}
