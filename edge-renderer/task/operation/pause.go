package operation

// Paused is the error of an operation that was asked to pause (Work.Pause).
type Paused struct {
	// State is what it goes on from (Work.Resume); empty where it would begin anew.
	State []byte
	// Share is how far it had come, 0 to 1.
	Share float64
}

// Error says that nothing failed.
func (p *Paused) Error() string { return "the operation was paused" }

// Pausing says whether the operation is asked to pause.
func (w Work) Pausing() bool {
	select {
	case <-w.Pause:
		return true
	default:
		return false
	}
}
