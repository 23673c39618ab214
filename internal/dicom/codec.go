package dicom

import (
	"encoding/binary"
	"errors"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// frameDecoder turns the joined fragments of one frame into samples, little endian, and says how they are laid out,
// which may differ from the data set in colour space and planes. Its result has exactly FrameBytes bytes.
type frameDecoder func(frame []byte, f PixelFormat) ([]byte, PixelFormat, error)

// compressed are the codecs, by the transfer syntax that they decode.
var compressed = map[string]codec.Decoder{}

// decoderFor finds the codec of a transfer syntax; nil where there is none.
func decoderFor(uid string) frameDecoder {
	switch uid {
	case RLELossless:
		return func(frame []byte, f PixelFormat) ([]byte, PixelFormat, error) {
			out, err := decodeRLE(frame, f)
			return out, f, err
		}
	case EncapsulatedUncompressed:
		return decodeUncompressed
	}
	decode := compressed[uid]
	if decode == nil {
		return nil
	}
	return func(frame []byte, f PixelFormat) ([]byte, PixelFormat, error) {
		m, err := decode(frame, codec.Want{Width: f.Columns, Height: f.Rows, Components: f.SamplesPerPixel})
		if err != nil {
			return nil, f, codecFault(err)
		}
		return fit(&m, f)
	}
}

// codecFault is what a codec's error is to who reads a file.
func codecFault(err error) error {
	kind := ErrCorrupt
	switch {
	case errors.Is(err, codec.ErrTruncated):
		kind = ErrTruncated
	case errors.Is(err, codec.ErrUnsupported):
		kind = ErrUnsupportedTransferSyntax
	case errors.Is(err, codec.ErrLimit):
		kind = ErrLimit
	}
	return fault(kind, PixelData, "%v", err)
}

// fit brings a decoded image into the sample size of the data set.
func fit(m *codec.Image, f PixelFormat) ([]byte, PixelFormat, error) {
	f.Planar = false
	if m.Transformed && f.SamplesPerPixel == 3 {
		f.Photometric = "RGB"
	}
	have, want := m.SampleBytes(), f.BitsAllocated/8
	if f.BitsAllocated < 8 || have > want {
		return nil, f, fault(ErrCorrupt, BitsAllocated, "the compressed image has %d bits per sample, the data set allocates %d", m.Bits, f.BitsAllocated)
	}
	if have == want {
		return m.Pix, f, nil
	}
	n := f.FrameSamples()
	out := make([]byte, n*want)
	for i := range n {
		var v uint32
		switch have {
		case 1:
			v = uint32(m.Pix[i])
			if m.Signed {
				v = uint32(int32(int8(m.Pix[i])))
			}
		default:
			v = uint32(binary.LittleEndian.Uint16(m.Pix[2*i:]))
			if m.Signed {
				v = uint32(int32(int16(v)))
			}
		}
		if want == 2 {
			binary.LittleEndian.PutUint16(out[2*i:], uint16(v))
		} else {
			binary.LittleEndian.PutUint32(out[4*i:], v)
		}
	}
	return out, f, nil
}

// decodeUncompressed takes a frame that is stored as it is (PS3.5 A.4.11).
func decodeUncompressed(frame []byte, f PixelFormat) ([]byte, PixelFormat, error) {
	size := f.FrameBytes()
	if len(frame) < size {
		return nil, f, fault(ErrTruncated, PixelData, "a frame needs %d bytes, its fragments hold %d", size, len(frame))
	}
	return frame[:size:size], f, nil
}
