package foresight

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// maxParameters is how many numbers among an operation's parameters are looked at.
	maxParameters = 4
	// largest bounds a number that a task is predicted from.
	largest = 1e9
)

// features are what a task is predicted from: what was known of it when it was asked for, and nothing of its run (B2).
func features(e *pool.HistoryEntry) predict.Task {
	t := predict.Task{Type: string(e.Type), Operation: e.Operation, Framework: e.Framework, Modality: e.Modality, Creator: e.Creator,
		Request: amounts(e.Requested), At: e.CreatedAt, Numbers: make([]float64, 1, 1+maxParameters)}
	t.Numbers[0] = sane(e.DataMB)
	if e.Type == signaling.Rendering {
		t.Operation = e.Preset
		return t
	}
	t.Numbers = append(t.Numbers, numbers(e.Parameters)...)
	return t
}

// amounts is the same text for the same amounts.
func amounts(r signaling.Resources) string {
	b := make([]byte, 0, 40)
	for _, v := range [...]int64{r.GPUMemoryMB, r.GPUMilli, r.EncoderSessions, r.CPUMilli, r.MemoryMB} {
		b = append(strconv.AppendInt(b, v, 10), ' ')
	}
	return string(b)
}

// numbers are those among an operation's parameters, in the order of their names: iterations, sizes.
func numbers(parameters json.RawMessage) (out []float64) {
	if len(parameters) == 0 {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(parameters, &all) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var v float64
		if json.Unmarshal(all[name], &v) != nil {
			continue
		}
		if out = append(out, sane(v)); len(out) == maxParameters {
			break
		}
	}
	return out
}

// sane bounds a number that whoever asked has chosen.
func sane(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(math.Abs(v), largest)
}
