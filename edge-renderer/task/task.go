// Package task does the compute tasks of an edge: which operations there are, and how a task is handled by its type (A9).
//
// Compute is resident (A11): its workers start with the edge, stay, and are never allocated or released for a task. A type
// whose tasks are handled by "allocate" has workers of its own made for each instead, "defer" waits for a moment in which
// nobody uses the edge's pictures, and "ask" leaves the choice to the user.
package task

import (
	"fmt"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/task/computation"
	"github.com/tomocast/tomocast/edge-renderer/task/operation"
	"github.com/tomocast/tomocast/edge-renderer/task/processing"
	"github.com/tomocast/tomocast/edge-renderer/task/reconstruction"
	"github.com/tomocast/tomocast/edge-renderer/task/training"
	"github.com/tomocast/tomocast/signaling"
)

// Operation is what a compute task does.
type Operation struct {
	Run operation.Func
	// Data says that it works on data that the terminal sends (TaskRequest.Input); else on a series.
	Data bool
}

var operations = map[signaling.TaskType]map[string]Operation{
	signaling.ImageProcessing:     {"gaussian": {Run: processing.Gaussian}, "median": {Run: processing.Median}},
	signaling.ImageReconstruction: {"filtered-back-projection": {Run: reconstruction.BackProjection, Data: true}},
	signaling.DataComputation:     {"histogram": {Run: computation.Histogram}, "statistics": {Run: computation.Statistics}},
	signaling.Training:            {"tissue-mixture": {Run: training.Mixture}},
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
	return Operation{}, fmt.Errorf("there is no operation %.40q of type %.40q here: known are %v", name, string(t), known)
}

// Can says why a task of its own cannot be done: its operation is not known, or it names nothing to work on.
func Can(r *signaling.TaskRequest) error {
	op, err := Lookup(r.Type, r.Operation)
	switch {
	case err != nil:
		return &signaling.Problem{Code: signaling.ProblemUnsupported, Title: "Operation not known here", Detail: err.Error()}
	case op.Data && r.Input == nil:
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task has no data",
			Detail: fmt.Sprintf("%s works on data that the terminal sends: announce it with input", r.Operation)}
	case r.Series == nil && r.Input == nil:
		return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The task has no data",
			Detail: fmt.Sprintf("%s works on a series, or on image files that are announced with input", r.Operation)}
	}
	return nil
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
