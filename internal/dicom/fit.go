package dicom

import (
	"encoding/binary"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// fit brings a decoded image in line with what the data set says of it, or the other way round where the codestream
// knows better, as DCMTK, GDCM and pydicom agree in doing:
//
//   - More bits than the data set stores: overlays there are masked; else, where any sample needs them, the precision of
//     the codestream counts.
//   - Fewer bits, and a data set whose samples are signed: the codestream's sign bit is its own topmost one.
//   - Signed samples under a data set that says unsigned: read where none is negative, else refused, for nobody can say
//     which is right.
func fit(m *codec.Image, f PixelFormat) ([]byte, PixelFormat, error) {
	f.Planar = false
	switch {
	case m.Transformed && f.SamplesPerPixel == 3:
		f.Photometric = "RGB"
	case f.Photometric == "YBR_FULL_422":
		f.Photometric = "YBR_FULL"
	}
	have, want := m.SampleBytes(), f.BitsAllocated/8
	if f.BitsAllocated < 8 || have > want {
		return nil, f, fault(ErrCorrupt, BitsAllocated, "the compressed image has %d bits per sample, the data set allocates %d; export the file again", m.Bits, f.BitsAllocated)
	}
	if n := f.FrameSamples() * have; len(m.Pix) != n {
		return nil, f, fault(ErrCorrupt, PixelData, "the compressed image has %d bytes of samples, not %d", len(m.Pix), n)
	}
	if m.Signed && !f.Signed && negative(m) {
		return nil, f, fault(ErrCorrupt, PixelRepresentation, "the compressed image has negative samples, the data set says that there are none; export the file again")
	}
	switch shifted := f.HighBit + 1; {
	case m.Bits == shifted:
		// The codestream holds samples as the data set describes them.
	case m.Bits < shifted:
		f.BitsStored, f.HighBit = m.Bits, m.Bits-1
		if m.Signed != f.Signed && m.Signed {
			f.BitsStored, f.HighBit = f.BitsAllocated, f.BitsAllocated-1 // none is negative
		}
	case f.HighBit == f.BitsStored-1 && !f.Overlays && wider(m, f.BitsStored, f.Signed):
		f.BitsStored, f.HighBit = m.Bits, m.Bits-1
	}
	if have == want {
		return m.Pix, f, nil
	}
	return widened(m, want, f), f, nil
}

// sample is the bits of sample i.
func sample(m *codec.Image, i int) uint32 {
	switch m.SampleBytes() {
	case 1:
		return uint32(m.Pix[i])
	case 2:
		return uint32(binary.LittleEndian.Uint16(m.Pix[2*i:]))
	}
	return binary.LittleEndian.Uint32(m.Pix[4*i:])
}

// negative says whether any of the codestream's signed samples is below 0.
func negative(m *codec.Image) bool {
	size := m.SampleBytes()
	for i := size - 1; i < len(m.Pix); i += size {
		if m.Pix[i]&0x80 != 0 {
			return true
		}
	}
	return false
}

// wider says whether any sample needs more than the lowest bits, signed or unsigned: whether the bits above are
// neither all zero nor all the sign.
func wider(m *codec.Image, bits int, signed bool) bool {
	unused := 32 - m.SampleBytes()*8
	for i := range len(m.Pix) / m.SampleBytes() {
		v := sample(m, i)
		if signed {
			if s := int32(v<<unused) >> unused; s != s<<(32-bits)>>(32-bits) {
				return true
			}
		} else if v>>bits != 0 {
			return true
		}
	}
	return false
}

// widened is the samples in more bytes each; signed ones keep their value.
func widened(m *codec.Image, size int, f PixelFormat) []byte {
	have := m.SampleBytes()
	out := make([]byte, f.FrameSamples()*size)
	unused := 64 - 8*have
	for i := range f.FrameSamples() {
		v := uint64(sample(m, i))
		if m.Signed {
			v = uint64(int64(v<<unused) >> unused)
		}
		switch o := out[i*size:]; size {
		case 2:
			binary.LittleEndian.PutUint16(o, uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(o, uint32(v))
		default:
			binary.LittleEndian.PutUint64(o, v)
		}
	}
	return out
}
