package system

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool/redistest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// roamer is a terminal in a session that goes along where the session moves.
type roamer struct {
	*terminal.Roaming
	s    *tomocast
	task signaling.TaskID
	turn int
}

func (s *tomocast) roam(g signaling.Grant) *roamer {
	s.t.Helper()
	r, err := s.client.Roam(s.ctx, g, terminal.Options{Width: pictureWidth, Height: pictureHeight})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.Close)
	return &roamer{Roaming: r, s: s, task: g.Task}
}

// drag turns the camera with the hand on the picture, until a picture that shows it is on the screen.
func (r *roamer) drag() terminal.Shown {
	r.s.t.Helper()
	r.turn++
	angle := 0.05 * float64(r.turn)
	view := r.View()
	camera := view.Viewports[0].Camera
	camera.Position = signaling.Point{camera.LookAt[0] + 400*math.Sin(angle), camera.LookAt[1] - 400*math.Cos(angle), camera.LookAt[2] + 50}
	seq, err := r.SendInput(patch(r.s.t, view.Viewports[0].ID, "camera", camera), true)
	if err != nil {
		r.s.t.Logf("input %d: %v", seq, err) // as to an edge that has just been left; it is sent to the other one too
	}
	late := time.After(waitMost)
	for {
		select {
		case shown := <-r.Shown():
			if shown.Stamp.Seq < seq {
				continue
			}
			if len(shown.Stamp.Cameras) != 1 || shown.Stamp.Cameras[0] != camera {
				r.s.t.Errorf("the picture's camera is %+v, want %+v", shown.Stamp.Cameras, camera)
			}
			return shown
		case <-late:
			r.s.t.Fatalf("no picture shows input %d (%+v)", seq, r.Session().Stats())
		}
	}
}

// dragUntil drags until the pictures come from a node.
func (r *roamer) dragUntil(node signaling.NodeID) terminal.Shown {
	r.s.t.Helper()
	for late := time.Now().Add(waitMost); ; {
		if shown := r.drag(); shown.Node == node {
			return shown
		}
		if time.Now().After(late) {
			r.s.t.Fatalf("the session has not come to %s", node)
		}
	}
}

// arrives waits for the next move to end well.
func (r *roamer) arrives() terminal.Move {
	r.s.t.Helper()
	select {
	case m := <-r.Moves():
		if m.Err != nil {
			r.s.t.Fatalf("it moved to %s: %v", m.To, m.Err)
		}
		return m
	case <-time.After(waitMost):
		r.s.t.Fatal("no move ended")
	}
	panic("unreachable")
}

// moveTo has an operator move a task.
func (s *tomocast) moveTo(id signaling.TaskID, to signaling.NodeID) {
	s.t.Helper()
	var m signaling.Moving
	if err := s.ask(http.MethodPost, "/tasks/"+string(id)+"/move", map[string]any{"to": to}, &m); err != nil {
		s.t.Fatal(err)
	}
	if m.Task != id || m.Reason != signaling.MoveByHand {
		s.t.Errorf("answered %+v", m)
	}
}

// settles waits until a task's place is a node and it is on its way nowhere.
func (s *tomocast) settles(id signaling.TaskID, node signaling.NodeID) signaling.Task {
	s.t.Helper()
	var last signaling.Task
	s.eventually("task "+string(id)+" runs on "+string(node), func() bool {
		last = s.task(id)
		return last.State == signaling.TaskRunning && last.Attempt != nil && last.Attempt.Node == node && last.Moves == nil
	})
	return last
}

// TestB8MoveByHand: an operator moves a session while its user drags. Pictures never stop, the view is the same, the old place is
// free, and the task has used what it used in both.
func TestB8MoveByHand(t *testing.T) {
	onEachRedis(t, func(t *testing.T, args ...string) {
		s := start(t, args...)
		s.edge("first", "--distance", "1")
		s.edge("second", "--distance", "5")
		g := s.place(rendering(chest), "first")
		r := s.roam(g)
		for range 5 {
			r.drag()
		}
		before := s.task(g.Task)
		s.moveTo(g.Task, "second")
		r.dragUntil("second")
		m := r.arrives()
		after := s.settles(g.Task, "second")
		if after.Attempt.Fencing <= before.Attempt.Fencing || m.From != "first" || m.To != "second" {
			t.Errorf("%+v after %+v, the terminal: %+v", after.Attempt, before.Attempt, m)
		}
		r.drag()
		s.allFree("first")
		if err := r.Finish(s.ctx); err != nil {
			t.Error(err)
		}
		ended := s.becomes(g.Task, signaling.TaskFinished)
		if ended.Usage == nil || ended.Usage.Pictures < 6 || ended.Usage.PeakMemoryMB == 0 {
			t.Errorf("used %+v", ended.Usage)
		}
		s.allFree("second")
	})
}

