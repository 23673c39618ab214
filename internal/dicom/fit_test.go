package dicom

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

const (
	jpegLossless = "1.2.840.10008.1.2.4.70"
	jpegLSUID    = "1.2.840.10008.1.2.4.80"
	jpeg2000UID  = "1.2.840.10008.1.2.4.90"
	unsigned     = false
	signed       = true
	nobody       = "nobody can say"
)

// Codestreams that differ from their data set in precision or sign give what DCMTK, GDCM and pydicom agree on, found
// out with files that were made so, or are refused.
func TestCodestreamAgainstDataSet(t *testing.T) {
	for name, c := range map[string]struct {
		uid          string
		bits         int // of the codestream
		sign         bool
		allocated    int
		stored, high int
		signed       bool
		overlays     bool
		in, want     []int
		refused      string
	}{
		"alike":                              {jpegLossless, 12, unsigned, 16, 12, 11, unsigned, false, []int{0, 4095}, []int{0, 4095}, ""},
		"8 bits in 16":                       {jpegLossless, 8, unsigned, 16, 8, 7, unsigned, false, []int{0, 255}, []int{0, 255}, ""},
		"8 bits in 16, the data set signed":  {jpegLossless, 8, unsigned, 16, 8, 7, signed, false, []int{127, 128, 255}, []int{127, -128, -1}, ""},
		"12 bits in 32":                      {jpeg2000UID, 12, signed, 32, 12, 11, signed, false, []int{-2048, 2047}, []int{-2048, 2047}, ""},
		"sign by the data set alone":         {jpeg2000UID, 13, unsigned, 16, 13, 12, signed, false, []int{4095, 4096, 8191}, []int{4095, -4096, -1}, ""},
		"fewer bits":                         {jpegLSUID, 12, unsigned, 16, 16, 15, unsigned, false, []int{4095}, []int{4095}, ""},
		"fewer bits, the data set signed":    {jpegLossless, 12, unsigned, 16, 16, 15, signed, false, []int{4095}, []int{4095}, ""},
		"fewer bits, signed J2K":             {jpeg2000UID, 12, unsigned, 16, 16, 15, signed, false, []int{4095}, nil, nobody},
		"fewer bits, small signed J2K":       {jpeg2000UID, 12, unsigned, 16, 16, 15, signed, false, []int{2047}, []int{2047}, ""},
		"fewer bits, both signed":            {jpeg2000UID, 12, signed, 16, 16, 15, signed, false, []int{-2048, 2047}, []int{-2048, 2047}, ""},
		"shifted in the data set alone":      {jpegLossless, 12, unsigned, 16, 12, 15, unsigned, false, []int{4095}, []int{4095}, ""},
		"shifted in both":                    {jpegLossless, 16, unsigned, 16, 12, 15, unsigned, false, []int{0x1235}, []int{0x123}, ""},
		"more bits than stored, unused":      {jpegLSUID, 16, unsigned, 16, 12, 11, unsigned, false, []int{4095}, []int{4095}, ""},
		"more bits than stored, signs alone": {jpegLSUID, 16, unsigned, 16, 12, 11, signed, false, []int{2047, 0xF800}, []int{2047, -2048}, ""},
		"more bits than stored, overlays":    {jpegLSUID, 16, unsigned, 16, 12, 11, unsigned, true, []int{0x8123}, []int{0x123}, ""},
		"more bits than stored, JPEG":        {jpegLossless, 16, unsigned, 16, 12, 11, unsigned, false, []int{0x1123}, []int{0x123}, ""},
		"more bits than stored, J2K":         {jpeg2000UID, 12, unsigned, 16, 10, 9, unsigned, false, []int{4095}, []int{4095}, ""},
		"more bits than stored, JPEG-LS":     {jpegLSUID, 12, unsigned, 16, 10, 9, unsigned, false, []int{4095}, nil, nobody},
		"more bits than allocated":           {jpeg2000UID, 12, unsigned, 8, 8, 7, unsigned, false, []int{1}, nil, "allocates 8"},
		"signs that should not be":           {jpeg2000UID, 16, signed, 16, 16, 15, unsigned, false, []int{-1}, nil, "negative"},
		"no signs that should not be":        {jpeg2000UID, 16, signed, 16, 16, 15, unsigned, false, []int{1}, []int{1}, ""},
		"no samples":                         {jpeg2000UID, 16, signed, 16, 16, 15, signed, false, nil, nil, "0 bytes"},
	} {
		m := codec.Image{Width: len(c.in), Height: 1, Components: 1, Bits: c.bits, Signed: c.sign}
		for _, v := range c.in {
			m.Pix = append(m.Pix, binary.LittleEndian.AppendUint32(nil, uint32(v))[:m.SampleBytes()]...)
		}
		f := PixelFormat{Rows: 1, Columns: max(1, len(c.in)), SamplesPerPixel: 1, BitsAllocated: c.allocated, BitsStored: c.stored,
			HighBit: c.high, Signed: c.signed, Overlays: c.overlays}
		raw, got, err := fit(&m, f, c.uid)
		if c.refused != "" {
			var fault *Error
			if !errors.As(err, &fault) || !errors.Is(err, ErrCorrupt) || !strings.Contains(fault.Reason, c.refused) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		values := make([]float64, len(c.in))
		if !got.Float64s(values, raw) {
			t.Errorf("%s: %+v does not fit %d bytes", name, got, len(raw))
		}
		var have []int
		for _, v := range values {
			have = append(have, int(v))
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: %v as %+v, want %v", name, have, got, c.want)
		}
	}
}

// A codestream that has undone its own colour transform is RGB; one that has not keeps what the data set says, with a
// colour for each pixel.
func TestColourOfCodestream(t *testing.T) {
	for _, c := range []struct {
		photometric string
		transformed bool
		want        string
	}{
		{"YBR_RCT", true, "RGB"}, {"YBR_ICT", true, "RGB"}, {"RGB", false, "RGB"}, {"YBR_FULL", false, "YBR_FULL"}, {"YBR_FULL_422", false, "YBR_FULL"},
	} {
		m := codec.Image{Width: 1, Height: 1, Components: 3, Bits: 8, Pix: []byte{1, 2, 3}, Transformed: c.transformed}
		f := PixelFormat{Rows: 1, Columns: 1, SamplesPerPixel: 3, BitsAllocated: 8, BitsStored: 8, HighBit: 7, Planar: true, Photometric: c.photometric}
		if _, got, err := fit(&m, f, jpeg2000UID); err != nil || got.Photometric != c.want || got.Planar {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
}

// What the components of a JPEG image are, its own markers say.
func TestJPEGColours(t *testing.T) {
	const (
		soi   = "\xFF\xD8"
		jfif  = "\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
		adobe = "\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00"
		sof   = "\x00\x11\x08\x00\x01\x00\x01\x03"
		ycc   = "\x01\x11\x00\x02\x11\x00\x03\x11\x00"
		rgb   = "R\x11\x00G\x11\x00B\x11\x00"
	)
	for name, c := range map[string]struct{ frame, want string }{
		"JFIF":               {soi + jfif + "\xFF\xC0" + sof + ycc, "YBR_FULL"},
		"JFIF and fill":      {soi + jfif + "\xFF\xFF\xFF\xC0" + sof + ycc, "YBR_FULL"},
		"Adobe RGB":          {soi + adobe + "\x00\xFF\xC0" + sof + ycc, "RGB"},
		"Adobe YCbCr":        {soi + jfif + adobe + "\x01\xFF\xC0" + sof + ycc, "YBR_FULL"},
		"by name":            {soi + "\xFF\xC0" + sof + rgb, "RGB"},
		"nothing said":       {soi + "\xFF\xC1" + sof + ycc, ""},
		"lossless":           {soi + jfif + "\xFF\xC3" + sof + ycc, ""},
		"cut":                {soi + jfif[:10], ""},
		"a length that lies": {soi + "\xFF\xE0\xFF\xFF", ""},
		"a length of 0":      {soi + "\xFF\xE0\x00\x00\x00\x00", ""},
		"nothing":            {"", ""},
	} {
		if got := jpegColours([]byte(c.frame)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
