package dicom_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// image is a data set with pixels of 16 bits.
func image(rows, columns, frames int, pixels []byte) *dicom.Dataset {
	d := sourcetest.Slice("1.2.3", "1.2.3.4", 1)
	d.SetInts(dicom.Rows, dicom.US, rows)
	d.SetInts(dicom.Columns, dicom.US, columns)
	if frames > 0 {
		d.SetInts(dicom.NumberOfFrames, dicom.IS, frames)
	}
	d.SetInts(dicom.BitsStored, dicom.US, 16)
	d.SetInts(dicom.HighBit, dicom.US, 15)
	d.SetBytes(dicom.PixelData, dicom.OW, pixels)
	return d
}

func TestFormatFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*dicom.Dataset)
		tag    dicom.Tag
	}{
		"no rows":                  {func(d *dicom.Dataset) { d.Delete(dicom.Rows) }, dicom.Rows},
		"zero columns":             {func(d *dicom.Dataset) { d.SetInts(dicom.Columns, dicom.US, 0) }, dicom.Columns},
		"rows of text":             {func(d *dicom.Dataset) { d.SetString(dicom.Rows, dicom.LO, "many") }, dicom.Rows},
		"no bits":                  {func(d *dicom.Dataset) { d.Delete(dicom.BitsAllocated) }, dicom.BitsAllocated},
		"12 bits allocated":        {func(d *dicom.Dataset) { d.SetInts(dicom.BitsAllocated, dicom.US, 12) }, dicom.BitsAllocated},
		"more stored than there":   {func(d *dicom.Dataset) { d.SetInts(dicom.BitsStored, dicom.US, 17) }, dicom.BitsStored},
		"nothing stored":           {func(d *dicom.Dataset) { d.SetInts(dicom.BitsStored, dicom.US, 0) }, dicom.BitsStored},
		"high bit outside":         {func(d *dicom.Dataset) { d.SetInts(dicom.HighBit, dicom.US, 16) }, dicom.BitsStored},
		"high bit below":           {func(d *dicom.Dataset) { d.SetInts(dicom.HighBit, dicom.US, 7) }, dicom.BitsStored},
		"no frames":                {func(d *dicom.Dataset) { d.SetInts(dicom.NumberOfFrames, dicom.IS, 0) }, dicom.NumberOfFrames},
		"frames without end":       {func(d *dicom.Dataset) { d.SetInts(dicom.NumberOfFrames, dicom.IS, 1<<40) }, dicom.NumberOfFrames},
		"frames of text":           {func(d *dicom.Dataset) { d.SetString(dicom.NumberOfFrames, dicom.IS, "some") }, dicom.NumberOfFrames},
		"too many samples a pixel": {func(d *dicom.Dataset) { d.SetInts(dicom.SamplesPerPixel, dicom.US, 5) }, dicom.SamplesPerPixel},
	} {
		d := image(4, 4, 0, make([]byte, 32))
		c.change(d)
		var fault *dicom.Error
		if _, err := d.PixelFormat(); !errors.Is(err, dicom.ErrCorrupt) || !errors.As(err, &fault) || fault.Tag != c.tag {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.Frame(0); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("%s: a frame: %v", name, err)
		}
	}
	d := image(4, 4, 0, make([]byte, 32))
	d.SetString(dicom.NumberOfFrames, dicom.IS, "")
	if f, err := d.PixelFormat(); err != nil || f.Frames != 1 {
		t.Errorf("an empty number of frames: %+v, %v", f, err)
	}
	report := &dicom.Dataset{}
	if _, err := report.Frame(0); !errors.Is(err, dicom.ErrNoPixelData) {
		t.Errorf("a report: %v", err)
	}
	d.Delete(dicom.PixelData)
	if _, err := d.Frame(0); !errors.Is(err, dicom.ErrNoPixelData) {
		t.Errorf("an image whose pixels are missing: %v", err)
	}
}

