package dicom_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// segmented is an image whose three palettes are the same segmented one.
func segmented(entries, bits int, data []byte) *dicom.Dataset {
	d := &dicom.Dataset{}
	for i := range dicom.Tag(3) {
		d.SetInts(dicom.RedPaletteDescriptor+i, dicom.US, entries, 0, bits)
		d.SetBytes(dicom.SegmentedRedPaletteData+i, dicom.OW, data)
	}
	return d
}

func words(v ...int) (out []byte) {
	for _, n := range v {
		out = append(out, le16(n)...)
	}
	return out
}

// Segmented palettes (PS3.3 C.7.9.2) are expanded as pydicom does.
func TestSegmentedPalette(t *testing.T) {
	want := []uint16{10, 20, 30, 35, 40, 45, 50, 7, 9, 10, 20, 30, 35, 40, 45, 50, 33, 17, 0}
	for bits, data := range map[int][]byte{
		16: words(0, 3, 10, 20, 30, 1, 4, 50, 0, 2, 7, 9, 2, 2, 0, 0, 1, 3, 0),
		8:  {0, 3, 10, 20, 30, 1, 4, 50, 0, 2, 7, 9, 2, 2, 0, 0, 0, 0, 1, 3, 0},
	} {
		got, err := segmented(len(want), bits, data).Palette()
		if err != nil || !slices.Equal(got[0].Entries, want) || !slices.Equal(got[2].Entries, want) || got[1].Bits != bits {
			t.Errorf("%d bits: %v, %v", bits, got[0], err)
		}
		// A table that is full ends what is left over; one that stays short is no table.
		if got, err := segmented(5, bits, data).Palette(); err != nil || !slices.Equal(got[0].Entries, want[:5]) {
			t.Errorf("%d bits, cut: %v", bits, err)
		}
		if _, err := segmented(256, bits, data).Palette(); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("%d bits, too short: %v", bits, err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing":             nil,
		"a cut segment":       words(0, 9, 1, 2),
		"a line from nowhere": words(1, 9, 5),
		"a cut line":          words(0, 1, 5, 1, 9),
		"an unknown kind":     words(3, 1, 5),
		"a copy of itself":    words(2, 65535, 0, 0),
		"a copy of a copy":    words(0, 1, 5, 2, 1, 0, 0, 2, 2, 6, 0),
		"a copy from beyond":  words(0, 1, 5, 2, 1, 5000, 0),
		"a cut copy":          words(0, 1, 5, 2, 1, 0),
	} {
		if _, err := segmented(65536&0xFFFF, 16, data).Palette(); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Segments that make nothing end as well, however often they are copied.
func TestEmptySegments(t *testing.T) {
	data := words(0, 1, 5)
	for range 2000 {
		data = append(data, words(2, 65535, 0, 0)...)
	}
	data = append(data, make([]byte, 1<<18)...) // discrete segments of no entries
	for i := 6; i+8 <= 16006; i += 8 {
		copy(data[i+4:], le32(16006)) // copy them all
	}
	if _, err := segmented(65536&0xFFFF, 16, data).Palette(); !errors.Is(err, dicom.ErrLimit) {
		t.Errorf("a palette of empty segments: %v", err)
	}
}

func TestLookUpTables(t *testing.T) {
	d := &dicom.Dataset{}
	if l, err := d.ModalityLUT(); l != nil || err != nil {
		t.Errorf("no table: %v, %v", l, err)
	}
	item := &dicom.Dataset{}
	item.SetInts(dicom.LUTDescriptor, dicom.US, 3, 0xFFFF, 12)
	item.SetBytes(dicom.LUTData, dicom.OW, words(5, 6, 4095))
	item.SetString(dicom.LUTExplanation, dicom.LO, "film")
	d.SetSequence(dicom.ModalityLUTSequence, item)
	d.SetSequence(dicom.VOILUTSequence, item, item)
	for signed, first := range map[int]int{0: 65535, 1: -1} {
		d.SetInts(dicom.PixelRepresentation, dicom.US, signed)
		l, err := d.ModalityLUT()
		if err != nil || l.First != first || l.Bits != 12 || l.Max() != 4095 || l.Explanation != "film" {
			t.Fatalf("%+v, %v", l, err)
		}
		for i, want := range []int{5, 5, 6, 4095, 4095} {
			if got := l.At(first + i - 1); got != want {
				t.Errorf("at %d: %d, want %d", first+i-1, got, want)
			}
		}
	}
	voi, err := d.VOILUTs(true)
	if err != nil || len(voi) != 2 || voi[1].First != -1 {
		t.Errorf("%v, %v", voi, err)
	}
	// A table of 65536 entries is written as 0; entries with more bits than they say have 16.
	item.SetInts(dicom.LUTDescriptor, dicom.US, 0, 0, 8)
	item.SetBytes(dicom.LUTData, dicom.OW, make([]byte, 1<<17))
	item.Bytes(dicom.LUTData)[1] = 1
	if l, err := d.ModalityLUT(); err != nil || len(l.Entries) != 65536 || l.Bits != 16 {
		t.Errorf("the longest table: %v", err)
	}
}
