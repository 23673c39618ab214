package main

import (
	"net/http"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

// TestB1UsersSeeTheirTasks: what they asked for and hold, how they stand, and how they run; and nobody else's.
func TestB1UsersSeeTheirTasks(t *testing.T) {
	url, token := issuer(t)
	file := written(t, "sites.yaml", "quotas:\n  each: {encoder-sessions: 3}\n  of:\n    bert: {gpu-milli: 2000}\n")
	b := start(t, "--oidc-issuer", url, "--oidc-audience", "tomocast", "--oidc-operators", "admins", "--sites", file)
	e := b.join(single("near", 0))
	anna := []string{"Authorization", "Bearer " + token("anna")}
	g := decode[signaling.Grant](t, b.do("POST", "/api/v1/tasks", rendering, anna...), http.StatusCreated)
	receive(t, "the instruction", e.instructions)
	see := func(id signaling.TaskID) signaling.Task {
		return decode[signaling.Task](t, b.do("GET", "/api/v1/tasks/"+string(id), "", anna...), http.StatusOK)
	}
	placed := see(g.Task)
	if placed.State != signaling.TaskReserved || placed.Resources == nil || placed.Resources.EncoderSessions != 1 || placed.Attempt == nil || placed.Attempt.Node != "near" ||
		placed.Forecast == nil || placed.Forecast.Known {
		t.Errorf("placed: %+v", placed)
	}
	e.update(g, signaling.TaskRunning)
	b.eventually("it runs", func() bool { return b.task(g.Task).State == signaling.TaskRunning })
	if runs := see(g.Task); runs.StartedAt == nil || runs.EndedAt != nil {
		t.Errorf("running: %+v", runs)
	}
	waits := decode[signaling.Pending](t, b.do("POST", "/api/v1/tasks", body(`"whenFull":"queue"`), anna...), http.StatusAccepted)
	if w := see(waits.Task); w.State != signaling.TaskPlacing || w.Queue == nil || w.Queue.Position != 1 || w.Reason == "" || w.Request.Type != signaling.Rendering {
		t.Errorf("waiting: %+v", w)
	}
	e.update(g, signaling.TaskFinished)
	b.eventually("it has ended", func() bool { return b.task(g.Task).State == signaling.TaskFinished })
	if ended := see(g.Task); ended.EndedAt == nil || ended.Attempt == nil {
		t.Errorf("ended: %+v", ended)
	}
	if r := b.do("GET", "/api/v1/tasks/"+string(g.Task), "", "Authorization", "Bearer "+token("bert")); r.status != http.StatusNotFound {
		t.Errorf("somebody else sees it: %d", r.status)
	}
	for who, want := range map[string]signaling.Resources{"anna": {EncoderSessions: 3}, "bert": {GPUMilli: 2000}} {
		s := decode[struct{ Quota *signaling.Resources }](t, b.do("GET", "/api/v1/session", "", "Authorization", "Bearer "+token(who)), http.StatusOK)
		if s.Quota == nil || *s.Quota != want {
			t.Errorf("the quota of %s: %+v", who, s.Quota)
		}
	}
}