func TestNativeFrames(t *testing.T) {
	d := image(2, 2, 3, []byte("aabbccddAABBCCDD11223344"))
	for n, want := range []string{"aabbccdd", "AABBCCDD", "11223344"} {
		if got, err := d.Frame(n); err != nil || string(got) != want {
			t.Errorf("frame %d: %q, %v", n, got, err)
		}
	}
	for _, n := range []int{-1, 3, 1 << 40} {
		if _, err := d.Frame(n); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("frame %d: %v", n, err)
		}
	}
	short := image(2, 2, 3, []byte("aabbccddAABBCCD"))
	if _, err := short.Frame(1); !errors.Is(err, dicom.ErrTruncated) || !strings.Contains(err.Error(), "(7FE0,0010)") {
		t.Errorf("a frame that is cut: %v", err)
	}
	// A header that promises the largest image there is does not make anyone reserve memory for it.
	huge := image(65535, 65535, 1<<20, make([]byte, 16))
	huge.SetInts(dicom.BitsAllocated, dicom.US, 64)
	for _, n := range []int{0, 1<<20 - 1} {
		if _, err := huge.Frame(n); !errors.Is(err, dicom.ErrTruncated) {
			t.Errorf("the largest image: %v", err)
		}
	}
	d.TransferSyntax = "1.2.840.10008.1.2.4.70"
	if _, err := d.Frame(0); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("native pixels under a compressed syntax: %v", err)
	}
	if err := func() error { _, err := short.Frame(2); return err }(); !strings.Contains(err.Error(), "need 24 bytes, there are 15") {
		t.Errorf("how much is there: %v", err)
	}
}

// Fragments belong to frames by their number, else by the offset table.
func TestFragments(t *testing.T) {
	table := func(offsets ...int) (v []byte) {
		for _, o := range offsets {
			v = binary.LittleEndian.AppendUint32(v, uint32(o))
		}
		return v
	}
	a, b, c := []byte("aabbccdd"), []byte("AABB"), []byte("CCDD")
	for name, x := range map[string]struct {
		frames    int
		fragments [][]byte
		want      []string // empty: an error
	}{
		"one":                       {1, [][]byte{nil, a}, []string{"aabbccdd"}},
		"one in parts":              {1, [][]byte{nil, b, c}, []string{"AABBCCDD"}},
		"one for each":              {2, [][]byte{nil, a, cat(b, c)}, []string{"aabbccdd", "AABBCCDD"}},
		"by table":                  {2, [][]byte{table(0, 16), a, b, c}, []string{"aabbccdd", "AABBCCDD"}},
		"no table":                  {2, [][]byte{nil, a, b, c}, []string{"", ""}},
		"a table that is too short": {2, [][]byte{table(0), a, b, c}, []string{"", ""}},
		"a table that lies":         {2, [][]byte{table(0, 5000), a, b, c}, []string{"", ""}},
		"a table that runs back":    {2, [][]byte{table(28, 0), a, b, c}, []string{"", ""}},
		"too little":                {1, [][]byte{nil, b}, []string{""}},
		"no fragments":              {1, [][]byte{nil}, []string{""}},
		"not even a table":          {1, [][]byte{}, []string{""}},
	} {
		d := image(2, 2, x.frames, nil)
		d.TransferSyntax = dicom.EncapsulatedUncompressed
		d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: x.fragments})
		for n, want := range x.want {
			got, err := d.Frame(n)
			var fault *dicom.Error
			if want == "" && !errors.As(err, &fault) || want != "" && (err != nil || string(got) != want) {
				t.Errorf("%s, frame %d: %q, %v", name, n, got, err)
			}
		}
	}
}