// TestB8TwentyMovesInARow, while the user drags without pause.
func TestB8TwentyMovesInARow(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	g := s.place(rendering(chest), "first")
	r := s.roam(g)
	r.drag()
	r.Gap()
	var revision uint64
	for n := range 20 {
		to := signaling.NodeID("second")
		if n%2 == 1 {
			to = "first"
		}
		s.moveTo(g.Task, to)
		shown := r.dragUntil(to)
		m := r.arrives()
		s.settles(g.Task, to)
		t.Logf("move %d took %v, the longest gap was %v", n+1, m.Took.Round(time.Millisecond), r.Gap().Round(time.Millisecond))
		if shown.Stamp.Revision <= revision {
			t.Errorf("revision %d after %d", shown.Stamp.Revision, revision)
		}
		revision = shown.Stamp.Revision
	}
	if err := r.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.becomes(g.Task, signaling.TaskFinished)
	s.allFree("first")
	s.allFree("second")
}

// TestB8DrainMovesTheSession: a node is emptied while its user works.
func TestB8DrainMovesTheSession(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	r := s.roam(s.place(rendering(chest), "first"))
	r.drag()
	if out, errs, status := s.pool("drain", "first"); status != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	r.dragUntil("second")
	s.settles(r.task, "second")
	s.eventually("the drained node is empty", func() bool { n := s.node("first"); return n.Free == n.Capacity })
	r.drag()
}

