package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/limit"
	"github.com/tomocast/tomocast/signaling"
)

// Paths of an edge's own API.
const (
	TasksPath = "/api/v1/tasks" // POST: a signaling.TaskRequest (A2)
	PingPath  = "/ping"         // GET: answered 204 at once, to measure the round trip (A3)
)

const (
	// maxAsk bounds the body of a request, bytes. The task's data is no part of it (A2).
	maxAsk = 128 << 10
	// maxKey bounds an Idempotency-Key, characters.
	maxKey = 128
	// What one terminal may ask, and how often one address may fail to say who it is.
	asksPerSecond, askBurst         = 5, 20
	failuresPerSecond, failureBurst = 2, 30
	// maxAsks bounds the requests under way.
	maxAsks = 128
	// maxAnswers bounds the answers that are kept for who asks again, keepAnswer for how long.
	maxAnswers = 2048
	keepAnswer = 15 * time.Minute
)

// desk is where terminals ask this edge for tasks themselves.
type desk struct {
	asks     *limit.Limiter // by subject
	failures *limit.Limiter // by address
	under    chan struct{}  // requests under way
	answers  answers
}

func newDesk() *desk {
	return &desk{asks: limit.New(asksPerSecond, askBurst), failures: limit.New(failuresPerSecond, failureBurst),
		under: make(chan struct{}, maxAsks), answers: answers{byKey: map[string]*answer{}}}
}

// ServePing answers pings, of pages of any origin.
func ServePing(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Timing-Allow-Origin", "*")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// ServePreflight answers browsers that ask whether a page may use this edge's API (Fetch, CORS protocol). Pages of any
// origin may: who asks shows a bearer token, and cookies mean nothing here.
func ServePreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// ServeTasks answers terminals that ask this edge for a task (A2): with a grant (201), with where the broker tells the
// answer (202, signaling.Pending), or with a problem (RFC 9457).
func (a *Agent) ServeTasks(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	h.Set("Cache-Control", "no-store")
	status, body, err := a.serveAsk(w, r)
	if err != nil {
		a.cfg.Metrics.count("refused")
		status, body = a.refusedAsk(err)
		h.Set("Content-Type", "application/problem+json")
		switch status {
		case http.StatusUnauthorized:
			h.Set("WWW-Authenticate", "Bearer") // RFC 9110 section 11.6.1
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			h.Set("Retry-After", "2")
		}
	} else {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer is gone: nobody is left to tell
}

// serveAsk checks a request and carries it out, or answers again as before.
func (a *Agent) serveAsk(w http.ResponseWriter, r *http.Request) (status int, body []byte, err error) {
	claims, err := a.identify(r)
	if err != nil {
		return 0, nil, err
	}
	if ok, first := a.desk.asks.Allow(claims.Subject, time.Now()); !ok {
		if first {
			a.cfg.Logger.Warn("requests of a terminal are refused: it asks too often", "address", remote(r), "perSecond", asksPerSecond, "burst", askBurst)
		}
		return 0, nil, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many requests",
			Detail: fmt.Sprintf("An edge takes %d requests a second of one terminal: wait a moment", asksPerSecond)}
	}
	var q ask
	if q, err = readAsk(w, r, claims); err != nil {
		return 0, nil, err
	}
	select {
	case a.desk.under <- struct{}{}:
		defer func() { <-a.desk.under }()
	default:
		return 0, nil, busy("%d requests are under way", maxAsks)
	}
	mine, kept, err := a.desk.answers.claim(claims.Subject+"\x00"+q.key, q.print, time.Now())
	if err != nil {
		return 0, nil, err
	}
	if !mine {
		select {
		case <-kept.ready:
			return kept.status, kept.body, kept.err
		case <-r.Context().Done():
			return 0, nil, &signaling.Problem{Code: signaling.ProblemCancelled, Title: "Cancelled"}
		}
	}
	// A terminal that hangs up asks again with the same key: what was begun for it is brought to its end.
	status, v, err := a.ask(context.WithoutCancel(r.Context()), q, r)
	if err == nil {
		body, err = json.Marshal(v)
	}
	a.desk.answers.done(kept, status, body, err)
	return status, body, err
}

// ask is what a terminal asks of this edge.
type ask struct {
	key     string
	print   [sha256.Size]byte // of the request
	request signaling.TaskRequest
	claims  *signaling.TerminalClaims
}

// identify says who asks.
func (a *Agent) identify(r *http.Request) (*signaling.TerminalClaims, error) {
	address, now := remote(r), time.Now()
	if !a.desk.failures.Left(address, now) {
		if _, first := a.desk.failures.Allow(address, now); first {
			a.cfg.Logger.Warn("requests are refused: too many without a valid token", "address", address)
		}
		return nil, &signaling.Problem{Code: signaling.ProblemRateLimited, Title: "Too many requests without a valid token",
			Detail: "Ask the broker for a token (GET /api/v1/edges), and wait a moment"}
	}
	a.mu.Lock()
	keys := a.keys
	a.mu.Unlock()
	if len(keys) == 0 {
		return nil, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The edge has not registered with its broker yet",
			Detail: "It cannot verify who asks: ask the broker, or another edge"}
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		a.desk.failures.Allow(address, now)
		return nil, &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "Who is there?",
			Detail: "Send the token of the broker's list of near edges as Authorization: Bearer"}
	}
	claims, err := signaling.VerifyTerminalToken(keys, token, now)
	if err == nil && claims.Subject == "" {
		err = errors.New("it names nobody")
	}
	if err != nil {
		a.desk.failures.Allow(address, now)
		return nil, &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "The token is not valid",
			Detail: err.Error() + ": ask the broker for a new one"}
	}
	return claims, nil
}