// The extended offset table counts before the basic one, and the marks of compressed images before tables that lie.
func TestFrameStarts(t *testing.T) {
	table32 := func(offsets ...int) (v []byte) {
		for _, o := range offsets {
			v = append(v, le32(o)...)
		}
		return v
	}
	table64 := func(offsets ...int) (v []byte) {
		for _, o := range offsets {
			v = append(v, cat(le32(o), le32(0))...)
		}
		return v
	}
	plain := [][]byte{[]byte("aabb"), []byte("ccdd"), []byte("AABBCCDD")} // begin at 0, 12 and 24
	soi := func(s string) []byte { return []byte("\xFF\xD8\xFF" + s) }
	marked := [][]byte{soi("a"), []byte("more"), soi("b")} // at 0, 12 and 24
	for name, c := range map[string]struct {
		basic, extended []byte
		data            [][]byte
		want            []string // of two frames; nil: refused
	}{
		"basic":                      {table32(0, 24), nil, plain, []string{"aabbccdd", "AABBCCDD"}},
		"extended":                   {nil, table64(0, 24), plain, []string{"aabbccdd", "AABBCCDD"}},
		"extended before basic":      {table32(0, 12), table64(0, 24), plain, []string{"aabbccdd", "AABBCCDD"}},
		"basic where extended lies":  {table32(0, 24), table64(0, 25), plain, []string{"aabbccdd", "AABBCCDD"}},
		"marks":                      {nil, nil, marked, []string{"\xFF\xD8\xFFamore", "\xFF\xD8\xFFb"}},
		"marks where the table lies": {table32(0, 12), table64(0, 12), marked, []string{"\xFF\xD8\xFFamore", "\xFF\xD8\xFFb"}},
		"too many marks, a table":    {table32(0, 24), nil, [][]byte{soi("a"), soi("x"), soi("b")}, []string{"\xFF\xD8\xFFa\xFF\xD8\xFFx", "\xFF\xD8\xFFb"}},
		"too many marks, none":       {nil, nil, [][]byte{soi("a"), soi("x"), soi("b")}, nil},
		"no mark at the start":       {nil, nil, [][]byte{[]byte("xxxx"), soi("a"), soi("b")}, nil},
		"not from the start":         {table32(12, 24), nil, plain, nil},
		"not ascending":              {table32(0, 0), nil, plain, nil},
		"beyond":                     {table32(0, 1<<30), nil, plain, nil},
		"beyond all":                 {nil, bytes.Repeat([]byte{0xFF}, 16), plain, nil},
	} {
		d := image(2, 2, 2, nil)
		d.TransferSyntax = dicom.EncapsulatedUncompressed
		d.SetInts(dicom.Columns, dicom.US, 1)
		if c.extended != nil {
			d.SetBytes(dicom.ExtendedOffsetTable, dicom.OV, c.extended)
		}
		d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: append([][]byte{c.basic}, c.data...)})
		for n := range 2 {
			got, err := d.Frame(n)
			if c.want == nil {
				if !errors.Is(err, dicom.ErrCorrupt) {
					t.Errorf("%s, frame %d: %q, %v", name, n, got, err)
				}
			} else if err != nil || string(got) != c.want[n][:4] { // decoding takes as much as it needs
				t.Errorf("%s, frame %d: %q, %v", name, n, got, err)
			}
		}
	}
}

// That nothing says where frames begin is found out once, not for each of a hostile number of frames.
func TestManyFragmentsWithoutStarts(t *testing.T) {
	const frames = 100_000
	d := image(2, 2, frames, nil)
	d.TransferSyntax = dicom.RLELossless
	d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: make([][]byte, frames+2)})
	for n := range frames {
		if _, err := d.Frame(n); !errors.Is(err, dicom.ErrCorrupt) {
			t.Fatalf("frame %d: %v", n, err)
		}
	}
}

// Frames of 1 bit samples follow each other without gaps (PS3.5 8.1.1).
func TestBitFrames(t *testing.T) {
	const rows, columns, frames = 3, 5, 4
	want := make([]int16, rows*columns*frames)
	raw := make([]byte, (len(want)+7)/8)
	for i := range want {
		want[i] = int16(i * i % 7 & 1)
		raw[i/8] |= byte(want[i]) << (i % 8)
	}
	d := image(rows, columns, frames, raw)
	for tag, n := range map[dicom.Tag]int{dicom.BitsAllocated: 1, dicom.BitsStored: 1, dicom.HighBit: 0} {
		d.SetInts(tag, dicom.US, n)
	}
	for n := range frames {
		got, f, err := d.DecodeFrame(n)
		if err != nil {
			t.Fatal(err)
		}
		out, floats := make([]int16, rows*columns), make([]float64, rows*columns)
		if !f.Int16s(out, got) || !f.Float64s(floats, got) {
			t.Fatal("not decoded")
		}
		for i, v := range out {
			if w := want[n*rows*columns+i]; v != w || floats[i] != float64(w) {
				t.Errorf("frame %d: sample %d is %d and %v, want %d", n, i, v, floats[i], w)
			}
		}
	}
	d.SetBytes(dicom.PixelData, dicom.OW, raw[:len(raw)-1])
	if _, err := d.Frame(frames - 1); !errors.Is(err, dicom.ErrTruncated) {
		t.Errorf("a cut frame: %v", err)
	}
}

