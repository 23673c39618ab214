package pool

import (
	"context"
	"fmt"
)

// Audit is what a look at the pool's invariants found.
type Audit struct {
	Nodes    int `json:"nodes"`
	Attempts int `json:"attempts" doc:"reservations of tasks where they run"`
	Shadows  int `json:"shadows" doc:"reservations of standbys"`
	// Strays are held for a task that has left them behind and whose edge has not said yet that they ended.
	Strays   int      `json:"strays" doc:"reservations that their task has left behind"`
	Tasks    int      `json:"tasks" doc:"that are listed, live and ended"`
	Waiting  int      `json:"waiting" doc:"tasks in the queue"`
	Problems []string `json:"problems" doc:"invariants that do not hold, in words"`
}

const (
	auditPage   = 100  // how much one script looks at
	maxProblems = 1000 // how many are told
)

// Audit checks, while the pool is in use, that each node's free amounts are its capacity less its reservations, that no
// attempt is held twice and no two attempts of a task have the same fencing token, that each reservation has a lease, a node
// and a task that fits it, and that each live task has a place or waits for one. Attempts of different tasks may share a token:
// those that an edge has taken while no broker could be reached have the newest that it knew. Problems that come from Audit are
// faults of this program.
func (p *Pool) Audit(ctx context.Context) (Audit, error) {
	a := Audit{Problems: []string{}}
	tokens, ids := map[token]string{}, map[string]bool{} // of attempts that were seen
	for _, what := range []string{"nodes", "leases", "tasks", classOrdinary, classUrgent} {
		after := "0"
		if what == "nodes" {
			after = "-"
		}
		for after != "" {
			v, err := p.run(ctx, auditScript, what, after, auditPage).Slice()
			if err == nil && len(v) != 4 {
				err = fmt.Errorf("the script answered %d values", len(v))
			}
			var problems, attempts []string
			if err == nil {
				problems, err = texts(v[0])
			}
			if err == nil {
				attempts, err = texts(v[1])
			}
			if err != nil {
				return a, fmt.Errorf("audit %s: %w", what, err)
			}
			a.Problems = append(a.Problems, problems...)
			for ; len(attempts) >= 4; attempts = attempts[4:] {
				a.count(attempts[0], token{attempts[1], attempts[2]}, attempts[3], tokens, ids)
			}
			after, _ = v[2].(string)
			n, _ := v[3].(int64)
			switch what {
			case "nodes":
				a.Nodes += int(n)
			case "tasks":
				a.Tasks += int(n)
			case classOrdinary, classUrgent:
				a.Waiting += int(n)
			}
			if len(a.Problems) > maxProblems {
				a.Problems = append(a.Problems[:maxProblems], "and more")
				return a, nil
			}
		}
	}
	return a, nil
}

// token is a fencing token, which orders the attempts of one task.
type token struct{ task, fencing string }

// count takes in a held attempt.
func (a *Audit) count(id string, of token, kind string, tokens map[token]string, ids map[string]bool) {
	if ids[id] {
		a.Problems = append(a.Problems, "attempt "+id+" is held twice")
	} else if other, twice := tokens[of]; twice {
		a.Problems = append(a.Problems, "attempts "+other+" and "+id+" of task "+of.task+" have the same token "+of.fencing)
	}
	ids[id], tokens[of] = true, id
	switch kind {
	case "own":
		a.Attempts++
	case "standby":
		a.Shadows++
	default:
		a.Strays++
	}
}