// readAsk reads what is asked for.
func readAsk(w http.ResponseWriter, r *http.Request, claims *signaling.TerminalClaims) (ask, error) {
	q := ask{key: r.Header.Get("Idempotency-Key"), claims: claims}
	bad := func(format string, args ...any) (ask, error) {
		return q, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The request cannot be carried out", Detail: fmt.Sprintf(format, args...)}
	}
	if q.key == "" { // it cannot be sent again without a second task
		q.key = signaling.NewID("k")
	}
	if len(q.key) > maxKey {
		return bad("Idempotency-Key has %d characters: at most %d", len(q.key), maxKey)
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return bad("Content-Type %.60q: a task request is application/json, and its data is sent to the edge that has taken the task", kind)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsk))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return q, &signaling.Problem{Code: signaling.ProblemTooLarge, Title: "The request is too large",
			Detail: fmt.Sprintf("It may have %d bytes: the task's data is sent to the edge that has taken the task", maxAsk)}
	case err != nil:
		return bad("The body did not come whole")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err = d.Decode(&q.request); err == nil && d.More() {
		err = errors.New("there is more behind the request")
	}
	if err != nil {
		return bad("The body is no task request: %.300s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := q.request.Validate(); err != nil {
		return bad("%s", err)
	}
	if q.request.Urgent && !claims.Urgent {
		return q, &signaling.Problem{Code: signaling.ProblemForbidden, Title: "This is not allowed",
			Detail: "urgent: urgent requests are a right of its own, which this token does not have"}
	}
	same := q.request // asked again, it may have measured anew
	same.Pings, same.Local = nil, nil
	if raw, err = json.Marshal(same); err != nil {
		return q, err
	}
	q.print = sha256.Sum256(raw)
	return q, nil
}

// refusedAsk is the answer to a request that is not carried out.
func (a *Agent) refusedAsk(err error) (status int, body []byte) {
	var p *signaling.Problem
	if !errors.As(err, &p) {
		a.cfg.Logger.Error("a terminal's request failed", "err", err)
		p = &signaling.Problem{Code: signaling.ProblemInternal, Title: "Something went wrong on the edge", Detail: "Ask the broker instead"}
	}
	status = p.Code.Status()
	body, err = json.Marshal(struct {
		*signaling.Problem
		Status int `json:"status"`
	}{p, status})
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	return status, body
}

// answers are those that were given lately, for who asks again.
type answers struct {
	mu    sync.Mutex
	byKey map[string]*answer
	list  []*answer // the oldest first
}

// answer is what became of a request. Its fields but key, print and at do not change once ready is closed.
type answer struct {
	key    string
	print  [sha256.Size]byte
	at     time.Time
	ready  chan struct{}
	status int
	body   []byte
	err    error
}

// claim finds the answer to a request that was made before, or makes room for a new one, which is its caller's to give.
func (l *answers) claim(key string, print [sha256.Size]byte, now time.Time) (mine bool, kept *answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.byKey[key]; k != nil {
		if k.print != print {
			return false, nil, &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The Idempotency-Key was used for another request",
				Detail: "Use a new key for a new request"}
		}
		return false, k, nil
	}
	for len(l.list) > 0 && (len(l.list) >= maxAnswers || now.Sub(l.list[0].at) > keepAnswer) {
		if l.byKey[l.list[0].key] == l.list[0] {
			delete(l.byKey, l.list[0].key)
		}
		l.list = l.list[1:]
	}
	k := &answer{key: key, print: print, at: now, ready: make(chan struct{})}
	l.byKey[key] = k
	l.list = append(l.list, k)
	return true, k, nil
}

// done gives an answer. One that failed is not kept: the next one who asks may have more luck.
func (l *answers) done(k *answer, status int, body []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.status, k.body, k.err = status, body, err
	close(k.ready)
	if err != nil && l.byKey[k.key] == k {
		delete(l.byKey, k.key)
	}
}