// TestB8ComputeTaskMovesMidWay: a reconstruction goes on from its checkpoint, and has the result that it would have had.
func TestB8ComputeTaskMovesMidWay(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("first", "--distance", "1", "--handling", "image-reconstruction=resident")
	s.edge("second", "--distance", "5", "--handling", "image-reconstruction=resident")
	p := signaling.ReconstructionParameters{Detectors: 512, Projections: 720, Slices: 6, DetectorMm: 1}
	data := make([]byte, 4*p.Detectors*p.Projections*p.Slices)
	for i := 0; i < len(data); i += 4 {
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(i%977)/977))
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	request := signaling.TaskRequest{Type: signaling.ImageReconstruction, Operation: "filtered-back-projection", Parameters: raw,
		Input: &signaling.TaskInput{Format: "application/octet-stream", Bytes: int64(len(data))}}
	want := s.do(request, data, "")
	g := s.place(request, "first")
	moved := false
	b, at, err := s.client.ComputeAt(s.ctx, g, request, data, terminal.ComputeOptions{Told: func(e signaling.Event) {
		if e.Type == signaling.EventTaskProgress && e.Progress > 0.3 && !moved {
			moved = true
			s.eventually("the broker knows that it runs", func() bool { return s.task(g.Task).State == signaling.TaskRunning })
			s.moveTo(g.Task, "second")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if same := bytes.Equal(b.Data, want.Data); !moved || at.Attempt.Node != "second" || !same {
		t.Errorf("moved %v, done on %s, the same result: %v", moved, at.Attempt.Node, same)
	}
	whole := s.becomes(want.Place.Grant.Task, signaling.TaskFinished).Usage.CPUMs
	if task := s.becomes(g.Task, signaling.TaskFinished); task.Attempt.Node != "second" || task.Usage.CPUMs < whole/2 {
		t.Errorf("it ended on %s and used %+v, one that stayed took %g ms", task.Attempt.Node, task.Usage, whole)
	}
	s.allFree("first")
	s.allFree("second")
}

// TestB8EdgeKilledWithoutWarning: the session is back on another edge that has the study, at the same view.
func TestB8EdgeKilledWithoutWarning(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	r := s.roam(s.place(rendering(chest), "first"))
	for range 5 {
		r.drag()
	}
	view := r.View()
	first.kill()
	m := r.arrives()
	if !m.Lost || m.To != "second" || r.View().Viewports[0].Camera != view.Viewports[0].Camera {
		t.Errorf("came back %+v", m)
	}
	t.Logf("back after %v", m.Took.Round(time.Millisecond))
	if shown := r.drag(); shown.Node != "second" {
		t.Errorf("shown by %s", shown.Node)
	}
	s.settles(r.task, "second")
}

// TestB8TargetThatDies: a target that hangs in the middle of a move: the user works on where the session was, the move is
// given up, and a later one succeeds.
func TestB8TargetThatDies(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("first", "--distance", "1")
	second := s.edge("second", "--distance", "5")
	r := s.roam(s.place(rendering(chest), "first"))
	r.drag()
	second.signal(syscall.SIGSTOP)
	s.moveTo(r.task, "second")
	for range 20 {
		if shown := r.drag(); shown.Node != "first" {
			t.Fatalf("shown by %s", shown.Node)
		}
	}
	second.kill()
	s.eventually("the move is given up", func() bool { return s.task(r.task).Moves == nil })
	s.settles(r.task, "first")
	r.drag()
	s.edge("third", "--distance", "7")
	s.moveTo(r.task, "third")
	r.dragUntil("third")
	s.settles(r.task, "third")
	s.allFree("first")
}

// TestB8UserWhoFinishesWhileMoving: nothing is held twice, and nothing is left.
func TestB8UserWhoFinishesWhileMoving(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	for n := range 3 {
		r := s.roam(s.place(rendering(chest), "first"))
		r.drag()
		s.moveTo(r.task, "second")
		for range n { // at different moments of the move
			r.drag()
		}
		if err := r.Finish(s.ctx); err != nil {
			t.Logf("finished: %v", err) // as where the connection was just left; the other edge has it then
			s.finish(signaling.Grant{Task: r.task})
		}
		s.becomes(r.task, signaling.TaskFinished)
		s.allFree("first")
		s.allFree("second")
	}
}

// TestB8ShadowTakesOverWithoutWarning: an edge is killed whose session has a shadow; the terminal goes on there.
func TestB8ShadowTakesOverWithoutWarning(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	request := rendering(chest)
	request.Shadow = true
	r := s.roam(s.place(request, "first"))
	s.eventually("it has a shadow", func() bool { task := s.task(r.task); return task.Shadow != nil && task.Shadow.Node == "second" })
	for range 5 {
		r.drag()
	}
	first.kill()
	m := r.arrives()
	t.Logf("back after %v", m.Took.Round(time.Millisecond))
	if shown := r.drag(); shown.Node != "second" || !m.Lost {
		t.Errorf("shown by %s after %+v", shown.Node, m)
	}
}

// TestB8ThreeBrokers: the terminal, the edge that the session leaves and its target are at three brokers, and the operator asks
// yet another one for moves back and forth.
func TestB8ThreeBrokers(t *testing.T) {
	t.Parallel()
	bs := three(t)
	bs[0].edge("first", "--distance", "1")
	bs[1].edge("second", "--distance", "5")
	s := bs[2]
	s.knows("first")
	s.knows("second")
	r := s.roam(s.place(rendering(chest), "first"))
	r.drag()
	for n, to := range []signaling.NodeID{"second", "first", "second"} {
		bs[n].moveTo(r.task, to)
		r.dragUntil(to)
		s.settles(r.task, to)
	}
	if err := r.Finish(s.ctx); err != nil {
		t.Error(err)
	}
	s.allFree("first")
	s.allFree("second")
}

// TestB8TerminalThatIsAway: a session whose page is away moves at once, and the page finds it where it is, at the same view.
func TestB8TerminalThatIsAway(t *testing.T) {
	t.Parallel()
	s := start(t, "--redis", "redis://"+redistest.Addr(t))
	s.edge("first", "--distance", "1")
	s.edge("second", "--distance", "5")
	g := s.place(rendering(chest), "first")
	x := s.connect(g, terminal.Options{})
	x.move()
	s.eventually("the view has come to the pool", func() bool { return s.viewed(g.Task).Revision >= int64(x.view.Revision) })
	x.Close()
	s.moveTo(g.Task, "second")
	s.settles(g.Task, "second")
	s.allFree("first")
	again, err := s.client.Renew(s.ctx, g.Task, false)
	if err != nil || again.Attempt.Node != "second" {
		t.Fatalf("granted %+v, %v", again.Attempt, err)
	}
	r := s.roam(again)
	if got, want := r.View().Viewports[0].Camera, x.view.Viewports[0].Camera; got != want {
		t.Errorf("it has camera %+v, it had %+v", got, want)
	}
	r.drag()
	if _, err := s.client.Connect(s.ctx, g, terminal.Options{}); err == nil {
		t.Error("the old grant leads somewhere")
	} else {
		wantProblem(t, err, signaling.ProblemMoved)
	}
}
