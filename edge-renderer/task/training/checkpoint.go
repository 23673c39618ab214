package training

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/tomocast/tomocast/signaling"
)

// saved leads the state of a model that was paused between two iterations, little endian: behind it are the components and the
// likelihoods.
type saved struct {
	ElapsedMs   float64
	Components  uint32
	Likelihoods uint32
}

// saved components have their fields in this order.
type savedComponent struct{ Weight, Mean, Variance float64 }

// save is the state that restore takes.
func (m *model) save(r *signaling.Mixture, elapsedMs float64) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // fixed sizes into memory: it cannot fail
	put(saved{elapsedMs, uint32(len(m.components)), uint32(len(r.LogLikelihood))})
	for _, c := range m.components {
		put(savedComponent{c.weight, c.mean, c.variance})
	}
	put(r.LogLikelihood)
	return b.Bytes()
}

// restore brings a model, which has just begun, to where another one was saved.
func (m *model) restore(state []byte, r *signaling.Mixture, p signaling.MixtureParameters) (elapsedMs float64, err error) {
	in := bytes.NewReader(state)
	var h saved
	if err := binary.Read(in, binary.LittleEndian, &h); err != nil {
		return 0, errors.New("it ends too early")
	}
	if int(h.Components) != len(m.components) || int64(h.Likelihoods) > int64(p.Iterations) ||
		in.Len() != 24*int(h.Components)+8*int(h.Likelihoods) || !(h.ElapsedMs >= 0 && h.ElapsedMs < 1e12) {
		return 0, errors.New("it is of another mixture")
	}
	components, likelihoods := make([]savedComponent, h.Components), make([]float64, h.Likelihoods)
	if err := errors.Join(binary.Read(in, binary.LittleEndian, components), binary.Read(in, binary.LittleEndian, likelihoods)); err != nil {
		return 0, err
	}
	for i, c := range components {
		if !(c.Weight >= 0 && c.Weight <= 1+1e-9) || !(math.Abs(c.Mean) <= math.MaxFloat32) || !(c.Variance > 0 && c.Variance <= math.MaxFloat64) {
			return 0, errors.New("it has a component that cannot be")
		}
		m.components[i] = component{c.Weight, c.Mean, c.Variance}
	}
	for _, l := range likelihoods {
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return 0, errors.New("it has a likelihood that cannot be")
		}
	}
	r.LogLikelihood, r.Iterations = likelihoods, len(likelihoods)
	return h.ElapsedMs, nil
}
