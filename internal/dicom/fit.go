package dicom

import (
	"encoding/binary"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// fit brings a decoded image in line with what the data set says of it. Where the two differ it reads what DCMTK, GDCM
// and pydicom agree on:
//
//   - Fewer bits than the data set stores: they are the lower ones. A JPEG 2000 image without signs whose topmost bit is
//     used, under a data set that says signed, is refused: some take that bit for the sign.
//   - More bits: what does not fit under BitsStored is masked where overlays are said to be there, and in JPEG images;
//     in JPEG 2000 images the precision of the codestream counts; JPEG-LS images are refused, for each reader sees
//     other values in them.
//   - Signed samples under a data set that says unsigned: read where none is negative, else refused.
func fit(m *codec.Image, f PixelFormat, uid string) ([]byte, PixelFormat, error) {
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
	switch {
	case m.Bits == f.HighBit+1:
		// The codestream holds samples as the data set describes them.
	case m.Bits < f.BitsStored && f.Signed && !m.Signed && jpeg2000(uid) && wider(m, m.Bits-1, false):
		return nil, f, fault(ErrCorrupt, PixelRepresentation, "the compressed image has samples of %d bits without sign, the data set says %d with sign, and nobody can say which is right; export the file again", m.Bits, f.BitsStored)
	case m.Bits <= f.BitsStored:
		f.HighBit = f.BitsStored - 1
	case m.Bits < f.HighBit+1, f.HighBit > f.BitsStored-1, f.Overlays, jpegProcess(uid), !wider(m, f.BitsStored, f.Signed):
		// What the data set describes is there, and other bits beside it.
	case jpeg2000(uid):
		f.BitsStored, f.HighBit = m.Bits, m.Bits-1
	default:
		return nil, f, fault(ErrCorrupt, BitsStored, "the compressed image has samples of up to %d bits, the data set says %d, and nobody can say which of them count; export the file again", m.Bits, f.BitsStored)
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
