// Package codec says what the decoders of compressed DICOM frames, in the packages below it, take and give. They know
// nothing of data sets; package dicom brings what they give in line with what a data set says.
package codec

import (
	"errors"
	"fmt"
)

// What a decoder's errors wrap, for a caller that decides on it.
var (
	// ErrCorrupt: the bytes are no valid codestream of the format.
	ErrCorrupt = errors.New("compressed image is damaged")
	// ErrTruncated: the codestream ends too early.
	ErrTruncated = errors.New("compressed image is truncated")
	// ErrUnsupported: a part of the format that the decoder does not read, or that this build lacks.
	ErrUnsupported = errors.New("compressed image is of an unsupported kind")
	// ErrMismatch: the codestream's size or number of components is another than the data set says.
	ErrMismatch = errors.New("compressed image does not match its description")
	// ErrLimit: decoding needs more memory or time than allowed.
	ErrLimit = errors.New("compressed image exceeds a limit")
)

// Want is what the data set says of the image. A codestream whose own header says another size is refused before
// memory is reserved for it.
type Want struct {
	Width, Height, Components int
}

// Check compares a codestream's own size with the wanted one.
func (w Want) Check(width, height, components int) error {
	if width != w.Width || height != w.Height || components != w.Components {
		return fmt.Errorf("%w: it is %dx%d with %d components, the data set says %dx%d with %d",
			ErrMismatch, width, height, components, w.Width, w.Height, w.Components)
	}
	return nil
}

// Image is a decoded frame.
type Image struct {
	Width, Height, Components int
	// Bits is the precision of a sample, 1 to 32; Signed says that samples are two's complement.
	Bits   int
	Signed bool
	// Pix holds the samples interleaved by pixel, rows from top to bottom, little endian: one byte each up to 8
	// bits, two up to 16, four beyond. Samples of odd precision are extended to the whole of their bytes.
	Pix []byte
	// Transformed says that the codestream's own colour transform has been undone, so that three components are
	// RGB whatever the data set says (JPEG 2000 with its component transform).
	Transformed bool
}

// SampleBytes is the size of a sample in Pix.
func (m *Image) SampleBytes() int {
	switch {
	case m.Bits <= 8:
		return 1
	case m.Bits <= 16:
		return 2
	}
	return 4
}

// Decoder decodes the joined fragments of one frame. It does not keep frame. Its errors wrap one of those above and
// say what is wrong in words.
type Decoder func(frame []byte, want Want) (Image, error)
