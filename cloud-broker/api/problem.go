package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/signaling"
)

// Problem is an error as this API answers it (RFC 9457), with the code that a program decides on.
type Problem struct {
	Title  string                `json:"title" doc:"What went wrong, in a few words."`
	Status int                   `json:"status" doc:"The HTTP status."`
	Code   signaling.ProblemCode `json:"code" doc:"What a program decides on: bad-request, unauthorized, forbidden, not-found, session-taken, no-free-node, unavailable, not-a-volume, unreadable, too-large, cancelled, internal, edge-lost, unsupported, rate-limited, data-stays, pre-empted, moved or quota."`
	Detail string                `json:"detail,omitempty" doc:"On what, and what the user can do."`
	Errors []*huma.ErrorDetail   `json:"errors,omitempty" doc:"Each thing that is wrong with the request."`
}

// Error says what went wrong.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json for JSON.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// GetHeaders says when to try again, where that may help.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", "2")
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 section 11.6.1
	}
	return h
}

// codeOf is the code for a status that the HTTP layer itself answers with.
func codeOf(status int) signaling.ProblemCode {
	switch status {
	case http.StatusUnauthorized:
		return signaling.ProblemUnauthorized
	case http.StatusForbidden:
		return signaling.ProblemForbidden
	case http.StatusNotFound:
		return signaling.ProblemNotFound
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return signaling.ProblemUnsupported
	case http.StatusRequestEntityTooLarge:
		return signaling.ProblemTooLarge
	case http.StatusTooManyRequests:
		return signaling.ProblemRateLimited
	case http.StatusServiceUnavailable:
		return signaling.ProblemUnavailable
	}
	if status >= 500 {
		return signaling.ProblemInternal
	}
	return signaling.ProblemBadRequest
}

// problemOf makes an answer of an error. What is not meant for the one who asks is not shown.
func problemOf(err error) *Problem {
	var answer *Problem
	if errors.As(err, &answer) {
		return answer
	}
	p := &signaling.Problem{Code: signaling.ProblemInternal, Title: "Something went wrong in the broker.",
		Detail: "It is in the broker's log. Try again; if it stays so, tell the operator."}
	switch {
	case errors.As(err, &p):
	case errors.Is(err, identity.ErrUnauthenticated):
		p = &signaling.Problem{Code: signaling.ProblemUnauthorized, Title: "You are not signed in.", Detail: reason(err, identity.ErrUnauthenticated)}
	case errors.Is(err, identity.ErrForbidden):
		p = &signaling.Problem{Code: signaling.ProblemForbidden, Title: "This is not allowed.", Detail: reason(err, identity.ErrForbidden)}
	case errors.Is(err, identity.ErrUnavailable):
		p = &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "Nobody can sign in at the moment.",
			Detail: "What verifies sign-ins is out of reach for the broker. Try again in a few seconds."}
	}
	return &Problem{Title: p.Title, Status: p.Code.Status(), Code: p.Code, Detail: p.Detail}
}

// invalid is the answer to a body that its Validate refused. Such an error's text begins with the field.
func invalid(title string, err error) error {
	field, _, _ := strings.Cut(err.Error(), " ")
	return &Problem{Title: title, Status: http.StatusBadRequest, Code: signaling.ProblemBadRequest, Detail: err.Error(),
		Errors: []*huma.ErrorDetail{{Location: "body." + strings.TrimSuffix(field, ":"), Message: err.Error()}}}
}

// reason is an error's text without the sentinel that leads it, as a sentence.
func reason(err, sentinel error) string {
	text := strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func init() { huma.NewError = newProblem } // the framework has no other way

// newProblem is what the framework makes of what it finds wrong with a request.
func newProblem(status int, message string, errs ...error) huma.StatusError {
	p := &Problem{Title: sentence(message, status), Status: status, Code: codeOf(status)}
	if status >= 500 {
		return problemOf(errors.New(message))
	}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := *d.ErrorDetail()
			detail.Value = nil // what was sent may be a patient's
			if field, what, ok := strings.Cut(detail.Message, misfit); ok && detail.Location == "body" {
				detail.Location, detail.Message = strings.TrimSuffix("body."+field, "."), what
			}
			p.Errors = append(p.Errors, &detail)
		} else if err != nil {
			p.Errors = append(p.Errors, &huma.ErrorDetail{Message: err.Error()})
		}
	}
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Detail = strings.TrimSpace(first.Location + " " + first.Message)
	}
	return p
}

// misfit is between the field and what is wrong with its value, in the error of a body that cannot be read: the framework
// passes on only the text.
const misfit = " does not fit: "

// decode reads a JSON body. What does not fit is told without the program's own types.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	what := "a " + wrong.Value + " cannot be there"
	if strings.HasPrefix(wrong.Value, "number") {
		what = "the number is too large, or not of the kind that is asked for"
	}
	return errors.New(wrong.Field + misfit + what)
}

func sentence(message string, status int) string {
	if message == "" {
		message = http.StatusText(status)
	}
	if message == "" { // the framework asks what an error looks like
		return ""
	}
	message = strings.ToUpper(message[:1]) + message[1:]
	return strings.TrimSuffix(message, ".") + "."
}

// Refuse answers a request with the problem of err.
func Refuse(w http.ResponseWriter, err error) {
	p := problemOf(err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the peer is gone: nobody is left to tell
}
