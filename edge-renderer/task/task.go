// Package task runs compute tasks on an edge's resident workers (A11): they start with the edge, stay, and
// are never allocated or released for a task.
package task

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/tomocast/tomocast/edge-renderer/task/computation"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// Operation is what a compute task does: it reads a volume and returns its result as JSON. It divides its work with
// parallel, which calls part for every number below n on the resident workers and returns when all are
// done, and reports its progress from 0 to 1.
type Operation func(ctx context.Context, v *volume.Volume, parameters json.RawMessage,
	parallel func(n int, part func(i int)) error, progress func(share float64)) (json.RawMessage, error)

var operations = map[signaling.TaskType]map[string]Operation{
	signaling.DataComputation: {"histogram": computation.Histogram},
}

// Lookup finds an operation, or says which there are.
func Lookup(t signaling.TaskType, name string) (Operation, error) {
	if op, ok := operations[t][name]; ok {
		return op, nil
	}
	var known []string
	for t, ops := range operations {
		for name := range ops {
			known = append(known, fmt.Sprintf("%s/%s", t, name))
		}
	}
	slices.Sort(known)
	return nil, fmt.Errorf("there is no operation %.40q of type %.40q here: known are %v", name, string(t), known)
}

// Types are the task types of which there are operations.
func Types() []signaling.TaskType {
	var out []signaling.TaskType
	for t := range operations {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// Workers are the resident workers of an edge.
type Workers struct {
	parts   chan func()
	workers sync.WaitGroup
	// turns bounds the tasks that compute at a time; the others wait for theirs.
	turns chan struct{}
}

// NewWorkers starts n workers; 0 stands for one less than there are processors, so that pictures go on.
func NewWorkers(n int) *Workers {
	if n <= 0 {
		n = max(runtime.GOMAXPROCS(0)-1, 1)
	}
	w := &Workers{parts: make(chan func()), turns: make(chan struct{}, 2)}
	for range n {
		w.workers.Go(func() {
			for part := range w.parts {
				part()
			}
		})
	}
	return w
}

// Run carries out an operation on a volume and returns its result. It waits for its turn; a cancelled
// context ends it between two parts of its work. Calls of progress do not overlap.
func (w *Workers) Run(ctx context.Context, op Operation, v *volume.Volume, parameters json.RawMessage,
	progress func(share float64)) (json.RawMessage, error) {
	select {
	case w.turns <- struct{}{}:
		defer func() { <-w.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	parallel := func(n int, part func(i int)) error {
		var waiting sync.WaitGroup
		defer waiting.Wait()
		for i := range n {
			waiting.Add(1)
			select {
			case w.parts <- func() { defer waiting.Done(); part(i) }:
			case <-ctx.Done():
				waiting.Done()
				return ctx.Err()
			}
		}
		waiting.Wait()
		return ctx.Err()
	}
	var reporting sync.Mutex
	return op(ctx, v, parameters, parallel, func(share float64) {
		reporting.Lock()
		defer reporting.Unlock()
		progress(share)
	})
}

// Close ends the workers and waits for them. No Run may be under way.
func (w *Workers) Close() {
	close(w.parts)
	w.workers.Wait()
}
