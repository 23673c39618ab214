package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/picture"
)

// le is numbers as little endian words.
func le(v ...int) []byte {
	var out []byte
	for _, n := range v {
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
	}
	return out
}

// grey is a row of 16 bit pixels.
func grey(signed bool, pixels ...int) *dicom.Dataset {
	d := base("MONOCHROME2", 1, len(pixels), 1, 16)
	if signed {
		d.SetInts(dicom.PixelRepresentation, dicom.US, 1)
	}
	d.SetBytes(dicom.PixelData, dicom.OW, le(pixels...))
	return d
}

// base describes an image without pixels.
func base(photometric string, rows, columns, samples, bits int) *dicom.Dataset {
	d := &dicom.Dataset{TransferSyntax: dicom.ExplicitVRLittleEndian}
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.7")
	d.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3")
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, photometric)
	d.SetInts(dicom.Rows, dicom.US, rows)
	d.SetInts(dicom.Columns, dicom.US, columns)
	d.SetInts(dicom.SamplesPerPixel, dicom.US, samples)
	d.SetInts(dicom.BitsAllocated, dicom.US, bits)
	d.SetInts(dicom.BitsStored, dicom.US, bits)
	d.SetInts(dicom.HighBit, dicom.US, bits-1)
	d.SetInts(dicom.PixelRepresentation, dicom.US, 0)
	return d
}

// decode makes the picture of the only frame.
func decode(t *testing.T, d *dicom.Dataset) *picture.Image {
	t.Helper()
	m, err := picture.Decode(d, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shown is the red channel through the picture's own window.
func shown(m *picture.Image) []byte {
	var out []byte
	for i, b := range m.RGBA(nil, nil) {
		if i%4 == 0 {
			out = append(out, b)
		}
	}
	return out
}

// lut is an item of a look-up table sequence.
func lut(n, first, bits int, data []byte, name string) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetInts(dicom.LUTDescriptor, dicom.US, n, first, bits)
	d.SetBytes(dicom.LUTData, dicom.OW, data)
	d.SetString(dicom.LUTExplanation, dicom.LO, name)
	return d
}

// The functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, computed from their formulas.
func TestWindowFunctions(t *testing.T) {
	linear := func(c, w float64) func(float64) float64 {
		return func(x float64) float64 {
			switch {
			case x <= c-0.5-(w-1)/2:
				return 0
			case x > c-0.5+(w-1)/2:
				return 255
			}
			return ((x-(c-0.5))/(w-1) + 0.5) * 255
		}
	}
	for name, c := range map[string]struct {
		function      string
		center, width float64
		want          func(float64) float64
	}{
		"linear":           {"LINEAR", 2048, 4096, linear(2048, 4096)},
		"linear by itself": {"", 100, 100, linear(100, 100)},
		"unknown is so":    {"CURVED", 100, 100, linear(100, 100)},
		"a threshold":      {"LINEAR", 50, 1, linear(50, 1)},
		"exact": {"LINEAR_EXACT", 100.5, 20, func(x float64) float64 {
			return min(max((x-100.5)/20+0.5, 0), 1) * 255
		}},
		"narrow exact": {"LINEAR_EXACT", 100, 0.5, func(x float64) float64 {
			return min(max((x-100)/0.5+0.5, 0), 1) * 255
		}},
		"sigmoid": {"SIGMOID", 100, 50, func(x float64) float64 { return 255 / (1 + math.Exp(-4*(x-100)/50)) }},
	} {
		var pixels []int
		for v := range 300 {
			pixels = append(pixels, v)
		}
		d := grey(false, append(pixels, 1000, 4095, 65535)...)
		d.SetFloats(dicom.WindowCenter, dicom.DS, c.center)
		d.SetFloats(dicom.WindowWidth, dicom.DS, c.width)
		if c.function != "" {
			d.SetString(dicom.VOILUTFunction, dicom.CS, c.function)
		}
		m := decode(t, d)
		for i, b := range shown(m) {
			if want := c.want(float64(m.Gray[i])); math.Abs(float64(b)-want) > 0.5001 {
				t.Errorf("%s: %v is shown as %d, want %v", name, m.Gray[i], b, want)
			}
		}
	}
}

func TestWindowsOfFile(t *testing.T) {
	d := grey(true, -100, 0, 100, 200)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 2)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, -10)
	d.SetString(dicom.RescaleType, dicom.LO, "HU")
	m := decode(t, d)
	if !slices.Equal(m.Gray, []float32{-210, -10, 190, 390}) || m.Min != -210 || m.Max != 390 || m.Units != "HU" {
		t.Errorf("values %v, %v to %v %s", m.Gray, m.Min, m.Max, m.Units)
	}
	if len(m.Windows) != 0 || m.Window.Center != 90 || m.Window.Width != 600 {
		t.Errorf("the window over the range: %+v", m.Window)
	}
	if got := shown(m); got[0] != 0 || got[3] != 255 {
		t.Errorf("over the range: %v", got)
	}
	d.SetFloats(dicom.WindowCenter, dicom.DS, 40, 300, 7, 8)
	d.SetFloats(dicom.WindowWidth, dicom.DS, 400, 1500, 0, -5) // the last two show nothing
	d.SetString(dicom.WindowCenterWidthExplanation, dicom.LO, "SOFT", "BONE")
	table := lut(3, 0xFFF6, 8, []byte{0, 100, 200, 0}, "CURVE") // from -10
	d.SetSequence(dicom.VOILUTSequence, table)
	m = decode(t, d)
	var names []string
	for _, w := range m.Windows {
		names = append(names, w.Explanation)
	}
	if strings.Join(names, ",") != "SOFT,BONE,CURVE" || m.Window.Center != 40 || m.Window.Width != 400 || m.Windows[1].Center != 300 {
		t.Errorf("windows %+v, the first %+v", m.Windows, m.Window)
	}
	// -10 is the first value of the table; values beside it get its ends.
	got := m.RGBA(&m.Windows[2], nil)
	if got[0] != 0 || got[4] != 0 || got[8] != 200 || got[12] != 200 {
		t.Errorf("through the table: %v", got)
	}
	// The caller's window and memory are used.
	dst := make([]byte, 0, 16)
	got = m.RGBA(&picture.Window{Center: 190, Width: 1}, dst)
	if &got[0] != &dst[:1][0] || got[4] != 0 || got[8] != 255 || got[11] != 255 {
		t.Errorf("through a threshold: %v", got)
	}
}

