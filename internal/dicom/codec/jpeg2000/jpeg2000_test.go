//go:build cgo

package jpeg2000_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/codectest"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpeg2000"
)

// Of 1 to 24 bits, signed and unsigned, with tiles, with and without colour transform, in JP2 files, in every style of
// code blocks. OpenJPEG has encoded them.
func TestDecode(t *testing.T) {
	for _, m := range codectest.Images(t) {
		t.Run(m.Name, func(t *testing.T) {
			got, err := jpeg2000.Decode(m.Stream, m.Want())
			switch kind, _, _ := strings.Cut(m.Name, "-"); kind {
			case "subsampled", "mixed":
				if !errors.Is(err, codec.ErrUnsupported) || !strings.Contains(err.Error(), "component") {
					t.Errorf("it says: %v", err)
				}
			default:
				if err != nil {
					t.Fatal(err)
				}
				m.Check(t, got)
			}
		})
	}
}

func TestAnotherSizeIsRefusedBeforeMemoryIsTaken(t *testing.T) {
	m := codectest.Find(t, "rgb-3x8bit")
	for _, w := range []codec.Want{{Width: 24, Height: 17, Components: 3}, {Width: 23, Height: 16, Components: 3}, {Width: 23, Height: 17, Components: 1}, {}} {
		_, err := jpeg2000.DecodeTo(m.Stream, w, func(int) ([]byte, error) {
			t.Errorf("memory was asked for")
			return nil, codec.ErrLimit
		})
		if !errors.Is(err, codec.ErrMismatch) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	stop := errors.New("no memory")
	if _, err := jpeg2000.DecodeTo(m.Stream, m.Want(), func(int) ([]byte, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Errorf("without memory: %v", err)
	}
}

// A picture of what is there of an image would be a wrong one.
func TestCutShort(t *testing.T) {
	for _, name := range []string{"unsigned-1x12bit", "tiles-1x12bit", "tiles-rgb-3x8bit", "jp2-1x12bit", "termall-1x12bit"} {
		m := codectest.Find(t, name)
		for n := range len(m.Stream) - 2 { // the last two are the mark of the end
			_, err := jpeg2000.Decode(m.Stream[:n], m.Want())
			if !errors.Is(err, codec.ErrTruncated) && !errors.Is(err, codec.ErrCorrupt) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(m.Stream), err)
			}
		}
	}
}

// tilePart finds the n-th tile-part of a codestream.
func tilePart(t *testing.T, b []byte, n int) (from, to int) {
	t.Helper()
	from = bytes.Index(b, []byte{0xff, 0x90, 0, 10})
	for ; ; n-- {
		to = from + int(binary.BigEndian.Uint32(b[from+6:]))
		if n == 0 {
			return from, to
		}
		from = to
	}
}

func TestDamaged(t *testing.T) {
	plain, tiles := codectest.Find(t, "unsigned-1x12bit"), codectest.Find(t, "tiles-1x12bit")
	jp2 := codectest.Find(t, "jp2-1x12bit")
	siz := func(offset int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[offset:], v); return b }
	}
	for _, test := range []struct {
		name string
		of   codectest.Image
		with func(b []byte) []byte
		want error
		says string
	}{
		{"no image", plain, func([]byte) []byte { return []byte("a text that is no image") }, codec.ErrCorrupt, "starts with SOC"},
		{"nothing", plain, func([]byte) []byte { return nil }, codec.ErrTruncated, ""},
		{"a tile is missing", tiles, func(b []byte) []byte {
			from, to := tilePart(t, b, 2)
			return append(b[:from], b[to:]...)
		}, codec.ErrTruncated, "1 of its 9 tiles are missing"},
		{"a tile-part without a length, the end gone", plain, func(b []byte) []byte {
			from, _ := tilePart(t, b, 0)
			binary.BigEndian.PutUint32(b[from+6:], 0)
			return b[:len(b)-40]
		}, codec.ErrTruncated, "ends in its last tile"},
		{"a tile-part without a length", plain, func(b []byte) []byte {
			from, _ := tilePart(t, b, 0)
			binary.BigEndian.PutUint32(b[from+6:], 0)
			return b
		}, nil, ""},
		{"a tile that is not there", tiles, func(b []byte) []byte { from, _ := tilePart(t, b, 0); b[from+5] = 9; return b }, codec.ErrCorrupt, "tile 10 of 9"},
		{"too short a tile-part", plain, func(b []byte) []byte {
			from, _ := tilePart(t, b, 0)
			binary.BigEndian.PutUint32(b[from+6:], 13)
			return b
		}, codec.ErrCorrupt, "13 bytes"},
		{"padded", plain, func(b []byte) []byte { return append(b, 0) }, nil, ""},
		{"without the mark of the end", plain, func(b []byte) []byte { return b[:len(b)-2] }, nil, ""},
		{"a SIZ that is longer than the codestream", plain, func(b []byte) []byte { b[4], b[5] = 0xff, 0xff; return b }, codec.ErrTruncated, "main header"},
		{"tiles of no size", plain, siz(24, 0), codec.ErrCorrupt, "contradict"},
		{"tiles of 1x17", plain, siz(24, 1), codec.ErrTruncated, "22 of its 23 tiles are missing"},
		{"4 billion tiles", plain, func(b []byte) []byte {
			copy(b[8:], bytes.Repeat([]byte{0, 0, 0xff, 0}, 2))
			copy(b[24:], bytes.Repeat([]byte{0, 0, 0, 1}, 2))
			return b
		}, codec.ErrCorrupt, "tiles"},
		{"a size of 4 billion", plain, siz(8, 0xffffffff), codec.ErrMismatch, "4294967295x17"},
		{"38 bits", plain, func(b []byte) []byte { b[42] = 37; return b }, codec.ErrUnsupported, "38 bits"},
		{"a JP2 file with a palette", jp2, func(b []byte) []byte { return bytes.Replace(b, []byte("colr"), []byte("pclr"), 1) }, codec.ErrUnsupported, "palette"},
		{"a JP2 file without a codestream", jp2, func(b []byte) []byte { return bytes.Replace(b, []byte("jp2c"), []byte("free"), 1) }, codec.ErrTruncated, "without a codestream"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := jpeg2000.Decode(test.with(bytes.Clone(test.of.Stream)), test.of.Want())
			if !errors.Is(err, test.want) || test.want != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says: %v", err)
			}
		})
	}
}
