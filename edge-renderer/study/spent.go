package study

import (
	"sync"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
)

// spentStep is about how many bytes of a file are given back at a time: each time costs a system call.
const spentStep = 4 << 20

// spent gives the pixels of a multi-frame object back while its frames are decoded, in blocks of frames that follow each
// other: a frame that takes long, because its decoder gets no processor, keeps its own block and no more. What stands before
// the pixels stays: it is looked at for every frame.
type spent struct {
	file   source.Object
	starts []int // of each block in the file, and the end of the last
	block  []int // that a frame belongs to

	mu   sync.Mutex
	left []int // frames of a block that are not decoded yet
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
	s := &spent{file: file, block: make([]int, len(frames))}
	last, end := 0, 0
	for i := range frames {
		stored := d.StoredFrame(frames[i].Frame)
		at := pages.Within(file.Data, stored)
		if at < 0 || at < last { // in another order than the frames
			return nil
		}
		last, end = at, max(end, at+len(stored))
		if i == 0 || at-s.starts[len(s.starts)-1] >= spentStep {
			s.starts, s.left = append(s.starts, at), append(s.left, 0)
		}
		s.block[i] = len(s.left) - 1
		s.left[s.block[i]]++
	}
	s.starts = append(s.starts, end)
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
	block := s.block[frame]
	s.mu.Lock()
	s.left[block]--
	over := s.left[block] == 0
	s.mu.Unlock()
	if over {
		s.file.Discard(s.file.Data[s.starts[block]:s.starts[block+1]])
	}
}
