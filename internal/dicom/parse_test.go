package dicom_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

const privateSequence dicom.Tag = 0x00091010

// Sequences of every encoding hold the same.
func TestSequences(t *testing.T) {
	id, name := ex(dicom.PatientID, "LO", []byte("A1")), ex(dicom.PatientName, "PN", []byte("B^"))
	idI, nameI := im(dicom.PatientID, []byte("A1")), im(dicom.PatientName, []byte("B^"))
	const seq dicom.Tag = 0x00081140 // ReferencedImageSequence
	for name, body := range map[string][]byte{
		"lengths":                          ex(seq, "SQ", cat(item(id), item(name))),
		"delimiters":                       openSequence(seq, "SQ", openItem(id), openItem(name)),
		"lengths within delimiters":        openSequence(seq, "SQ", item(id), item(name)),
		"delimiters within lengths":        ex(seq, "SQ", cat(openItem(id), openItem(name))),
		"UN without length":                openSequence(seq, "UN", openItem(idI), openItem(nameI)),
		"UN with length":                   ex(seq, "UN", cat(item(idI), item(nameI))),
		"implicit items in explicit":       ex(seq, "SQ", cat(item(idI), item(nameI))),
		"explicit items in UN":             openSequence(seq, "UN", openItem(id), openItem(name)),
		"no representation, no length":     openImplicit(seq, openItem(idI), openItem(nameI)),
		"private without length":           openSequence(privateSequence, "UN", openItem(idI), openItem(nameI)),
		"a sequence end that has a length": openSequence(seq, "SQ", openItem(id), openItem(name, im(0x0020000D, nil))),
	} {
		d := parse(t, file(dicom.ExplicitVRLittleEndian, ex(dicom.Modality, "CS", []byte("CT")), body, ex(dicom.Rows, "US", le16(4))))
		tag := seq
		if strings.HasPrefix(name, "private") {
			tag = privateSequence
		}
		items := d.Sequence(tag)
		if len(items) != 2 || items[0].String(dicom.PatientID) != "A1" || items[1].PersonName(dicom.PatientName).Alphabetic.Family != "B" {
			t.Errorf("%s: items %+v", name, items)
		}
		if n, ok := d.Int(dicom.Rows); !ok || n != 4 {
			t.Errorf("%s: what stands behind the sequence was lost", name)
		}
	}
}

