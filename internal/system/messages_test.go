package system

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// tokenKey writes a key that signs tokens into a file.
func tokenKey(t testing.TB) (file string, key ed25519.PrivateKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "token.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, key
}

// dialSignal opens a signalling connection without saying anything.
func dialSignal(t testing.TB, link string, d *websocket.Dialer) *signaling.Conn {
	t.Helper()
	ws, _, err := d.DialContext(t.Context(), strings.Replace(link, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := signaling.NewConn(ws, 1<<20)
	t.Cleanup(func() { c.Close(websocket.CloseNormalClosure, "") })
	return c
}

func text(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func hello(t testing.TB, token string) []byte {
	return text(t, signaling.Signal{Type: signaling.SignalHello, Token: token})
}

// greetings are first messages that are refused, for a session with grant g beside another one.
func greetings(t testing.TB, key ed25519.PrivateKey, g, other signaling.Grant) map[string]struct {
	message []byte
	code    signaling.ProblemCode
} {
	_, foreign, _ := ed25519.GenerateKey(nil)
	sign := func(key ed25519.PrivateKey, at time.Time, change func(*signaling.TokenClaims)) []byte {
		claims := signaling.TokenClaims{Task: g.Task, Attempt: g.Attempt.ID, Node: g.Attempt.Node, Role: signaling.RoleHost}
		if change != nil {
			change(&claims)
		}
		token, err := signaling.SignToken(key, claims, "local", at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return hello(t, token)
	}
	type greeting = struct {
		message []byte
		code    signaling.ProblemCode
	}
	m := map[string]greeting{
		"expired token":            {sign(key, time.Now().Add(-time.Hour), nil), signaling.ProblemUnauthorized},
		"token of another issuer":  {sign(foreign, time.Now(), nil), signaling.ProblemUnauthorized},
		"changed token":            {hello(t, g.Token[:len(g.Token)-4]+"AAAA"), signaling.ProblemUnauthorized},
		"token without signature":  {hello(t, "eyJhbGciOiJub25lIn0."+strings.Split(g.Token, ".")[1]+"."), signaling.ProblemUnauthorized},
		"no token":                 {hello(t, ""), signaling.ProblemUnauthorized},
		"token of no role":         {sign(key, time.Now(), func(c *signaling.TokenClaims) { c.Role = "" }), signaling.ProblemForbidden},
		"token of a guest":         {sign(key, time.Now(), func(c *signaling.TokenClaims) { c.Role = signaling.RoleGuest }), signaling.ProblemForbidden},
		"something else than that": {text(t, signaling.Signal{Type: signaling.SignalOffer, SDP: "v=0"}), signaling.ProblemUnauthorized},
		"no JSON":                  {[]byte(`{"type":`), signaling.ProblemBadRequest},
		"JSON of another shape":    {[]byte(`[1,2]`), signaling.ProblemBadRequest},
	}
	if other.Token != "" {
		m["token of another session"] = greeting{hello(t, other.Token), signaling.ProblemForbidden}
	}
	return m
}

// TestSignallingIsForTheTokenOfTheSession says all that is wrong to the relay, beside a session that goes on.
func TestSignallingIsForTheTokenOfTheSession(t *testing.T) {
	t.Parallel()
	file, key := tokenKey(t)
	s := start(t, "--token-key-file", file)
	s.edge("near")
	witness := s.open()
	g := s.submit(rendering(chest))
	for name, c := range greetings(t, key, g, witness.Grant()) {
		t.Run(name, func(t *testing.T) {
			conn := dialSignal(t, s.url+g.SignalingURL, websocket.DefaultDialer)
			if err := conn.SendRaw(c.message); err != nil {
				t.Fatal(err)
			}
			var answer signaling.Signal
			if err := conn.Receive(&answer); err != nil {
				t.Fatal(err)
			}
			if answer.Type != signaling.SignalError || answer.Problem == nil {
				t.Fatalf("%+v", answer)
			}
			wantProblem(t, answer.Problem, c.code)
			if err := conn.Receive(&answer); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
	conn := dialSignal(t, s.url+g.SignalingURL, websocket.DefaultDialer)
	if err := conn.SendRaw(hello(t, strings.Repeat("x", signaling.MaxSignal))); err != nil {
		t.Fatal(err)
	}
	// The close frame may be lost behind the rest of the message.
	var answer signaling.Signal
	if err := conn.Receive(&answer); err == nil && answer.Type != signaling.SignalError {
		t.Errorf("an oversized message is answered with %+v", answer)
	}
	witness.move()
	s.connect(g, terminal.Options{}).move()
}

// TestASecondPeerNeedsTheResumeToken: the token alone does not take a session over.
func TestASecondPeerNeedsTheResumeToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	x := s.open()
	_, err := s.client.Connect(s.ctx, x.Grant(), terminal.Options{})
	wantProblem(t, err, signaling.ProblemSessionTaken, "another page", "close it there")
	x.move()
	// The one that has the secret comes back, as often as it likes.
	for range 2 {
		x.Disconnect()
		if err := x.Resume(s.ctx); err != nil {
			t.Fatal(err)
		}
		if err := x.RestartICE(s.ctx); err != nil {
			t.Fatal(err)
		}
		x.move()
	}
	x.still()
}

// TestMessagesThatCannotBeUnderstood come over the data channels of one session: each is answered or dropped, the session
// goes on, and so does another one.
func TestMessagesThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	witness, x := s.open(), s.open()
	request := func(r signaling.Request, code signaling.ProblemCode, words ...string) {
		t.Helper()
		_, err := x.Request(s.ctx, r)
		wantProblem(t, err, code, words...)
	}
	id := x.view.Viewports[0].ID
	view := func(p signaling.ViewportPatch) signaling.Request {
		return signaling.Request{Type: signaling.RequestSetView, View: &signaling.ViewPatch{Viewports: []signaling.ViewportPatch{p}}}
	}
	request(signaling.Request{Type: "dance"}, signaling.ProblemUnsupported, "dance")
	request(signaling.Request{Type: signaling.RequestSetView}, signaling.ProblemBadRequest, "without a view")
	request(view(patch(t, "other", "preset", "CT-Bone")), signaling.ProblemBadRequest, "no viewport", "other")
	request(view(patch(t, id, "preset", "CT-Nothing")), signaling.ProblemBadRequest, "CT-Nothing", "not known")
	request(view(patch(t, id, "colour", "red")), signaling.ProblemBadRequest, "colour", "no such field")
	request(view(patch(t, id, "camera", signaling.Camera{Height: 100, Projection: signaling.Orthographic, Up: signaling.Point{0, 0, 1}})), signaling.ProblemBadRequest, "same point")
	request(view(patch(t, id, "series", signaling.SeriesRef{StudyInstanceUID: unknownUID})), signaling.ProblemBadRequest, "series")
	request(signaling.Request{Type: signaling.RequestResize, Width: 1 << 20, Height: 2}, signaling.ProblemBadRequest, "1048576x2")
	request(signaling.Request{Type: signaling.RequestTaskCancel, TaskID: "none"}, signaling.ProblemNotFound, "task")
	compute := func(operation, parameters string) signaling.Request {
		return signaling.Request{Type: signaling.RequestTaskSubmit, TaskID: "x",
			Task: &signaling.TaskRequest{Type: signaling.DataComputation, Operation: operation, Parameters: json.RawMessage(parameters)}}
	}
	request(signaling.Request{Type: signaling.RequestTaskSubmit}, signaling.ProblemBadRequest, "names the task")
	request(compute("divine", `{}`), signaling.ProblemUnsupported, "divine")
	foreign := compute("histogram", `{}`)
	foreign.Task.Series = &signaling.SeriesRef{StudyInstanceUID: unknownUID, SeriesInstanceUID: unknownUID}
	request(foreign, signaling.ProblemForbidden, "series")
	if _, err := x.Request(s.ctx, compute("histogram", `{"bins":-5}`)); err != nil {
		t.Fatal(err)
	}
	done := next(x, "the histogram's problem", x.Events(), func(e signaling.Event) bool { return e.Type == signaling.EventTaskDone })
	wantProblem(t, done.Problem, signaling.ProblemBadRequest, "bins")

	for _, c := range []signaling.Channel{signaling.ChannelControl, signaling.ChannelInput, signaling.ChannelStamps, signaling.ChannelStill, signaling.ChannelBulk} {
		for _, message := range [][]byte{[]byte("{"), []byte("[]"), []byte(`{"type":7}`), bytes.Repeat([]byte("x"), signaling.MaxMessage)} {
			for _, asText := range []bool{true, false} {
				if err := x.Send(c, message, asText); err != nil {
					t.Fatalf("%s: %v", c.Label, err)
				}
			}
		}
	}
	witness.move()
	x.move()
	x.histogram("after")
}

// TestBodiesThatCannotBeUnderstood are refused by name.
func TestBodiesThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.edge("near")
	witness := s.open()
	for name, c := range map[string]struct {
		body   string
		status int
		code   signaling.ProblemCode
	}{
		"no JSON":         {`{"type":`, http.StatusBadRequest, signaling.ProblemBadRequest},
		"empty":           {``, http.StatusBadRequest, signaling.ProblemBadRequest},
		"another shape":   {`[]`, http.StatusUnprocessableEntity, signaling.ProblemBadRequest},
		"a wrong field":   {`{"type":"rendering","series":7}`, http.StatusUnprocessableEntity, signaling.ProblemBadRequest},
		"without series":  {`{"type":"rendering"}`, http.StatusBadRequest, signaling.ProblemBadRequest},
		"negative amount": {`{"type":"rendering","resources":{"cpuMilli":-1},"series":{"studyInstanceUID":"` + studyUID + `"}}`, http.StatusBadRequest, signaling.ProblemBadRequest},
		"oversized":       {`{"type":"rendering","operation":"` + strings.Repeat("x", 1<<20) + `"}`, http.StatusRequestEntityTooLarge, signaling.ProblemTooLarge},
	} {
		req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.url+"/api/v1/tasks", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+localToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var p struct {
			signaling.Problem
			Status int
		}
		err = json.NewDecoder(resp.Body).Decode(&p)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || p.Status != c.status || p.Code != c.code || p.Title == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s %+v, %v", name, resp.Status, p, err)
		}
	}
	witness.move()
}
