//go:build cgo

package jpegls

/*
#cgo pkg-config: charls
#include "decode.h"
#include <charls/charls.h>
*/
import "C"

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Available says whether this build has the decoder.
const Available = true

// Decode decodes one image of 2 to 16 bits per sample, lossless or near lossless, in any interleave mode. Samples
// are unsigned, as JPEG-LS has no others; the data set says whether they are two's complement. HP's colour transforms
// are undone.
func Decode(frame []byte, want codec.Want) (codec.Image, error) {
	return DecodeTo(frame, want, func(n int) ([]byte, error) { return make([]byte, n), nil })
}

// DecodeTo is [Decode] into memory that reserve gives: it is called once, when the header has been found to describe
// the wanted image, with the size of the result in bytes.
func DecodeTo(frame []byte, want codec.Want, reserve func(size int) ([]byte, error)) (codec.Image, error) {
	var m codec.Image
	if len(frame) == 0 {
		return m, fmt.Errorf("%w: there are no bytes", codec.ErrTruncated)
	}
	from, length := unsafe.Pointer(unsafe.SliceData(frame)), C.size_t(len(frame))
	var info C.tomocast_jpegls_info
	if rc := C.tomocast_jpegls_header(from, length, &info); rc != 0 {
		return m, fault(int(rc))
	}
	// Converted apart, as a uint32 of a hostile header may be negative as an int of 32 bits.
	width, height := int64(info.width), int64(info.height)
	if width > 65535 || height > 65535 {
		return m, fmt.Errorf("%w: it is %dx%d, the data set says %dx%d", codec.ErrMismatch, width, height, want.Width, want.Height)
	}
	m = codec.Image{
		Width: int(width), Height: int(height), Components: int(info.components), Bits: int(info.bits),
		Transformed: info.transform != C.CHARLS_COLOR_TRANSFORMATION_NONE,
	}
	if err := want.Check(m.Width, m.Height, m.Components); err != nil {
		return m, err
	}
	// Without its end CharLS may search on for ever. The two bytes cannot stand within the compressed data (T.87 A.1).
	if !bytes.Contains(frame, []byte{0xff, 0xd9}) {
		return m, fmt.Errorf("%w: it has no end after %d bytes; export the image again", codec.ErrTruncated, len(frame))
	}
	size := m.Width * m.Height * m.Components * m.SampleBytes()
	if m.Bits < 2 || m.Bits > 16 || C.size_t(size) != info.size {
		return m, fmt.Errorf("%w: %d bits per sample", codec.ErrUnsupported, m.Bits)
	}
	var err error
	if m.Pix, err = reserve(size); err != nil {
		return m, err
	}
	to := m.Pix
	planar := info.interleave == C.CHARLS_INTERLEAVE_MODE_NONE && m.Components > 1
	if planar {
		to = make([]byte, size)
	}
	if rc := C.tomocast_jpegls_decode(from, length, unsafe.Pointer(unsafe.SliceData(to)), C.size_t(size)); rc != 0 {
		return m, fault(int(rc))
	}
	if planar {
		interleave(m.Pix, to, m.Components, m.SampleBytes())
	}
	return m, nil
}

// interleave brings samples that lie plane by plane together by pixel.
func interleave(to, from []byte, components, size int) {
	plane := len(from) / components
	for c := range components {
		src := from[c*plane : (c+1)*plane]
		for i, at := 0, c*size; i < len(src); i, at = i+size, at+components*size {
			copy(to[at:at+size], src[i:i+size])
		}
	}
}

// fault is CharLS's error in its own words.
func fault(rc int) error {
	kind := codec.ErrCorrupt
	switch rc {
	case C.CHARLS_JPEGLS_ERRC_SOURCE_BUFFER_TOO_SMALL, C.CHARLS_JPEGLS_ERRC_END_OF_IMAGE_MARKER_NOT_FOUND:
		kind = codec.ErrTruncated
	case C.CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY:
		kind = codec.ErrLimit
	case C.CHARLS_JPEGLS_ERRC_PARAMETER_VALUE_NOT_SUPPORTED, C.CHARLS_JPEGLS_ERRC_ENCODING_NOT_SUPPORTED,
		C.CHARLS_JPEGLS_ERRC_BIT_DEPTH_FOR_TRANSFORM_NOT_SUPPORTED, C.CHARLS_JPEGLS_ERRC_COLOR_TRANSFORM_NOT_SUPPORTED,
		C.CHARLS_JPEGLS_ERRC_JPEGLS_PRESET_EXTENDED_PARAMETER_TYPE_NOT_SUPPORTED:
		kind = codec.ErrUnsupported
	}
	return fmt.Errorf("%w: CharLS: %s", kind, C.GoString(C.charls_get_error_message(C.charls_jpegls_errc(rc))))
}