// What deviates from the standard and has one meaning all the same is read.
func TestTolerated(t *testing.T) {
	modality, rows := ex(dicom.Modality, "CS", []byte("CT")), ex(dicom.Rows, "US", le16(4))
	const explicit = dicom.ExplicitVRLittleEndian
	for name, c := range map[string]struct {
		data    []byte
		warning string
	}{
		"no preamble":                      {file(explicit, modality, rows)[128:], "no preamble"},
		"no preamble and no mark":          {file(explicit, modality, rows)[132:], "no preamble"},
		"data set alone, explicit":         {cat(modality, rows), "no file meta information"},
		"data set alone, implicit":         {cat(im(dicom.Modality, []byte("CT")), im(dicom.Rows, le16(4))), "no file meta information"},
		"data set alone, big endian":       {cat([]byte("\x00\x08\x00\x60CS\x00\x02CT"), []byte("\x00\x28\x00\x10US\x00\x02\x00\x04")), "no file meta information"},
		"preamble but no meta":             {cat(make([]byte, 128), []byte("DICM"), modality, rows), "no file meta information"},
		"implicit under explicit":          {file(explicit, im(dicom.Modality, []byte("CT")), im(dicom.Rows, le16(4))), "not encoded as its transfer syntax says"},
		"explicit under implicit":          {file(dicom.ImplicitVRLittleEndian, modality, rows), "not encoded as its transfer syntax says"},
		"elements out of order":            {file(explicit, rows, modality), "out of order"},
		"doubled element, the last counts": {file(explicit, ex(dicom.Modality, "CS", []byte("MR")), modality, rows), "doubled"},
		"stray item delimiter":             {file(explicit, modality, im(itemDelimiterTag, nil), rows), "stray item"},
		"stray sequence delimiter":         {file(explicit, modality, im(sequenceDelimiterTag, nil), rows), "stray sequence"},
		"zeros behind":                     {file(explicit, modality, rows, make([]byte, 37)), ""},
		"odd length":                       {file(explicit, modality, ex(dicom.PatientID, "LO", []byte("odd")), rows), ""},
		"unknown representation, long":     {file(explicit, modality, cat(tagBytes(0x00091001), []byte("ZZ\x00\x00"), le32(2), []byte("ab")), rows), ""},
		"unknown representation, short":    {file(explicit, modality, cat(tagBytes(0x00091001), []byte("??"), le16(2), []byte("ab")), rows), ""},
		"implicit element among explicit":  {file(explicit, modality, im(0x00091001, []byte("ab")), rows), ""},
		"wrong meta group length": {cat(make([]byte, 128), []byte("DICM"), ex(dicom.FileMetaInformationGroupLength, "UL", le32(9999)),
			ex(dicom.TransferSyntaxUID, "UI", []byte(explicit+"\x00")), modality, rows), ""},
	} {
		d, err := dicom.Parse(c.data, dicom.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n, ok := d.Int(dicom.Rows); !ok || n != 4 || d.String(dicom.Modality) != "CT" {
			t.Errorf("%s: %d rows of %q", name, n, d.String(dicom.Modality))
		}
		if all := strings.Join(d.Warnings, "; "); !strings.Contains(all, c.warning) || c.warning == "" && all != "" {
			t.Errorf("%s: warnings %q, want %q", name, all, c.warning)
		}
	}
	d := parse(t, file(explicit, modality, exLength(0x00091001, "UN", 3, []byte{7, 8, 9}), rows))
	if !bytes.Equal(d.Bytes(0x00091001), []byte{7, 8, 9}) {
		t.Errorf("a private value of odd length became %v", d.Bytes(0x00091001))
	}
	if d := parse(t, file(explicit, ex(dicom.Rows, "UN", le16(4)))); d.Get(dicom.Rows).VR != dicom.US {
		t.Error("a known element sent as UN has no representation")
	}
	damaged := []byte("no sequence at all")
	if d := parse(t, file(explicit, ex(0x00081140, "UN", damaged))); !bytes.Equal(d.Bytes(0x00081140), damaged) {
		t.Error("a sequence sent as UN that cannot be read is not kept as bytes")
	}
}

// Every cut of a file is an error, or leaves what stood before the cut; nothing is invented.
func TestTruncated(t *testing.T) {
	short := rich()
	short.SetString(0x00080119, dicom.UC, "short")
	whole := write(t, short)
	ends := map[int]bool{len(whole): true}
	for _, e := range parse(t, whole).Elements {
		ends[int(e.Offset)] = true
	}
	for n := range whole {
		d, err := dicom.Parse(whole[:n], dicom.Options{})
		switch {
		case err == nil && !ends[n]:
			// Zeros cannot be told from trailing padding.
			if tail := whole[int(d.Elements[len(d.Elements)-1].Offset)+8 : n]; n < 300 || len(bytes.Trim(tail[max(0, len(tail)-7):], "\x00")) > 0 {
				t.Errorf("cut at byte %d: no error", n)
			}
		case err != nil && !errors.Is(err, dicom.ErrTruncated) && !errors.Is(err, dicom.ErrNotDICOM):
			t.Errorf("cut at byte %d: %v", n, err)
		}
		if _, ferr := d.Frame(0); err == nil && ferr == nil && n < len(whole) {
			t.Errorf("cut at byte %d: there is a frame", n)
		}
	}
}

// A length that lies is found before anything is reserved for it, and its element is named.
func TestLyingLengths(t *testing.T) {
	const explicit, seq = dicom.ExplicitVRLittleEndian, dicom.Tag(0x00081140)
	uid := ex(dicom.SeriesInstanceUID, "UI", []byte("1.2.3\x00"))
	for name, c := range map[string]struct {
		body []byte
		tag  dicom.Tag
		want error
	}{
		"pixel data":               {exLength(dicom.PixelData, "OW", 0xFFFFFFF0, []byte{1, 2}), dicom.PixelData, dicom.ErrTruncated},
		"text":                     {exLength(dicom.Tag(0x00104000), "LT", 0xFFFE, []byte("ab")), dicom.Tag(0x00104000), dicom.ErrTruncated},
		"unlimited text":           {exLength(0x00080119, "UC", 0x7FFFFFFF, []byte("ab")), 0x00080119, dicom.ErrTruncated},
		"sequence":                 {exLength(seq, "SQ", 1000, item()), seq, dicom.ErrTruncated},
		"item":                     {exLength(seq, "SQ", 8, cat(tagBytes(itemTag), le32(4000))), seq, dicom.ErrTruncated},
		"item beyond its sequence": {cat(exLength(seq, "SQ", 8, cat(tagBytes(itemTag), le32(20))), ex(0x00091001, "UN", make([]byte, 40))), seq, dicom.ErrCorrupt},
		"element beyond its item": {cat(ex(seq, "SQ", item(exLength(dicom.PatientID, "LO", 40, []byte("ab")))), ex(0x00091001, "UN", make([]byte, 60))),
			dicom.PatientID, dicom.ErrCorrupt},
		"no end of sequence":         {exLength(seq, "SQ", undefinedLength, openItem()), seq, dicom.ErrTruncated},
		"no end of item":             {exLength(seq, "SQ", undefinedLength, cat(tagBytes(itemTag), le32(undefinedLength))), 0, dicom.ErrTruncated},
		"fragment":                   {exLength(dicom.PixelData, "OB", undefinedLength, cat(tagBytes(itemTag), le32(0x7FFFFFF0))), dicom.PixelData, dicom.ErrTruncated},
		"fragment without length":    {exLength(dicom.PixelData, "OB", undefinedLength, cat(tagBytes(itemTag), le32(undefinedLength), make([]byte, 8))), dicom.PixelData, dicom.ErrCorrupt},
		"no end of fragments":        {exLength(dicom.PixelData, "OB", undefinedLength, item()), dicom.PixelData, dicom.ErrTruncated},
		"no items in a sequence":     {ex(seq, "SQ", []byte("this is no item.")), seq, dicom.ErrCorrupt},
		"an item outside a sequence": {item(), itemTag, dicom.ErrCorrupt},
	} {
		data := file(explicit, uid, c.body)
		for how, read := range map[string]func() (*dicom.Dataset, error){
			"at once": func() (*dicom.Dataset, error) { return dicom.Parse(data, dicom.Options{}) },
			"as stream": func() (*dicom.Dataset, error) {
				return dicom.Read(iotest.OneByteReader(bytes.NewReader(data)), dicom.Options{})
			},
			"as headers": func() (*dicom.Dataset, error) {
				return dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true})
			},
		} {
			d, err := read()
			if how == "as headers" && c.tag == dicom.PixelData {
				continue // it is not looked at
			}
			var fault *dicom.Error
			if !errors.As(err, &fault) || !errors.Is(err, c.want) || fault.Tag != c.tag || fault.Offset < 0 {
				t.Errorf("%s, %s: %v, want %v at %v", name, how, err, c.want, c.tag)
				continue
			}
			if c.tag != 0 && !strings.Contains(err.Error(), c.tag.String()) {
				t.Errorf("%s, %s: the message does not name the element: %v", name, how, err)
			}
			if d.String(dicom.SeriesInstanceUID) != "1.2.3" {
				t.Errorf("%s, %s: what stood before the fault is lost", name, how)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	const seq = dicom.Tag(0x00081140)
	many := bytes.Repeat(ex(0x00091001, "UN", nil), 100)
	nest := func(n int, wrap func(...[]byte) []byte) (v []byte) {
		for range n {
			v = openSequence(seq, "SQ", wrap(v))
		}
		return v
	}
	for name, c := range map[string]struct {
		lim  dicom.Limits
		body []byte
		ok   bool
	}{
		"as many elements":     {dicom.Limits{MaxElements: 102}, many, true},
		"too many elements":    {dicom.Limits{MaxElements: 101}, many, false},
		"too many items":       {dicom.Limits{MaxElements: 50}, openSequence(seq, "SQ", bytes.Repeat(item(), 50)), false},
		"too many in meta":     {dicom.Limits{MaxElements: 50}, bytes.Repeat(ex(0x00020102, "OB", nil), 50), false},
		"too many fragments":   {dicom.Limits{MaxElements: 50}, openSequence(dicom.PixelData, "OB", bytes.Repeat(item(), 50)), false},
		"as deep":              {dicom.Limits{MaxDepth: 5}, nest(5, openItem), true},
		"too deep":             {dicom.Limits{MaxDepth: 5}, nest(6, openItem), false},
		"too deep by default":  {dicom.Limits{}, bytes.Repeat(cat(tagBytes(seq), []byte("SQ\x00\x00"), le32(undefinedLength), tagBytes(itemTag), le32(undefinedLength)), 100_000), false},
		"value as long":        {dicom.Limits{MaxValue: 100}, ex(0x00091001, "UN", make([]byte, 100)), true},
		"value too long":       {dicom.Limits{MaxValue: 100}, ex(0x00091001, "UN", make([]byte, 102)), false},
		"pixels are no value":  {dicom.Limits{MaxValue: 100}, ex(dicom.PixelData, "OW", make([]byte, 102)), true},
		"file too long":        {dicom.Limits{MaxBytes: 1000}, ex(dicom.PixelData, "OW", make([]byte, 1000)), false},
		"file of many reads":   {dicom.Limits{MaxBytes: 100_000}, ex(dicom.PixelData, "OW", make([]byte, 100_000)), false},
		"file that is allowed": {dicom.Limits{MaxBytes: 101_000}, ex(dicom.PixelData, "OW", make([]byte, 100_000)), true},
	} {
		data := file(dicom.ExplicitVRLittleEndian, ex(dicom.Modality, "CS", []byte("CT")), c.body)
		if name == "too many in meta" {
			data = file(dicom.ExplicitVRLittleEndian, c.body, ex(dicom.Modality, "CS", []byte("CT")))
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, parsed := dicom.Parse(data, dicom.Options{Limits: c.lim})
		_, streamed := dicom.Read(bytes.NewReader(data), dicom.Options{Limits: c.lim})
		_, fromFile := dicom.ReadFile(path, dicom.Options{Limits: c.lim})
		for how, err := range map[string]error{"parsed": parsed, "streamed": streamed, "from a file": fromFile} {
			if c.ok && err != nil || !c.ok && !errors.Is(err, dicom.ErrLimit) {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
		if !c.ok && !strings.Contains(fromFile.Error(), path) {
			t.Errorf("%s: the path is not named: %v", name, fromFile)
		}
	}
}

// A deflated data set of a few bytes may inflate to anything.
func TestDeflated(t *testing.T) {
	d := sourcetest.Slice("1.2.3", "1.2.3.4", 1)
	d.TransferSyntax = dicom.DeflatedExplicitVRLittleEndian
	d.SetBytes(0x00091001, dicom.UN, make([]byte, 8<<20))
	bomb := write(t, d)
	if len(bomb) > 20_000 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	if _, err := dicom.Parse(bomb, dicom.Options{Limits: dicom.Limits{MaxBytes: 1 << 20}}); !errors.Is(err, dicom.ErrLimit) {
		t.Errorf("8 MiB within 1 MiB: %v", err)
	}
	if _, err := dicom.Parse(bomb, dicom.Options{}); err != nil {
		t.Error(err)
	}
	meta := file(dicom.DeflatedExplicitVRLittleEndian)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":        {meta, dicom.ErrTruncated},
		"no bits":        {cat(meta, []byte{0, 0}), dicom.ErrTruncated},
		"cut":            {bomb[:len(bomb)-200], dicom.ErrTruncated},
		"no deflate":     {cat(meta, bytes.Repeat([]byte{0xFF}, 100)), dicom.ErrCorrupt},
		"an empty block": {cat(meta, []byte{3, 0}), dicom.ErrTruncated},
	} {
		for _, stop := range []bool{false, true} {
			if _, err := dicom.Read(bytes.NewReader(c.data), dicom.Options{StopAtPixelData: stop}); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
}

func TestNotDICOM(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing": nil,
		"text":    []byte("This is a letter to the radiologist, and no picture."),
		"zeros":   make([]byte, 4096),
		"PNG":     []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01"),
		"ELF":     append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...),
		"ZIP":     append([]byte("PK\x03\x04\x14\x00\x08\x00"), make([]byte, 500)...),
	} {
		d, err := dicom.Parse(data, dicom.Options{})
		if !errors.Is(err, dicom.ErrNotDICOM) || d != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true}); !errors.Is(err, dicom.ErrNotDICOM) {
			t.Errorf("%s as stream: %v", name, err)
		}
	}
	if _, err := dicom.ReadFile(t.TempDir(), dicom.Options{}); !errors.Is(err, dicom.ErrNotDICOM) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := dicom.ReadFile(filepath.Join(t.TempDir(), "none"), dicom.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	broken := errors.New("cable is cut")
	if _, err := dicom.Read(io.MultiReader(bytes.NewReader(write(t, rich())[:200]), iotest.ErrReader(broken)), dicom.Options{}); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

// Reading up to the pixels gives the same as reading all, from no more of the file than needed, wherever the first
// read ends.
func TestStopAtPixelData(t *testing.T) {
	const seq = dicom.Tag(0x00081140)
	for _, pad := range []int{0, 10, 32_400, 32_500, 32_580, 32_584, 32_600, 100_000} {
		body := cat(
			ex(0x00080119, "UC", bytes.Repeat([]byte("x"), pad)),
			openSequence(seq, "SQ", openItem(ex(dicom.PatientID, "LO", []byte("A1"))), item(ex(dicom.PatientID, "LO", []byte("A2")))),
			ex(0x00082112, "SQ", item(openSequence(seq, "UN", openItem(im(dicom.PatientID, []byte("A3")))))),
			cat(tagBytes(0x00091001), []byte("ZZ\x00\x00"), le32(2), []byte("ab")),
			ex(dicom.Rows, "US", le16(4)),
			ex(dicom.PixelData, "OW", make([]byte, 500_000)))
		data := file(dicom.ExplicitVRLittleEndian, body)
		count := &counter{Reader: bytes.NewReader(data)}
		d, err := dicom.Read(count, dicom.Options{StopAtPixelData: true})
		if err != nil {
			t.Errorf("%d bytes in front: %v", pad, err)
			continue
		}
		whole := parse(t, data)
		last := &whole.Elements[len(whole.Elements)-1]
		if !d.Has(dicom.PixelData) || d.Bytes(dicom.PixelData) != nil {
			t.Errorf("%d bytes in front: the pixel data was read", pad)
		}
		last.Value = nil
		same(t, "up to the pixels", whole, d)
		if most := 4*pad + 200_000; count.n > most {
			t.Errorf("%d bytes in front: %d bytes were read", pad, count.n)
		}
		if _, err := d.Frame(0); !errors.Is(err, dicom.ErrCorrupt) && !errors.Is(err, dicom.ErrNoPixelData) {
			t.Errorf("a frame that was not read: %v", err)
		}
	}
	// A file whose pixels are cut is found by its size.
	path := filepath.Join(t.TempDir(), "cut")
	data := file(dicom.ExplicitVRLittleEndian, ex(dicom.Modality, "CS", []byte("CT")), exLength(dicom.PixelData, "OW", 70_000, make([]byte, 69_000)))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := dicom.ReadFile(path, dicom.Options{StopAtPixelData: true}); !errors.Is(err, dicom.ErrTruncated) || d.String(dicom.Modality) != "CT" {
		t.Errorf("cut pixels: %v", err)
	}
}

type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// An element beyond its item is the same fault however much of the file has been read.
func TestFaultInPart(t *testing.T) {
	data := file(dicom.ExplicitVRLittleEndian,
		ex(0x00081140, "SQ", item(exLength(dicom.PatientID, "LO", 60_000, []byte("ab")))), ex(dicom.PixelData, "OW", make([]byte, 200_000)))
	for _, stop := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dicom.ReadFile(path, dicom.Options{StopAtPixelData: stop}); !errors.Is(err, dicom.ErrCorrupt) {
			t.Errorf("stop %v: %v", stop, err)
		}
	}
}

// A long run of zeros that is no padding must not be looked at again for every element in it: the number of
// comparisons would be the square of the file's length, and this would run for hours.
func TestZerosAreLinear(t *testing.T) {
	data := file(dicom.ExplicitVRLittleEndian, ex(dicom.Modality, "CS", []byte("CT")), make([]byte, 2<<20), []byte("end of it"))
	if _, err := dicom.Parse(data, dicom.Options{}); err == nil {
		t.Error("no error")
	}
}

func TestBigEndian(t *testing.T) {
	be := func(group, element uint16, vr string, v ...byte) []byte {
		return cat([]byte{byte(group >> 8), byte(group), byte(element >> 8), byte(element)}, []byte(vr), []byte{byte(len(v) >> 8), byte(len(v))}, v)
	}
	for bits, want := range map[int]string{16: "\x02\x01\x04\x03\x06\x05\x08\x07", 32: "\x04\x03\x02\x01\x08\x07\x06\x05"} {
		d := parse(t, file(dicom.ExplicitVRBigEndian,
			be(0x0008, 0x0060, "CS", 'C', 'T'), be(0x0028, 0x0010, "US", 1, 2), be(0x0028, 0x0100, "US", 0, byte(bits)),
			be(0x0040, 0x9094, "FD", 0x3F, 0xF8, 0, 0, 0, 0, 0, 0),
			cat([]byte("\x7f\xe0\x00\x10OW\x00\x00\x00\x00\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08"))))
		if n, _ := d.Int(dicom.Rows); n != 0x102 || d.String(dicom.Modality) != "CT" {
			t.Errorf("%d rows of %q", n, d.String(dicom.Modality))
		}
		if f, _ := d.Float(0x00409094); f != 1.5 {
			t.Errorf("a double became %v", f)
		}
		if string(d.Bytes(dicom.PixelData)) != want {
			t.Errorf("%d bits: pixels %x", bits, d.Bytes(dicom.PixelData))
		}
	}
}
