package predict

import (
	"hash/maphash"
	"math"
	"slices"
	"time"
)

// Task is what is known of a task before it runs. Fields that are not known are empty.
type Task struct {
	Type      string // kind of work
	Operation string // operation or preset
	Framework string
	Modality  string // DICOM modality (PS3.3 C.7.3.1.1.1)
	Creator   string // a pseudonym; empty where a site has it switched off
	Request   string // what was asked for, as text that is the same for the same amounts
	// Numbers say how large the work is, for example data size in MiB and steps, always in the same order for a type.
	// They are not negative.
	Numbers []float64
	At      time.Time // when it was asked for
}

// levels is how many notions of "the same kind" there are.
const levels = 9

// scopes are the levels at which the estimators' errors are followed, from the finest.
var scopes = [...]int{1, 4, 8}

var seed = maphash.MakeSeed()

// key names a kind of task at a level.
type key struct {
	level uint8
	hash  uint64
}

// keys are the kinds that t belongs to, from the finest to all tasks.
func (t *Task) keys() (k [levels]key) {
	numbers := make([]byte, 0, 8*len(t.Numbers))
	for _, v := range t.Numbers {
		bits := math.Float64bits(v)
		for range 8 {
			numbers = append(numbers, byte(bits))
			bits >>= 8
		}
	}
	all := []string{t.Type, t.Operation, t.Framework, t.Modality, t.Creator, t.Request}
	for level, parts := range [levels][]string{
		append(slices.Clone(all), string(numbers)),
		all,
		{t.Type, t.Operation, t.Creator},
		{t.Type, t.Operation, t.Framework, t.Modality, t.Request, string(numbers)},
		{t.Creator, t.Request},
		{t.Type, t.Operation, t.Framework, t.Modality, t.Request},
		{t.Type, t.Operation},
		{t.Creator},
		nil,
	} {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, p := range parts {
			_, _ = h.WriteString(p)
			_ = h.WriteByte(0)
		}
		k[level] = key{uint8(level), h.Sum64()}
	}
	return k
}
