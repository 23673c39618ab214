package dicomweb

import (
	"encoding/json"
	"errors"
	"net/http"
)

// What an Authorize function returns, or wraps.
var (
	// ErrUnauthenticated: the request says not who it is from. It is answered with 401.
	ErrUnauthenticated = errors.New("a bearer token is needed")
	// ErrTooMany: the one who asks has asked too often. It is answered with 429.
	ErrTooMany = errors.New("too many requests")
	// ErrForbidden: the one who asks may not have this. It is answered with 403, as is any other error.
	ErrForbidden = errors.New("not allowed")
)

// problem is an answer other than the one that was asked for (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf is the answer that an error deserves.
func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrUnauthenticated):
		return newProblem(http.StatusUnauthorized, "Who asks is not known: send a bearer token.")
	case errors.Is(err, ErrTooMany):
		return newProblem(http.StatusTooManyRequests, "These are too many requests at once: wait a moment, then try again.")
	case outdated(err):
		return newProblem(http.StatusConflict, "A file was changed or removed after the folder was indexed; try again in a moment, or ask for a rescan.")
	default:
		return newProblem(http.StatusInternalServerError, "A file can't be read; the server's log says why.")
	}
}

func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: only texts and a number
		panic(err)
	}
	h := w.Header()
	for k := range h {
		h.Del(k)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client may be gone
}
