package study

import (
	"sync"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
)

// spentStep is how many bytes of a file are given back at a time: each time costs a system call.
const spentStep = 4 << 20

// spent gives the pixels of a multi-frame object back, from the first one on, while its frames are decoded. What stands
// before the pixels stays: it is looked at for every frame.
type spent struct {
	file   source.Object
	starts []int // of each frame in the file

	mu   sync.Mutex
	over []bool // frames that are decoded
	next int    // the first frame that is not
	gone int    // how far the file was given back
}

// newSpent follows the frames of a file that has been parsed; nil where nothing of it can be given back.
func newSpent(file source.Object, d *dicom.Dataset, frames []SliceInfo) *spent {
	if file.Discard == nil || len(file.Data) < pages.Large {
		return nil
	}
	if d.TransferSyntax == dicom.DeflatedExplicitVRLittleEndian {
		inflated(file, d)
		return nil
	}
	s := &spent{file: file, starts: make([]int, len(frames)), over: make([]bool, len(frames))}
	for i := range frames {
		at := pages.Within(file.Data, d.StoredFrame(frames[i].Frame))
		if at < 0 || i > 0 && at < s.starts[i-1] { // in another order than the frames
			return nil
		}
		s.starts[i] = at
	}
	s.gone = s.starts[0]
	return s
}

// inflated gives a deflated file back but for its meta information: the data set lies elsewhere.
func inflated(file source.Object, d *dicom.Dataset) {
	end := 0
	for _, e := range d.Meta.Elements {
		end = max(end, pages.Within(file.Data, e.Value)+len(e.Value))
	}
	file.Discard(file.Data[end:])
}

// done notes that a frame's bytes will not be looked at again.
func (s *spent) done(frame int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over[frame] = true
	for s.next < len(s.over) && s.over[s.next] {
		s.next++
	}
	upTo := len(s.file.Data)
	if s.next < len(s.starts) {
		upTo = s.starts[s.next]
	}
	if upTo-s.gone >= spentStep || s.next == len(s.starts) {
		s.file.Discard(s.file.Data[s.gone:upTo])
		s.gone = upTo
	}
}
