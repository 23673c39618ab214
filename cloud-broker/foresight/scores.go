package foresight

import (
	"math"
	"slices"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/fit"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/signaling"
)

// scored is how many of the last ended tasks of a type its score is of.
const scored = 500

// Score is how good the predictions of run times were that were made when tasks of a type were asked for, of the last ones that
// have ended.
type Score struct {
	Type      signaling.TaskType `json:"type" enum:"image-processing,image-reconstruction,data-computation,rendering,training"`
	Tasks     int                `json:"tasks" doc:"ended tasks that were predicted, of the last ones"`
	Unknown   int                `json:"unknown" doc:"ended tasks of which nothing was known when they were asked for, of all"`
	ErrorLog  float64            `json:"errorLog" doc:"median of |ln(predicted/real)|; 0.69 is a factor of 2"`
	Within2   float64            `json:"within2" doc:"share that was predicted within a factor of 2"`
	Covered90 float64            `json:"covered90" doc:"share that took no longer than nine tenths were said to"`
}

// miss is what came of a prediction.
type miss struct {
	fit.Miss
	covered bool // by the 90 % quantile
}

// scores are the last misses by type.
type scores map[signaling.TaskType]*record

type record struct {
	last    []miss // a ring
	next    int
	unknown int
	known   int // of all
}

// add scores what was predicted of a task that took so long.
func (s scores) add(e *pool.HistoryEntry, took time.Duration) {
	r := s[e.Type]
	if r == nil {
		r = &record{}
		s[e.Type] = r
	}
	f := e.Forecast
	if f == nil || !f.Known || f.ExpectedMs <= 0 {
		r.unknown++
		return
	}
	r.known++
	real := max(took.Milliseconds(), 1)
	m := miss{fit.Miss{Error: math.Abs(math.Log(float64(f.ExpectedMs) / float64(real))), Run: took.Seconds()}, real <= f.HighMs}
	if len(r.last) < scored {
		r.last = append(r.last, m)
		return
	}
	r.last[r.next] = m
	r.next = (r.next + 1) % scored
}

// list are the scores of the types of which tasks have ended.
func (s scores) list() (out []Score) {
	for _, t := range signaling.TaskTypes {
		r := s[t]
		if r == nil {
			continue
		}
		v := Score{Type: t, Tasks: len(r.last), Unknown: r.unknown}
		if n := float64(len(r.last)); n > 0 {
			errors := make([]float64, len(r.last))
			for i, m := range r.last {
				errors[i] = m.Error
				if m.Error <= math.Ln2 {
					v.Within2 += 1 / n
				}
				if m.covered {
					v.Covered90 += 1 / n
				}
			}
			slices.Sort(errors)
			v.ErrorLog = (errors[(len(errors)-1)/2] + errors[len(errors)/2]) / 2
		}
		out = append(out, v)
	}
	return out
}

// enough is how many predictions must have been scored for their error to count.
const enough = 100

// tenth is what errors are above that make up a tenth of the run time of all types, infinite where too little is known: see
// fit.Scorer.
func (s scores) tenth() float64 {
	var all []fit.Miss
	for _, r := range s {
		for _, m := range r.last {
			all = append(all, m.Miss)
		}
	}
	if len(all) < enough {
		return math.Inf(1)
	}
	return fit.Tenth(all)
}
