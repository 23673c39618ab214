// Package decode turns encoded frames back into pictures, with openh264 and libvpx. Tests compare what was
// streamed with what was rendered, and a program can check its own stream.
package decode

import (
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

// Errors on which a caller decides.
var (
	// ErrClosed says that the decoder was closed.
	ErrClosed = errors.New("the decoder is closed")
	// ErrNoPicture says that the frame was taken and gave no picture, as before the first key frame.
	ErrNoPicture = errors.New("the frame gave no picture")
)

// MaxFrame is the longest frame that is taken, in bytes.
const MaxFrame = 16 << 20

// Decoder decodes the frames of one stream in their order. It is for one goroutine at a time.
type Decoder interface {
	// Decode decodes one frame, in the format of encode.Frame. The picture is the caller's own. A frame
	// that is damaged gives an error, and the next key frame makes the decoder whole again.
	Decode(data []byte) (*encode.Picture, error)
	// Close frees the decoder. Closing again does nothing.
	Close() error
}

// New opens a decoder.
func New(codec encode.Codec) (Decoder, error) {
	switch codec {
	case encode.H264:
		return newH264()
	case encode.VP8:
		return newVP8()
	}
	return nil, fmt.Errorf("there is no decoder for codec %q: use %s or %s", codec, encode.H264, encode.VP8)
}

// checkFrame bounds what reaches C.
func checkFrame(data []byte) error {
	if len(data) == 0 || len(data) > MaxFrame {
		return fmt.Errorf("a frame of %d bytes cannot be decoded: it must have from 1 to %d", len(data), MaxFrame)
	}
	return nil
}
