package dicom

import (
	"bytes"
	"encoding/binary"
)

// jpegColours is what the three components of a JPEG image with DCT mean, as far as its own markers say it:
// "YBR_FULL" under a JFIF marker (which allows nothing else) or an Adobe marker with transform 1, "RGB" under one with
// transform 0 or where the components are called so; empty where nothing says it, or where the image is lossless. Data
// sets often say the other, and libjpeg, and with it most viewers, goes by the markers.
func jpegColours(frame []byte) string {
	jfif := false
	for at := 2; at+4 <= len(frame) && frame[at] == 0xFF; {
		marker, n := frame[at+1], int(binary.BigEndian.Uint16(frame[at+2:]))
		if marker == 0xFF { // fill byte
			at++
			continue
		}
		if n < 2 || at+2+n > len(frame) {
			return ""
		}
		body := frame[at+4 : at+2+n]
		switch {
		case marker == 0xE0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			jfif = true
		case marker == 0xEE && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
			if body[11] == 0 {
				return "RGB"
			}
			return "YBR_FULL"
		case marker == 0xC3:
			return ""
		case marker == 0xC0 || marker == 0xC1 || marker == 0xC2:
			switch {
			case jfif:
				return "YBR_FULL"
			case len(body) >= 15 && body[6] == 'R' && body[9] == 'G' && body[12] == 'B':
				return "RGB"
			}
			return ""
		case marker == 0xDA || marker == 0xD9:
			return ""
		}
		at += 2 + n
	}
	return ""
}
