package dicom

import (
	"encoding/binary"
	"sort"
)

// encapsulatedFrame joins the fragments of frame n (PS3.5 A.4).
func (d *Dataset) encapsulatedFrame(fragments [][]byte, frames, n int) ([]byte, error) {
	if len(fragments) < 2 {
		return nil, fault(ErrTruncated, PixelData, "the encapsulated pixel data has no fragments")
	}
	data := fragments[1:]
	switch {
	case frames == 1:
		return join(data), nil
	case len(data) == frames:
		return data[n], nil
	case len(data) < frames:
		return nil, fault(ErrTruncated, PixelData, "%d frames should be there, but the pixel data has only %d fragments; fetch or export the file again", frames, len(data))
	}
	starts, err := d.frameStarts(fragments, frames)
	if err != nil {
		return nil, err
	}
	to := len(data)
	if n+1 < frames {
		to = starts[n+1]
	}
	return join(data[starts[n]:to]), nil
}

// frameStarts finds, for more fragments than frames, the fragment with which each frame begins: by the extended
// offset table (PS3.3 C.7.6.3.1.8), the basic one, or by the marks with which compressed images begin. Tables that
// contradict the fragments, or point to where no image begins, are not followed. It is done once for a data set.
func (d *Dataset) frameStarts(fragments [][]byte, frames int) ([]int, error) {
	s := d.starts.Load()
	if s == nil {
		out := findStarts(fragments, frames, d.Bytes(ExtendedOffsetTable))
		s = &out
		d.starts.Store(s)
	}
	if len(*s) != frames {
		return nil, fault(ErrCorrupt, PixelData, "%d fragments hold %d frames, and neither an offset table nor the fragments themselves say which begins where; export the file again", len(fragments)-1, frames)
	}
	return *s, nil
}

// findStarts is frameStarts; nil where nothing says it.
func findStarts(fragments [][]byte, frames int, offsets []byte) []int {
	table, data := fragments[0], fragments[1:]
	at := make([]int64, len(data)) // where the fragments' items begin
	var sum int64
	for i, b := range data {
		at[i] = sum
		sum += 8 + int64(len(b))
	}
	find := func(offset func(i int) int64) []int {
		out := make([]int, frames)
		for i := range out {
			from := offset(i)
			k := sort.Search(len(at), func(k int) bool { return at[k] >= from })
			if k == len(at) || at[k] != from || i == 0 && k != 0 || i > 0 && k <= out[i-1] {
				return nil
			}
			out[i] = k
		}
		return out
	}
	var extended, basic, marked []int
	if len(offsets) >= 8*frames {
		extended = find(func(i int) int64 { return int64(binary.LittleEndian.Uint64(offsets[8*i:])) })
	}
	if len(table) >= 4*frames {
		basic = find(func(i int) int64 { return int64(binary.LittleEndian.Uint32(table[4*i:])) })
	}
	marks := 0
	for i, b := range data {
		if begins(b) {
			marks++
			if len(marked) < frames {
				marked = append(marked, i)
			}
		}
	}
	if marks != frames || marked[0] != 0 {
		marked = nil
	}
	all := func(starts []int) bool {
		for _, i := range starts {
			if !begins(data[i]) {
				return false
			}
		}
		return starts != nil
	}
	switch {
	case all(extended):
		return extended
	case all(basic):
		return basic
	case marked != nil:
		return marked
	case marks > 0:
		return nil // the images have marks, and they are elsewhere
	case extended != nil:
		return extended
	}
	return basic
}

// begins says whether a fragment begins as a compressed image does: JPEG and JPEG-LS with SOI and another marker, a
// JPEG 2000 codestream with SOC and SIZ, a JP2 file with its signature.
func begins(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(b) {
	case 0xFF4FFF51:
		return true
	case 0x0000000C:
		return len(b) >= 8 && string(b[4:8]) == "jP  "
	}
	return b[0] == 0xFF && b[1] == 0xD8 && b[2] == 0xFF
}

func join(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, b := range parts {
		n += len(b)
	}
	out := make([]byte, 0, n)
	for _, b := range parts {
		out = append(out, b...)
	}
	return out
}