// A transfer syntax that contradicts the pixel data is named, and damage behind whole pixels costs nothing.
func TestContradictions(t *testing.T) {
	d := image(2, 2, 0, nil)
	d.TransferSyntax = dicom.ExplicitVRLittleEndian
	d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, {0xFF, 0xD8}}})
	if _, err := d.Frame(0); !errors.Is(err, dicom.ErrCorrupt) || !strings.Contains(err.Error(), "is encapsulated") {
		t.Errorf("compressed pixels under a native syntax: %v", err)
	}
	d = image(2, 2, 0, nil)
	d.Delete(dicom.PixelData)
	d.SetBytes(dicom.FloatPixelData, dicom.OF, make([]byte, 16))
	if _, err := d.PixelFormat(); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("numbers of 16 bits: %v", err)
	}
	whole := write(t, image(2, 2, 0, []byte("aabbccdd")))
	for name, tail := range map[string][]byte{
		"cut":          exLength(dicom.DataSetTrailingPadding, "OB", 5000, []byte{1, 2}),
		"no sequence":  exLength(0x7FE10010, "SQ", 8, []byte("rubbish!")),
		"one byte":     {7},
		"stray a item": item([]byte{1, 2}),
	} {
		got := parse(t, cat(whole, tail))
		if frame, err := got.Frame(0); err != nil || string(frame) != "aabbccdd" || !strings.Contains(strings.Join(got.Warnings, ""), "behind the pixel data") {
			t.Errorf("%s: %q, %v, %q", name, frame, err, got.Warnings)
		}
	}
	short := image(2, 2, 0, []byte("aabbccd"))
	if _, err := dicom.Parse(cat(write(t, short)[:0], write(t, image(2, 2, 2, []byte("aabbccdd"))), []byte{7}), dicom.Options{}); !errors.Is(err, dicom.ErrTruncated) {
		t.Errorf("damage behind pixels that are cut: %v", err)
	}
	// The byte order that the data has counts, not the one that is said.
	big := []byte("\x00\x08\x00\x60CS\x00\x02CT\x00\x28\x00\x10US\x00\x02\x00\x04")
	little := cat(ex(dicom.Modality, "CS", []byte("CT")), ex(dicom.Rows, "US", le16(4)))
	for _, c := range []struct {
		said, is string
		body     []byte
	}{{dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian, big}, {dicom.ExplicitVRBigEndian, dicom.ExplicitVRLittleEndian, little}, {dicom.ImplicitVRLittleEndian, dicom.ExplicitVRBigEndian, big}} {
		got := parse(t, file(c.said, c.body))
		if n, _ := got.Int(dicom.Rows); n != 4 || got.TransferSyntax != c.is || len(got.Warnings) == 0 {
			t.Errorf("%s under %s: %d rows, read as %s", c.is, c.said, n, got.TransferSyntax)
		}
	}
}

// rle packs bytes as single literals and runs (PS3.5 G.3.1).
func rle(segments ...[]byte) []byte {
	head, body := le32(len(segments)), []byte{}
	for _, s := range segments {
		head = append(head, le32(64+len(body))...)
		for len(s) > 0 {
			n := 1
			for n < len(s) && n < 128 && s[n] == s[0] {
				n++
			}
			if n > 1 {
				body = append(body, byte(1-n), s[0])
			} else {
				body = append(body, 0, s[0])
			}
			s = s[n:]
		}
		if len(body)%2 == 1 {
			body = append(body, 0x80)
		}
	}
	return append(append(head, make([]byte, 64-len(head))...), body...)
}

