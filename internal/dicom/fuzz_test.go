package dicom_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tomocast/tomocast/internal/dicom"
)

// FuzzRead: whatever the bytes are, reading them neither panics nor reserves much, the same bytes read at once and
// in parts give the same, and what was read can be written and read again.
func FuzzRead(f *testing.F) {
	for _, syntax := range []string{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.DeflatedExplicitVRLittleEndian} {
		d := rich()
		d.SetString(0x00080119, dicom.UC, "short")
		d.TransferSyntax = syntax
		f.Add(write(f, d))
	}
	id := ex(dicom.PatientID, "LO", []byte("A1"))
	const seq dicom.Tag = 0x00081140
	f.Add(file(dicom.ExplicitVRLittleEndian, openSequence(seq, "SQ", openItem(id), item(id))))
	f.Add(file(dicom.ExplicitVRLittleEndian, openSequence(seq, "UN", openItem(im(dicom.PatientID, []byte("A1"))))))
	f.Add(file(dicom.ExplicitVRBigEndian, []byte("\x00\x08\x00\x60CS\x00\x02CT\x00\x28\x00\x10US\x00\x02\x00\x04")))
	f.Add(cat(im(dicom.Modality, []byte("CT")), im(dicom.Rows, le16(4))))
	compressed := image(4, 4, 0, nil)
	compressed.TransferSyntax = dicom.RLELossless
	compressed.Set(dicom.Element{Tag: dicom.PixelData, VR: dicom.OB, Fragments: [][]byte{nil, rle(make([]byte, 16), make([]byte, 16))}})
	f.Add(write(f, compressed))
	japanese := &dicom.Dataset{}
	japanese.SetString(dicom.SOPClassUID, dicom.UI, "1.2")
	japanese.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3")
	japanese.SetString(dicom.SpecificCharacterSet, dicom.CS, `\ISO 2022 IR 87`)
	japanese.SetString(dicom.PatientName, dicom.PN, "Yamada=\x1b$B;3ED\x1b(B")
	f.Add(write(f, japanese))
	f.Fuzz(func(t *testing.T, data []byte) {
		lim := dicom.Limits{MaxBytes: 1 << 20, MaxElements: 10_000}
		d, err := dicom.Parse(data, dicom.Options{Limits: lim})
		use(t, "fuzzed", d)
		if err != nil {
			return
		}
		head, err := dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true, Limits: lim})
		if err != nil || d.String(dicom.SOPInstanceUID) != head.String(dicom.SOPInstanceUID) {
			t.Fatalf("the header alone: %v", err)
		}
		var b bytes.Buffer
		if dicom.Write(&b, d) != nil {
			return
		}
		again, err := dicom.Parse(b.Bytes(), dicom.Options{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(again.Elements) != len(d.Elements) || again.String(dicom.PatientName) != d.String(dicom.PatientName) {
			t.Fatalf("%d elements became %d", len(d.Elements), len(again.Elements))
		}
	})
}

// small are limits that keep fuzzing fast.
var small = dicom.Limits{MaxBytes: 1 << 20, MaxElements: 10_000}

// FuzzFrameDataset: whatever functional groups say, a frame is itself or is refused, and never becomes another patient's.
func FuzzFrameDataset(f *testing.F) {
	f.Add(write(f, enhanced(3)))
	short := enhanced(2)
	short.SetInts(dicom.NumberOfFrames, dicom.IS, 5)
	f.Add(write(f, short))
	dose := image(1, 1, 3, make([]byte, 6))
	dose.SetFloats(dicom.GridFrameOffsetVector, dicom.DS, 0, 5, 10)
	f.Add(write(f, dose))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := dicom.Parse(data, dicom.Options{Limits: small})
		if err != nil {
			return
		}
		for n := range min(d.Frames(), 5) {
			g, err := d.FrameDataset(n)
			if err != nil {
				if !errors.Is(err, dicom.ErrCorrupt) {
					t.Fatal(err)
				}
				continue
			}
			if g.String(dicom.PatientID) != d.String(dicom.PatientID) || g.String(dicom.SOPInstanceUID) != d.String(dicom.SOPInstanceUID) || g.Frames() > 1 {
				t.Fatal("the frame is another object's")
			}
			use(t, "fuzzed", g)
			a, errA := g.Frame(0)
			b, errB := d.Frame(n)
			if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
				t.Fatalf("frame %d: %v, %v", n, errA, errB)
			}
		}
	})
}

// FuzzReadDirectory: whatever a DICOMDIR says, its paths stay in the folder.
func FuzzReadDirectory(f *testing.F) {
	for _, r := range [][]record{
		{{0, 2, "PATIENT", "", false}, {0, 3, "STUDY", "", false}, {0, 4, "SERIES", "", false}, {0, 0, "IMAGE", `A\B`, false}},
		{{2, 0, "IMAGE", `..\A`, false}, {1, 1, "IMAGE", `C:\A`, false}},
	} {
		for _, first := range []int{1, -9999} {
			f.Add(directoryFile(f, first, r...))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := dicom.Parse(data, dicom.Options{Limits: small})
		if err != nil {
			return
		}
		dir, err := dicom.ReadDirectory(d)
		if err != nil {
			return
		}
		for _, file := range dir.Files {
			if !localPath(file.Path) {
				t.Fatalf("a path that leaves the folder: %q", file.Path)
			}
		}
	})
}

// localPath says, by other means than the code under test, whether a path stays where it begins.
func localPath(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\:\x00") {
			return false
		}
	}
	return path != ""
}

// FuzzPalette: segmented palettes end, whatever they say, and are whole or refused.
func FuzzPalette(f *testing.F) {
	f.Add(19, 16, words(0, 3, 10, 20, 30, 1, 4, 50, 0, 2, 7, 9, 2, 2, 0, 0, 1, 3, 0))
	f.Add(19, 8, []byte{0, 3, 10, 20, 30, 1, 4, 50, 0, 2, 7, 9, 2, 2, 0, 0, 0, 0, 1, 3, 0})
	f.Add(0, 16, words(2, 65535, 0, 0))
	f.Fuzz(func(t *testing.T, entries, bits int, data []byte) {
		tables, err := segmented(entries, bits, data).Palette()
		if err != nil {
			if !errors.Is(err, dicom.ErrCorrupt) && !errors.Is(err, dicom.ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		for _, l := range tables {
			if len(l.Entries) != (entries-1)&0xFFFF+1 || l.At(-1) != int(l.Entries[0]) {
				t.Fatalf("%d entries, not %d", len(l.Entries), entries)
			}
		}
	})
}

// FuzzCharset: text of any set and any bytes is valid UTF-8 and not much longer than what it was made of.
func FuzzCharset(f *testing.F) {
	for _, c := range characterSets {
		f.Add(c.set, []byte(c.value))
	}
	f.Fuzz(func(t *testing.T, set string, value []byte) {
		d := &dicom.Dataset{}
		d.SetString(dicom.SpecificCharacterSet, dicom.CS, set)
		d.SetBytes(dicom.PatientName, dicom.PN, value)
		s := d.String(dicom.PatientName)
		if !utf8.ValidString(s) || len(s) > 4*len(value) {
			t.Fatalf("%q of %q", s, value)
		}
		_ = d.PersonName(dicom.PatientName).String()
	})
}
