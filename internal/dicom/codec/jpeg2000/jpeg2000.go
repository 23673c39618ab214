//go:build cgo

package jpeg2000

/*
#cgo pkg-config: libopenjp2
#include "decode.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Available says whether this build has the decoder.
const Available = true

// maxSlack is by how many bytes the end of a code block may differ from where its decoder stops. Encoders end a
// codeword in several ways (T.800 C.2.9, D.4.2); real images differ by up to 3 bytes, and of those with one wrong bit five
// in six by more than 8.
const maxSlack = 8

// Decode decodes one image of 1 to [MaxBits] bits per sample, signed or unsigned, from a codestream or a JP2 file. The
// colour transform of the codestream is undone. A codestream of which a part is missing or that OpenJPEG complains of
// is an error, also where a picture could be made of the rest.
func Decode(frame []byte, want codec.Want) (codec.Image, error) {
	return DecodeTo(frame, want, func(n int) ([]byte, error) { return make([]byte, n), nil })
}

// DecodeTo is [Decode] into memory that reserve gives: it is called once, when the header has been found to describe
// the wanted image, with the size of the result in bytes.
func DecodeTo(frame []byte, want codec.Want, reserve func(size int) ([]byte, error)) (codec.Image, error) {
	var m codec.Image
	stream, err := unwrap(frame)
	if err != nil {
		return m, err
	}
	h, err := readHeader(stream)
	if err != nil {
		return m, err
	}
	if err := want.Check(h.width, h.height, h.components); err != nil {
		return m, err
	}
	end, err := checkTiles(stream, h.tiles)
	if err != nil {
		return m, err
	}
	m = codec.Image{Width: h.width, Height: h.height, Components: h.components, Bits: h.bits, Signed: h.signed}
	if m.Pix, err = reserve(m.Width * m.Height * m.Components * m.SampleBytes()); err != nil {
		return m, err
	}
	stream = prepared(stream, end)
	image := C.tomocast_j2k_image{
		width: C.uint32_t(m.Width), height: C.uint32_t(m.Height), components: C.uint32_t(m.Components),
		bits: C.uint32_t(m.Bits), sample: C.uint32_t(m.SampleBytes()),
	}
	if m.Signed {
		image.is_signed = 1
	}
	var result C.tomocast_j2k_result
	ok := C.tomocast_j2k_decode((*C.uint8_t)(unsafe.SliceData(stream)), C.size_t(len(stream)), &image,
		(*C.uint8_t)(unsafe.SliceData(m.Pix)), &result)
	complaint := words(C.GoString(&result.message[0]))
	switch {
	case result.transform > 1:
		return m, fmt.Errorf("%w: it uses a component transform of JPEG 2000 part 2", codec.ErrUnsupported)
	case result.slack > maxSlack:
		return m, fmt.Errorf("%w: a code block has %d bytes too many or too few; export the image again", codec.ErrCorrupt, result.slack)
	case ok == 1 && result.complaint == 0:
		m.Transformed = result.transform == 1 && m.Components >= 3
		return m, nil
	case complaint == "":
		complaint = "cannot read it"
	}
	return m, fmt.Errorf("%w: OpenJPEG: %s", kind(complaint), complaint)
}

// words makes one line of printable ASCII of a message.
func words(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)), " ")
}

// kind is which error a message of OpenJPEG's tells of.
func kind(s string) error {
	lower := strings.ToLower(s)
	switch {
	case strings.Contains(lower, "memory"), strings.Contains(lower, "system limits"):
		return codec.ErrLimit
	case strings.Contains(lower, "too short"), strings.Contains(lower, "truncated"), strings.Contains(lower, "not enough"):
		return codec.ErrTruncated
	case strings.Contains(lower, "not supported"), strings.Contains(lower, "unsupported"):
		return codec.ErrUnsupported
	}
	return codec.ErrCorrupt
}
