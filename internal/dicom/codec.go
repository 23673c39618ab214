package dicom

import (
	"errors"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpeg"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// frameDecoder turns the joined fragments of one frame into samples, little endian, and says how they are laid out,
// which may differ from the data set in colour space and planes. Its result has exactly FrameBytes bytes.
type frameDecoder func(frame []byte, f PixelFormat) ([]byte, PixelFormat, error)

// compressed are the codecs, by the transfer syntax that they decode.
var compressed = map[string]codec.Decoder{
	"1.2.840.10008.1.2.4.50": jpeg.Decode,
	"1.2.840.10008.1.2.4.51": jpeg.Decode,
	"1.2.840.10008.1.2.4.53": jpeg.Decode,
	"1.2.840.10008.1.2.4.55": jpeg.Decode,
	"1.2.840.10008.1.2.4.57": jpeg.Decode,
	"1.2.840.10008.1.2.4.70": jpeg.Decode,
}

// inWorker are the codecs that are C libraries, which decode in child processes. A program has those that it imports
// (package codec/native).
var inWorker = map[string]worker.Kind{
	"1.2.840.10008.1.2.4.80":  worker.JPEGLS,
	"1.2.840.10008.1.2.4.81":  worker.JPEGLS,
	"1.2.840.10008.1.2.4.90":  worker.JPEG2000,
	"1.2.840.10008.1.2.4.91":  worker.JPEG2000,
	"1.2.840.10008.1.2.4.201": worker.JPEG2000,
	"1.2.840.10008.1.2.4.202": worker.JPEG2000,
	"1.2.840.10008.1.2.4.203": worker.JPEG2000,
}

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
	if kind, ok := inWorker[uid]; ok && worker.Available(kind) {
		decode = worker.Decoder(kind)
	}
	if decode == nil {
		return nil
	}
	return func(frame []byte, f PixelFormat) ([]byte, PixelFormat, error) {
		m, err := decode(frame, codec.Want{Width: f.Columns, Height: f.Rows, Components: f.SamplesPerPixel})
		if err != nil {
			return nil, f, codecFault(err)
		}
		if c := jpegColours(frame); c != "" && f.SamplesPerPixel == 3 && !m.Transformed && jpegProcess(uid) {
			f.Photometric = c
		}
		return fit(&m, f, uid)
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

// decodeUncompressed takes a frame that is stored as it is (PS3.5 A.4.11).
func decodeUncompressed(frame []byte, f PixelFormat) ([]byte, PixelFormat, error) {
	size := f.FrameBytes()
	if len(frame) < size {
		return nil, f, fault(ErrTruncated, PixelData, "a frame needs %d bytes, its fragments hold %d", size, len(frame))
	}
	return frame[:size:size], f, nil
}
