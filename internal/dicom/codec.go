package dicom

// frameDecoder turns the joined fragments of one frame into samples: little endian, laid out as the format says.
// Its result has exactly FrameBytes bytes.
type frameDecoder func(frame []byte, f PixelFormat) ([]byte, error)

// decoderFor is where codecs are found, by the transfer syntax that they decode; nil where there is none.
func decoderFor(uid string) frameDecoder {
	switch uid {
	case RLELossless:
		return decodeRLE
	case EncapsulatedUncompressed:
		return decodeUncompressed
	}
	return nil
}

// decodeUncompressed takes a frame that is stored as it is (PS3.5 A.4.11).
func decodeUncompressed(frame []byte, f PixelFormat) ([]byte, error) {
	size := f.FrameBytes()
	if len(frame) < size {
		return nil, fault(ErrTruncated, PixelData, "a frame needs %d bytes, its fragments hold %d", size, len(frame))
	}
	return frame[:size:size], nil
}