func TestModalityLUT(t *testing.T) {
	d := grey(true, -20, -10, -9, -8, 30)
	item := lut(3, -10&0xFFFF, 16, le(100, 50000, 7), "")
	d.SetSequence(dicom.ModalityLUTSequence, item)
	if m := decode(t, d); !slices.Equal(m.Gray, []float32{100, 100, 50000, 7, 7}) {
		t.Errorf("16 bit table: %v", m.Gray)
	}
	d.SetSequence(dicom.ModalityLUTSequence, lut(3, -10&0xFFFF, 8, []byte{1, 2, 3, 0}, ""))
	if m := decode(t, d); !slices.Equal(m.Gray, []float32{1, 1, 2, 3, 3}) {
		t.Errorf("8 bit table: %v", m.Gray)
	}
	d.SetSequence(dicom.ModalityLUTSequence, lut(3, -10&0xFFFF, 8, le(1, 2, 3), ""))
	if m := decode(t, d); !slices.Equal(m.Gray, []float32{1, 1, 2, 3, 3}) {
		t.Errorf("8 bit table in words: %v", m.Gray)
	}
	for name, bad := range map[string]*dicom.Dataset{
		"too short":      lut(4, 0, 16, le(1, 2, 3), ""),
		"too many bits":  lut(1, 0, 17, le(1), ""),
		"too few bits":   lut(1, 0, 0, le(1), ""),
		"no data":        lut(65536, 0, 16, nil, ""),
		"no description": {},
	} {
		d.SetSequence(dicom.ModalityLUTSequence, bad)
		if _, err := picture.Decode(d, 0); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInverted(t *testing.T) {
	d := grey(false, 0, 128, 255)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME1")
	m := decode(t, d)
	if got := shown(m); !m.Inverted || !slices.Equal(got, []byte{255, 127, 0}) || m.Gray[2] != 255 {
		t.Errorf("MONOCHROME1: %v of %v", got, m.Gray)
	}
}

func TestPadding(t *testing.T) {
	d := grey(true, -2000, -5, 10, -1990)
	d.SetInts(dicom.PixelPaddingValue, dicom.US, 63536) // -2000, written without its sign
	m := decode(t, d)
	if !slices.Equal(m.Padding, []bool{true, false, false, false}) || m.Min != -1990 {
		t.Errorf("padding %v, from %v", m.Padding, m.Min)
	}
	d.SetInts(dicom.PixelPaddingRangeLimit, dicom.SS, -1980)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME1")
	m = decode(t, d)
	if !slices.Equal(m.Padding, []bool{true, false, false, true}) || m.Min != -5 || m.Max != 10 {
		t.Errorf("padding %v, %v to %v", m.Padding, m.Min, m.Max)
	}
	if got := shown(m); !slices.Equal(got, []byte{0, 255, 0, 0}) {
		t.Errorf("padding is shown: %v", got)
	}
	// Numbers that are none are padding, and do not spoil the range.
	f := base("MONOCHROME2", 1, 3, 1, 32)
	f.Delete(dicom.PixelRepresentation)
	var raw []byte
	for _, v := range []float32{1.5, float32(math.NaN()), float32(math.Inf(1))} {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	f.SetBytes(dicom.FloatPixelData, dicom.OF, raw)
	m = decode(t, f)
	if !slices.Equal(m.Padding, []bool{false, true, true}) || m.Min != 1.5 || m.Max != 1.5 || m.Gray[1] != 0 {
		t.Errorf("floats: %+v", m)
	}
	_ = shown(m)
}

func TestColour(t *testing.T) {
	set := func(d *dicom.Dataset, pixels ...byte) *dicom.Dataset {
		d.SetBytes(dicom.PixelData, dicom.OB, pixels)
		return d
	}
	planar := set(base("RGB", 1, 2, 3, 8), 1, 4, 2, 5, 3, 6)
	planar.SetInts(dicom.PlanarConfiguration, dicom.US, 1)
	wide := base("RGB", 1, 1, 3, 16)
	wide.SetBytes(dicom.PixelData, dicom.OW, le(0x12FF, 0x34FF, 0x56FF))
	five := base("RGB", 1, 1, 3, 8)
	five.SetInts(dicom.BitsStored, dicom.US, 4)
	five.SetInts(dicom.HighBit, dicom.US, 3)
	set(five, 0, 5, 15)
	for name, c := range map[string]struct {
		d    *dicom.Dataset
		want []byte
	}{
		"RGB":            {set(base("RGB", 1, 2, 3, 8), 1, 2, 3, 4, 5, 6), []byte{1, 2, 3, 4, 5, 6}},
		"planes":         {planar, []byte{1, 2, 3, 4, 5, 6}},
		"16 bits":        {wide, []byte{0x12, 0x34, 0x56}},
		"4 bits":         {five, []byte{0, 85, 255}},
		"YBR grey":       {set(base("YBR_FULL", 1, 2, 3, 8), 0, 128, 128, 200, 128, 128), []byte{0, 0, 0, 200, 200, 200}},
		"YBR red":        {set(base("YBR_FULL", 1, 1, 3, 8), 76, 85, 255), []byte{254, 0, 0}},
		"YBR shared":     {set(base("YBR_FULL_422", 1, 2, 3, 8), 10, 20, 128, 128), []byte{10, 10, 10, 20, 20, 20}},
		"YBR not shared": {set(base("YBR_FULL_422", 1, 2, 3, 8), 10, 128, 128, 20, 128, 128), []byte{10, 10, 10, 20, 20, 20}},
		"YBR partial":    {set(base("YBR_PARTIAL_422", 1, 2, 3, 8), 16, 235, 128, 128), []byte{0, 0, 0, 255, 255, 255}},
		"reversible":     {set(base("YBR_RCT", 1, 1, 3, 8), 1, 2, 3), []byte{1, 2, 3}},
	} {
		m := decode(t, c.d)
		if !bytes.Equal(m.RGB, c.want) || m.Gray != nil || m.Window != nil {
			t.Errorf("%s: %v, want %v", name, m.RGB, c.want)
		}
		if got := m.RGBA(nil, nil); len(got) != 4*m.Width || got[1] != c.want[1] || got[3] != 255 {
			t.Errorf("%s is shown as %v", name, got)
		}
	}
	for name, d := range map[string]*dicom.Dataset{
		"an unknown interpretation": set(base("HSV", 1, 1, 3, 8), 1, 2, 3),
		"four samples":              set(base("CMYK", 1, 1, 4, 8), 1, 2, 3, 4),
		"two samples":               set(base("RGB", 1, 1, 2, 8), 1, 2),
		"odd columns that share":    set(base("YBR_FULL_422", 2, 1, 3, 8), 1, 2, 3, 4),
	} {
		if _, err := picture.Decode(d, 0); !errors.Is(err, picture.ErrUnsupported) && !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// indexed is a row of palette indices with tables of the given bits.
func indexed(bits int, first int, r, g, b []byte, n int, pixels ...byte) *dicom.Dataset {
	d := base("PALETTE COLOR", 1, len(pixels), 1, 8)
	for i, v := range [][]byte{r, g, b} {
		d.SetInts(dicom.RedPaletteDescriptor+dicom.Tag(i), dicom.US, n, first, bits)
		d.SetBytes(dicom.RedPaletteData+dicom.Tag(i), dicom.OW, v)
	}
	d.SetBytes(dicom.PixelData, dicom.OB, pixels)
	return d
}

func TestPalette(t *testing.T) {
	for name, c := range map[string]struct {
		d    *dicom.Dataset
		want []byte
	}{
		"8 bits":          {indexed(8, 0, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}, 2, 0, 1, 9), []byte{1, 3, 5, 2, 4, 6, 2, 4, 6}},
		"8 bits in words": {indexed(8, 0, le(1, 2), le(3, 4), le(5, 6), 2, 0, 1), []byte{1, 3, 5, 2, 4, 6}},
		"16 bits":         {indexed(16, 0, le(0x1100, 0x22FF), le(0x3300, 0x4400), le(0x5500, 0x6600), 2, 0, 1), []byte{0x11, 0x33, 0x55, 0x22, 0x44, 0x66}},
		"16, meaning 8":   {indexed(16, 0, le(1, 2), le(3, 4), le(5, 6), 2, 0, 1), []byte{1, 3, 5, 2, 4, 6}},
		"from 10":         {indexed(8, 10, []byte{1, 2}, []byte{3, 4}, []byte{5, 6}, 2, 0, 10, 11), []byte{1, 3, 5, 1, 3, 5, 2, 4, 6}},
	} {
		if m := decode(t, c.d); !bytes.Equal(m.RGB, c.want) {
			t.Errorf("%s: %v, want %v", name, m.RGB, c.want)
		}
	}
	d := indexed(16, 0, le(1), le(2), le(3), 1, 0)
	d.Delete(dicom.RedPaletteData)
	if _, err := picture.Decode(d, 0); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("a table that is missing: %v", err)
	}
}

// PixelSpacing counts before the detector's and the film's; rows come first in the file.
func TestSpacing(t *testing.T) {
	d := grey(false, 1, 2)
	for _, c := range []struct {
		tag   dicom.Tag
		value []float64
		want  [2]float64
		of    picture.SpacingPlace
		ratio float64
	}{
		{0, nil, [2]float64{}, "", 1},
		{dicom.PixelAspectRatio, []float64{3, 2}, [2]float64{}, "", 1.5},
		{dicom.NominalScannedPixelSpacing, []float64{0.4, 0.2}, [2]float64{0.2, 0.4}, picture.OnFilm, 2},
		{dicom.ImagerPixelSpacing, []float64{0.1, 0.2}, [2]float64{0.2, 0.1}, picture.AtDetector, 0.5},
		{dicom.PixelSpacing, []float64{0, 0.7}, [2]float64{0.2, 0.1}, picture.AtDetector, 0.5}, // impossible
		{dicom.PixelSpacing, []float64{0.7, 0.7}, [2]float64{0.7, 0.7}, picture.InPatient, 1},
	} {
		if c.tag != 0 {
			d.SetFloats(c.tag, dicom.DS, c.value...)
		}
		if m := decode(t, d); m.Spacing != c.want || m.SpacingOf != c.of || m.Aspect != c.ratio {
			t.Errorf("%v %v: spacing %v of %q, ratio %v", c.tag, c.value, m.Spacing, m.SpacingOf, m.Aspect)
		}
	}
}

// A frame of an enhanced image has its own window and values; there is no frame beyond the last.
func TestFrames(t *testing.T) {
	d := base("MONOCHROME2", 1, 2, 1, 8)
	d.SetInts(dicom.NumberOfFrames, dicom.IS, 2)
	d.SetBytes(dicom.PixelData, dicom.OB, []byte{1, 2, 3, 4})
	var groups []*dicom.Dataset
	for i := range 2 {
		values, own := &dicom.Dataset{}, &dicom.Dataset{}
		values.SetFloats(dicom.RescaleSlope, dicom.DS, float64(10*(i+1)))
		values.SetFloats(dicom.WindowCenter, dicom.DS, float64(i))
		values.SetFloats(dicom.WindowWidth, dicom.DS, 5)
		own.SetSequence(0x00289145, values)
		groups = append(groups, own)
	}
	d.SetSequence(dicom.PerFrameFunctionalGroupsSequence, groups...)
	for i, want := range [][]float32{{10, 20}, {60, 80}} {
		m, err := picture.Decode(d, i)
		if err != nil || !slices.Equal(m.Gray, want) || m.Window.Center != float64(i) {
			t.Errorf("frame %d: %+v, %v", i, m, err)
		}
	}
	for _, n := range []int{-1, 2} {
		if _, err := picture.Decode(d, n); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("frame %d: %v", n, err)
		}
	}
}

func TestRefused(t *testing.T) {
	huge := base("MONOCHROME2", 65535, 65535, 1, 8)
	huge.SetBytes(dicom.PixelData, dicom.OB, []byte{1})
	if _, err := picture.Decode(huge, 0); !errors.Is(err, picture.ErrTooLarge) {
		t.Errorf("a huge picture: %v", err)
	}
	if _, err := picture.Decode(&dicom.Dataset{}, 0); !errors.Is(err, dicom.ErrNoPixelData) {
		t.Errorf("a report: %v", err)
	}
	short := base("RGB", 2, 2, 3, 8)
	short.SetBytes(dicom.PixelData, dicom.OB, make([]byte, 11))
	if _, err := picture.Decode(short, 0); !errors.Is(err, dicom.ErrTruncated) {
		t.Errorf("a cut picture: %v", err)
	}
}
