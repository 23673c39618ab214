//go:build !cgo

package jpegls

import (
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Available says whether this build has the decoder.
const Available = false

// Decode says that this build lacks the decoder.
func Decode(frame []byte, want codec.Want) (codec.Image, error) {
	return DecodeTo(frame, want, nil)
}

// DecodeTo says that this build lacks the decoder.
func DecodeTo([]byte, codec.Want, func(int) ([]byte, error)) (codec.Image, error) {
	return codec.Image{}, fmt.Errorf("%w: this build lacks the JPEG-LS decoder, which needs cgo and CharLS", codec.ErrUnsupported)
}
