package dicom

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// VR is a value representation (PS3.5 6.2): its two letters, the first in the upper byte.
type VR uint16

// The value representations of PS3.5 table 6.2-1.
const (
	AE VR = 'A'<<8 | 'E'
	AS VR = 'A'<<8 | 'S'
	AT VR = 'A'<<8 | 'T'
	CS VR = 'C'<<8 | 'S'
	DA VR = 'D'<<8 | 'A'
	DS VR = 'D'<<8 | 'S'
	DT VR = 'D'<<8 | 'T'
	FD VR = 'F'<<8 | 'D'
	FL VR = 'F'<<8 | 'L'
	IS VR = 'I'<<8 | 'S'
	LO VR = 'L'<<8 | 'O'
	LT VR = 'L'<<8 | 'T'
	OB VR = 'O'<<8 | 'B'
	OD VR = 'O'<<8 | 'D'
	OF VR = 'O'<<8 | 'F'
	OL VR = 'O'<<8 | 'L'
	OV VR = 'O'<<8 | 'V'
	OW VR = 'O'<<8 | 'W'
	PN VR = 'P'<<8 | 'N'
	SH VR = 'S'<<8 | 'H'
	SL VR = 'S'<<8 | 'L'
	SQ VR = 'S'<<8 | 'Q'
	SS VR = 'S'<<8 | 'S'
	ST VR = 'S'<<8 | 'T'
	SV VR = 'S'<<8 | 'V'
	TM VR = 'T'<<8 | 'M'
	UC VR = 'U'<<8 | 'C'
	UI VR = 'U'<<8 | 'I'
	UL VR = 'U'<<8 | 'L'
	UN VR = 'U'<<8 | 'N'
	UR VR = 'U'<<8 | 'R'
	US VR = 'U'<<8 | 'S'
	UT VR = 'U'<<8 | 'T'
	UV VR = 'U'<<8 | 'V'
)

// String is the two letters.
func (v VR) String() string { return string([]byte{byte(v >> 8), byte(v)}) }

// known says whether the VR is one of the standard's.
func (v VR) known() bool {
	switch v {
	case AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, OB, OD, OF, OL, OV, OW, PN, SH, SL, SQ, SS, ST, SV,
		TM, UC, UI, UL, UN, UR, US, UT, UV:
		return true
	}
	return false
}

// letters says whether the VR is at least two upper-case letters, as every present and future VR is.
func (v VR) letters() bool {
	a, b := byte(v>>8), byte(v)
	return a >= 'A' && a <= 'Z' && b >= 'A' && b <= 'Z'
}

// long says whether an explicit element of this VR has a 32 bit length behind two reserved bytes (PS3.5 7.1.2).
func (v VR) long() bool {
	switch v {
	case OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV:
		return true
	}
	return false
}

// swap is the size of the units whose bytes big endian turns round; 1 where there are none.
func (v VR) swap() int {
	switch v {
	case US, SS, OW, AT:
		return 2
	case UL, SL, FL, OF, OL:
		return 4
	case FD, OD, OV, SV, UV:
		return 8
	}
	return 1
}

// text says whether SpecificCharacterSet applies to the VR (PS3.5 6.1.2.2).
func (v VR) text() bool {
	switch v {
	case LO, LT, PN, SH, ST, UC, UT:
		return true
	}
	return false
}

// single says whether a backslash in a value of this VR is text and no separator.
func (v VR) single() bool {
	switch v {
	case LT, ST, UT, UR:
		return true
	}
	return false
}

// padding is the byte that makes a value of this VR an even number of bytes long (PS3.5 6.2).
func (v VR) padding() byte {
	switch v {
	case AE, AS, CS, DA, DS, DT, IS, LO, LT, PN, SH, ST, TM, UC, UR, UT:
		return ' '
	}
	return 0
}

// dictionaryText is the VR of every tag of PS3.6-2022b, one line per VR. Where the standard allows US or SS it
// says US, where OB or OW it says OW; repeating groups stand under their first one (5000, 6000).
//
//go:embed dictionary.txt
var dictionaryText string

var dictionary = sync.OnceValue(func() map[Tag]VR {
	m := make(map[Tag]VR, len(dictionaryText)/9)
	for line := range strings.Lines(dictionaryText) {
		vr := VR(line[0])<<8 | VR(line[1])
		for _, f := range strings.Fields(line[2:]) {
			if n, err := strconv.ParseUint(f, 16, 32); err == nil {
				m[Tag(n)] = vr
			}
		}
	}
	return m
})

// VROf is the VR that the standard gives a tag: the dictionary's, LO for a private creator, UL for a group
// length, and UN for what is not in the dictionary.
func VROf(t Tag) VR {
	if vr, ok := common(t); ok {
		return vr
	}
	switch g := t.Group(); {
	case t.Element() == 0:
		return UL
	case t.Private():
		if e := t.Element(); e >= 0x10 && e <= 0xFF {
			return LO
		}
		return UN
	case g&0xFF00 == 0x5000 || g&0xFF00 == 0x6000: // curves and overlays repeat (PS3.5 7.6)
		t &= 0xFF00FFFF
	}
	if vr, ok := dictionary()[t]; ok {
		return vr
	}
	return UN
}

// common answers for the elements of every image, so that reading one does not build the dictionary.
func common(t Tag) (VR, bool) {
	switch t {
	case PixelData:
		return OW, true
	case PatientName:
		return PN, true
	case Rows, Columns, BitsAllocated, BitsStored, HighBit, PixelRepresentation, SamplesPerPixel, PlanarConfiguration:
		return US, true
	case PixelSpacing, ImagePositionPatient, ImageOrientationPatient, RescaleSlope, RescaleIntercept, SliceThickness:
		return DS, true
	case SOPClassUID, SOPInstanceUID, StudyInstanceUID, SeriesInstanceUID, FrameOfReferenceUID, TransferSyntaxUID:
		return UI, true
	case Modality, SpecificCharacterSet, PhotometricInterpretation, PatientSex:
		return CS, true
	}
	return 0, false
}
