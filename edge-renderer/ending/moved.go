package ending

import (
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// Used is what a task has used in all: what is known of it from the places where it has run, nil where there are none, and
// what it used here.
func Used(ran *signaling.Ran, here signaling.Usage) signaling.Usage {
	if ran == nil {
		return here
	}
	u := ran.Usage
	u.RunMs = ran.RunMs + here.RunMs
	u.GPUMs += here.GPUMs
	u.CPUMs += here.CPUMs
	u.PeakMemoryMB = max(u.PeakMemoryMB, here.PeakMemoryMB)
	u.Pictures += here.Pictures
	u.BytesSent += here.BytesSent
	u.DataMB = max(u.DataMB, here.DataMB) // it is the same data
	u.TransferMs += here.TransferMs
	return u
}

// NotMoved is what the terminal hears that has come to a place which does not become the task's.
var NotMoved = &signaling.Problem{Code: signaling.ProblemMoved, Title: "The task goes on elsewhere", Detail: "Ask the broker for its grant"}

// maxWords bounds what is passed on of a terminal's own words, bytes.
const maxWords = 400

// Stayed is why a terminal could not go to another edge, by its own words.
func Stayed(p *signaling.Problem) *signaling.Problem {
	if p == nil || p.Title == "" {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The terminal could not go there"}
	}
	cut := func(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxWords)], "") }
	return &signaling.Problem{Code: signaling.ProblemCode(cut(string(p.Code))), Title: cut(p.Title), Detail: cut(p.Detail)}
}
