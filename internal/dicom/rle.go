package dicom

import "encoding/binary"

// decodeRLE decodes a frame of RLE Lossless (PS3.5 annex G): a header of 16 numbers, then one PackBits segment
// for each byte of a pixel, its most significant byte first, samples in order.
func decodeRLE(frame []byte, f PixelFormat) ([]byte, error) {
	bad := func(format string, args ...any) ([]byte, error) {
		return nil, fault(ErrCorrupt, PixelData, "RLE frame: "+format, args...)
	}
	if f.BitsAllocated < 8 || len(frame) < 64 {
		return bad("%d bits per sample, %d bytes", f.BitsAllocated, len(frame))
	}
	size := f.BitsAllocated / 8
	segments := size * f.SamplesPerPixel
	if n := binary.LittleEndian.Uint32(frame); int64(n) != int64(segments) || n > 15 {
		return bad("it has %d segments, the image needs %d", n, segments)
	}
	pixels := f.Rows * f.Columns
	// A byte of input makes at most 64 bytes of output, so a short frame cannot ask for much memory.
	if pixels > 64*len(frame) {
		return bad("%d bytes cannot hold %d pixels", len(frame), pixels)
	}
	out := make([]byte, f.FrameBytes())
	for s := range segments {
		from := int(binary.LittleEndian.Uint32(frame[4+4*s:]))
		to := len(frame)
		if s+1 < segments {
			to = int(binary.LittleEndian.Uint32(frame[8+4*s:]))
		}
		if from < 64 || to > len(frame) || from > to {
			return bad("segment %d lies at bytes %d to %d of %d", s+1, from, to, len(frame))
		}
		sample, place := s/size, size-1-s%size
		at, step := sample*size+place, f.SamplesPerPixel*size
		if f.Planar {
			at, step = sample*pixels*size+place, size
		}
		if n := unpack(out, at, step, pixels, frame[from:to]); n < pixels {
			return bad("segment %d holds %d of %d pixels", s+1, n, pixels)
		}
	}
	return out, nil
}

// unpack decodes PackBits (PS3.5 G.3.2) into every step-th byte of out and returns how many bytes it set.
func unpack(out []byte, at, step, pixels int, in []byte) int {
	n := 0
	for len(in) > 0 && n < pixels {
		c := int(int8(in[0]))
		in = in[1:]
		switch {
		case c >= 0:
			k := min(c+1, len(in), pixels-n)
			for _, b := range in[:k] {
				out[at+n*step] = b
				n++
			}
			in = in[k:]
		case c != -128 && len(in) > 0:
			b := in[0]
			in = in[1:]
			for range min(1-c, pixels-n) {
				out[at+n*step] = b
				n++
			}
		}
	}
	return n
}
