package signaling

import "fmt"

// Budget is what a running task may use, which may change while it runs (B5): the amounts that it holds of its node, and
// how its encoder divides its share.
type Budget struct {
	Resources
	EncoderThreads int64 `json:"encoderThreads,omitempty" doc:"threads that its video encoder runs; 0: as the edge likes"`
	EncoderKpps    int64 `json:"encoderKpps,omitempty" doc:"thousands of pixels that are encoded a second at most; 0: no limit"`
}

// Bounds of a Budget.
const (
	MaxEncoderThreads = 64
	MaxEncoderKpps    = 4_000_000
)

// Validate refuses a budget with an impossible amount, naming it.
func (b *Budget) Validate() error {
	if err := b.Resources.Validate(); err != nil {
		return err
	}
	if b.EncoderThreads < 0 || b.EncoderThreads > MaxEncoderThreads {
		return fmt.Errorf("encoderThreads is %d: 0 to %d", b.EncoderThreads, MaxEncoderThreads)
	}
	if b.EncoderKpps < 0 || b.EncoderKpps > MaxEncoderKpps {
		return fmt.Errorf("encoderKpps is %d: 0 to %d", b.EncoderKpps, MaxEncoderKpps)
	}
	return nil
}

// Begins is the budget that an attempt begins with.
func (i *Instruction) Begins() Budget {
	if i.Budget == nil {
		return Budget{Resources: i.Resources}
	}
	b := *i.Budget
	if b.Resources == (Resources{}) { // only how the encoder divides its share
		b.Resources = i.Resources
	}
	return b
}

// SetBudget gives a running attempt another budget (ControlBudget). The picture does not stop for it, and a compute task goes
// on with other workers.
type SetBudget struct {
	Task    TaskID    `json:"task"`
	Attempt AttemptID `json:"attempt"`
	Budget  Budget    `json:"budget"`
}

// Rates are what an attempt used of each kind since the last heartbeat, as a rate in the units of its budget, and its
// budget as the edge has it. What was not measured is absent.
type Rates struct {
	Budget         Budget   `json:"budget"`
	GPUMilli       *float64 `json:"gpuMilli,omitempty" jsonschema:"description=time on the render queue in thousandths of one GPU"`
	CPUMilli       *float64 `json:"cpuMilli,omitempty"`
	MemoryMB       *float64 `json:"memoryMB,omitempty"`
	EncoderThreads *float64 `json:"encoderThreads,omitempty" jsonschema:"description=threads that were busy on average"`
	EncoderKpps    *float64 `json:"encoderKpps,omitempty"`
}
