package operation

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/tomocast/tomocast/signaling"
)

// maxState bounds the State of a *Paused; the rest of a checkpoint is a header.
const maxState = signaling.MaxCheckpoint - 64<<10

// Pieces is work that falls into pieces of the same size, each made for itself from what the operation was given, in whatever
// order, and written to a place of its own in the output. What is made already goes along when the operation is paused.
type Pieces struct {
	w    Work
	size int // bytes of a piece
	out  []byte

	mu   sync.Mutex
	made []bool
	n    int
}

// Pieces begins work of n pieces whose output is out, or goes on with it where Work.Resume has some of them.
func (w Work) Pieces(n int, out []byte) (*Pieces, error) {
	p := &Pieces{w: w, out: out, made: make([]bool, n)}
	if n > 0 {
		p.size = len(out) / n
	}
	if len(w.Resume) == 0 {
		return p, nil
	}
	if err := p.resume(w.Resume); err != nil {
		return nil, RefuseCheckpoint(err)
	}
	return p, nil
}

// RefuseCheckpoint is the problem of a state from which an operation cannot go on.
func RefuseCheckpoint(why error) error {
	return &signaling.Problem{Code: signaling.ProblemBadRequest, Title: "The checkpoint cannot be used", Detail: why.Error()}
}

// A state is the number of pieces (8 bytes, little endian), a bit for each that is made, the lowest first, and their bytes in
// order.
func (p *Pieces) resume(state []byte) error {
	n := len(p.made)
	bits := (n + 7) / 8
	if len(state) < 8+bits || binary.LittleEndian.Uint64(state) != uint64(n) {
		return errors.New("it is of work of another size")
	}
	made, data := state[8:8+bits], state[8+bits:]
	for i := range n {
		if made[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if len(data) < p.size {
			return errors.New("it ends too early")
		}
		copy(p.out[i*p.size:(i+1)*p.size], data)
		data = data[p.size:]
		p.made[i] = true
		p.n++
	}
	if len(data) > 0 {
		return errors.New("it has more than it says")
	}
	return nil
}

// state is what the work goes on from. Pieces for which there is no room are made again.
func (p *Pieces) state() []byte {
	n := len(p.made)
	bits := (n + 7) / 8
	state := make([]byte, 8+bits, min(8+bits+p.n*p.size, maxState))
	binary.LittleEndian.PutUint64(state, uint64(n))
	for i, made := range p.made {
		if made && len(state)+p.size <= maxState {
			state[8+i/8] |= 1 << (i % 8)
			state = append(state, p.out[i*p.size:(i+1)*p.size]...)
		}
	}
	return state
}

// Made says whether a piece is there already.
func (p *Pieces) Made(i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made[i]
}

// Share is how much of the work is done, 0 to 1.
func (p *Pieces) Share() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return float64(p.n) / float64(max(len(p.made), 1))
}

// Do makes the pieces that are missing, in parallel; progress, from from to 1, is reported. The error of one that is asked to
// pause is a *Paused.
func (p *Pieces) Do(from float64, piece func(i int, out []byte)) error {
	var missing []int
	for i, made := range p.made {
		if !made {
			missing = append(missing, i)
		}
	}
	err := p.w.Parallel(len(missing), func(m int) {
		if p.w.Pausing() {
			return
		}
		i := missing[m]
		piece(i, p.out[i*p.size:(i+1)*p.size])
		p.mu.Lock()
		p.made[i] = true
		p.n++
		p.mu.Unlock()
		p.w.Progress(from + (1-from)*p.Share())
	})
	if err == nil && p.n < len(p.made) {
		err = p.Pause(from)
	}
	return err
}

// Pause is the error of an operation that pauses between two pieces.
func (p *Pieces) Pause(from float64) error {
	paused := &Paused{Share: p.Share()}
	if p.n > 0 {
		paused.State = p.state()
		paused.Share = from + (1-from)*paused.Share
	}
	return paused
}