func TestRLE(t *testing.T) {
	high, low := bytes.Repeat([]byte{1, 1, 2, 7}, 100), bytes.Repeat([]byte{9}, 400)
	want := make([]byte, 0, 800)
	for i := range high {
		want = append(want, low[i], high[i])
	}
	frame := rle(high, low)
	decode := func(frame []byte) ([]byte, error) {
		d := image(20, 20, 0, nil)
		d.TransferSyntax = dicom.RLELossless
		d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, frame}})
		return d.Frame(0)
	}
	if got, err := decode(frame); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v, %d bytes", err, len(got))
	}
	for n := range frame {
		got, err := decode(frame[:n])
		if err != nil && !errors.Is(err, dicom.ErrCorrupt) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("cut at byte %d: %v", n, err)
		}
	}
	for i := range frame { // no byte of the header makes it read elsewhere
		for _, v := range []byte{0, 1, 0x7F, 0x80, 0xFF} {
			changed := bytes.Clone(frame)
			changed[i] = v
			if got, err := decode(changed); err == nil && len(got) != len(want) {
				t.Errorf("byte %d as %d: %d bytes", i, v, len(got))
			}
		}
	}
	colour := image(1, 2, 0, nil)
	colour.TransferSyntax = dicom.RLELossless
	colour.SetInts(dicom.SamplesPerPixel, dicom.US, 3)
	for tag, n := range map[dicom.Tag]int{dicom.BitsAllocated: 8, dicom.BitsStored: 8, dicom.HighBit: 7} {
		colour.SetInts(tag, dicom.US, n)
	}
	colour.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, rle([]byte("rR"), []byte("gG"), []byte("bB"))}})
	for planar, want := range []string{"rgbRGB", "rRgGbB"} {
		colour.SetInts(dicom.PlanarConfiguration, dicom.US, planar)
		if got, err := colour.Frame(0); err != nil || string(got) != want {
			t.Errorf("colour by planes %d: %q, %v", planar, got, err)
		}
	}
}

// A syntax that this build cannot decode is refused by its name, and with what to do.
func TestSyntaxes(t *testing.T) {
	for uid, advice := range map[string]string{
		"1.2.840.10008.1.2.4.80":  "without cgo",
		"1.2.840.10008.1.2.4.90":  "without cgo",
		"1.2.840.10008.1.2.4.201": "without cgo",
		"1.2.840.10008.1.2.4.94":  "on another server",
		"1.2.840.10008.1.2.4.100": "video",
		"1.2.840.10008.1.2.4.110": "JPEG XL",
		"1.2.3.4.5":               "re-export",
	} {
		err := dicom.UnsupportedSyntax(uid)
		if !errors.Is(err, dicom.ErrUnsupportedTransferSyntax) || !strings.Contains(err.Error(), dicom.SyntaxName(uid)) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: %v", uid, err)
		}
		if dicom.Decodable(uid) {
			continue
		}
		d := image(2, 2, 0, nil)
		d.TransferSyntax = uid
		d.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, {1, 2}}})
		if _, got := d.Frame(0); got == nil || got.Error() != err.Error() {
			t.Errorf("%s: a frame: %v", uid, got)
		}
	}
	for _, uid := range []string{"", dicom.ImplicitVRLittleEndian, dicom.ExplicitVRBigEndian, dicom.RLELossless, dicom.EncapsulatedUncompressed} {
		if !dicom.Decodable(uid) {
			t.Errorf("%q does not count as decodable", uid)
		}
	}
	if dicom.Decodable("1.2.840.10008.1.2.4.100") {
		t.Error("a video counts as decodable")
	}
	if !strings.Contains(dicom.SyntaxName("1.2.3"), "unknown") {
		t.Error("an unknown syntax is not called so")
	}
}

func TestUIDFromName(t *testing.T) {
	a, b := dicom.UIDFromName("a"), dicom.UIDFromName("b")
	if a == b || a != dicom.UIDFromName("a") || !strings.HasPrefix(a, "2.25.") || len(a) > 64 {
		t.Errorf("%s, %s", a, b)
	}
}
