package dicom_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// record is a directory record as bytes, its offsets and its file given.
type record struct {
	next, lower int // which record, from 1; 0 none
	kind, file  string
	unused      bool
}

// directory is a DICOMDIR that was read.
func directory(t testing.TB, first int, records ...record) *dicom.Dataset {
	t.Helper()
	return parse(t, directoryFile(t, first, records...))
}

// directoryFile is a DICOMDIR with records of the same length each, so that their offsets are known.
func directoryFile(t testing.TB, first int, records ...record) []byte {
	t.Helper()
	const head = 132 + 8 + 20 + 12 + 12 // preamble to the first item: meta, first offset, sequence header
	const size = 8 + 12*2 + 10 + 8 + 16 + 8 + 64
	at := func(n int) []byte {
		if n <= 0 {
			return le32(-n) // a place that is no record's
		}
		return le32(head + (n-1)*size)
	}
	var items [][]byte
	for _, r := range records {
		use := le16(0xFFFF)
		if r.unused {
			use = le16(0)
		}
		pad := func(s string, n int) []byte { return []byte(s + strings.Repeat(" ", n-len(s))) }
		items = append(items, item(ex(0x00041400, "UL", at(r.next)), ex(0x00041410, "US", use), ex(0x00041420, "UL", at(r.lower)),
			ex(0x00041430, "CS", pad(r.kind, 16)), ex(dicom.ReferencedFileID, "CS", pad(r.file, 64))))
	}
	for _, b := range items {
		if len(b) != size {
			t.Fatalf("a record of %d bytes", len(b))
		}
	}
	data := file(dicom.ExplicitVRLittleEndian, ex(0x00041200, "UL", at(first)), ex(dicom.DirectoryRecordSequence, "SQ", cat(items...)))
	if n := len(data) - size*len(records); n != head {
		t.Fatalf("%d bytes stand before the records", n)
	}
	return data
}

func names(files []dicom.DirectoryFile) string {
	var out []string
	for _, f := range files {
		out = append(out, f.Path)
	}
	return strings.Join(out, " ")
}

func TestReadDirectory(t *testing.T) {
	patient := record{0, 2, "PATIENT", "", false}
	study := record{0, 3, "STUDY", "", false}
	series := record{0, 4, "SERIES", "", false}
	for name, c := range map[string]struct {
		first    int
		records  []record
		files    string
		problems string
	}{
		"a tree":                 {1, []record{patient, study, series, {5, 0, "IMAGE", `A\B`, false}, {0, 0, "IMAGE", `A\C`, false}}, "A/B A/C", ""},
		"order by offsets":       {1, []record{patient, study, series, {6, 0, "IMAGE", `A\1`, false}, {0, 0, "IMAGE", `A\3`, false}, {5, 0, "IMAGE", `A\2`, false}}, "A/1 A/2 A/3", ""},
		"unused":                 {1, []record{{2, 0, "IMAGE", "A", true}, {0, 0, "IMAGE", "B", false}}, "B", ""},
		"no offsets":             {-9999, []record{patient, study, series, {0, 0, "IMAGE", "A", false}, {0, 0, "IMAGE", "B", false}}, "A B", ""},
		"a circle of neighbours": {1, []record{{2, 0, "IMAGE", "A", false}, {1, 0, "IMAGE", "B", false}}, "A B", "circle"},
		"a circle of levels":     {1, []record{{0, 2, "PATIENT", "", false}, {0, 1, "STUDY", "A", false}}, "A", "circle"},
		"itself":                 {1, []record{{1, 1, "PATIENT", "A", false}}, "A", "circle"},
		"a link to nowhere":      {1, []record{{-77, 0, "IMAGE", "A", false}}, "A", "byte 77, where none begins"},
		"too deep": {1, []record{{0, 2, "A", "", false}, {0, 3, "A", "", false}, {0, 4, "A", "", false}, {0, 5, "A", "", false}, {0, 6, "A", "", false},
			{0, 7, "A", "", false}, {0, 8, "A", "", false}, {0, 9, "A", "", false}, {0, 0, "IMAGE", "DEEP", false}}, "", "nest more than"},
		"slashes":      {1, []record{{0, 0, "IMAGE", "A/B", false}}, "A/B", ""},
		"up":           {1, []record{{2, 0, "IMAGE", `..\secret`, false}, {0, 0, "IMAGE", "B", false}}, "B", "would leave the folder"},
		"up inside":    {1, []record{{0, 0, "IMAGE", `A\..\..\secret`, false}}, "", "would leave the folder"},
		"up, padded":   {1, []record{{0, 0, "IMAGE", `A\ .. \.. \secret`, false}}, "", "would leave the folder"},
		"up, slashes":  {1, []record{{0, 0, "IMAGE", `A/../../secret`, false}}, "", "would leave the folder"},
		"absolute":     {1, []record{{0, 0, "IMAGE", `\etc\passwd`, false}}, "", "absolute"},
		"absolute /":   {1, []record{{0, 0, "IMAGE", `/etc/passwd`, false}}, "", "absolute"},
		"drive":        {1, []record{{0, 0, "IMAGE", `C:\A`, false}}, "", "drive"},
		"empty part":   {1, []record{{0, 0, "IMAGE", `A\\B`, false}}, "", "empty"},
		"blank part":   {1, []record{{0, 0, "IMAGE", `A\ \B`, false}}, "", "empty"},
		"only a slash": {1, []record{{0, 0, "IMAGE", `\`, false}}, "", "absolute"},
		"control":      {1, []record{{0, 0, "IMAGE", "A\x01B", false}}, "", "characters"},
		"too many":     {1, []record{{0, 0, "IMAGE", strings.Repeat(`A\`, 31) + "BB", false}}, strings.Repeat("A/", 31) + "BB", ""},
		"no file":      {1, []record{{0, 0, "IMAGE", "", false}}, "", ""},
	} {
		dir, err := dicom.ReadDirectory(directory(t, c.first, c.records...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := names(dir.Files); got != c.files {
			t.Errorf("%s: files %q, want %q", name, got, c.files)
		}
		if (len(dir.Warnings) > 0) != (c.first < 0) {
			t.Errorf("%s: warnings %q", name, dir.Warnings)
		}
		var text string
		for _, p := range dir.Problems {
			var fault *dicom.Error
			if !errors.As(p, &fault) || fault.Tag == 0 {
				t.Errorf("%s: %v has no tag", name, p)
			}
			text += p.Error()
		}
		if !strings.Contains(text, c.problems) || c.problems == "" && text != "" {
			t.Errorf("%s: problems %q, want %q", name, text, c.problems)
		}
	}
	if _, err := dicom.ReadDirectory(&dicom.Dataset{}); !errors.Is(err, dicom.ErrCorrupt) {
		t.Errorf("no DICOMDIR: %v", err)
	}
}

// The records above a file say whose it is, whether they were found by offsets or by their order.
func TestDirectoryRecords(t *testing.T) {
	records := []record{{3, 2, "PATIENT", "", false}, {0, 0, "STUDY", "S1", false}, {0, 4, "PATIENT", "", false}, {0, 5, "STUDY", "", false}, {0, 6, "SERIES", "", false}, {0, 0, "IMAGE", "I", false}}
	for _, first := range []int{1, -9999} {
		d := directory(t, first, records...)
		items := d.Sequence(dicom.DirectoryRecordSequence)
		dir, err := dicom.ReadDirectory(d)
		if err != nil || len(dir.Files) != 2 {
			t.Fatalf("%+v, %v", dir, err)
		}
		a, b := dir.Files[0], dir.Files[1]
		if a.Patient != items[0] || a.Study != items[1] || a.Series != nil || a.Type != "STUDY" {
			t.Errorf("from %d: the first file: %+v", first, a)
		}
		if b.Patient != items[2] || b.Study != items[3] || b.Series != items[4] || b.Record != items[5] || b.Type != "IMAGE" {
			t.Errorf("from %d: the second file: %+v", first, b)
		}
	}
}

// The real DICOMDIRs name the files beside them, and each file is what its record says.
func TestRealDirectories(t *testing.T) {
	for folder, want := range map[string]int{"edge-pydicom/dicomdir": 31, "edge-pydicom/dicomdir/TINY_ALPHA": 50} {
		root := sourcetest.Studies(t, folder)
		d, err := dicom.ReadFile(filepath.Join(root, "DICOMDIR"), dicom.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Kind() != "a DICOM directory" {
			t.Errorf("it is %s", d.Kind())
		}
		dir, err := dicom.ReadDirectory(d)
		if err != nil || len(dir.Files) != want || len(dir.Problems) > 0 {
			t.Errorf("%s: %d files, problems %v, %v", folder, len(dir.Files), dir.Problems, err)
		}
		for _, f := range dir.Files {
			path := filepath.Join(root, filepath.FromSlash(f.Path))
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", folder, err)
				continue
			}
			in, err := dicom.ReadFile(path, dicom.Options{StopAtPixelData: true})
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			if in.String(dicom.SOPInstanceUID) != f.SOPInstanceUID || in.TransferSyntax != f.TransferSyntaxUID || f.Type != "IMAGE" ||
				in.String(dicom.SeriesInstanceUID) != f.Series.String(dicom.SeriesInstanceUID) || in.String(dicom.PatientID) != f.Patient.String(dicom.PatientID) {
				t.Errorf("%s: %+v is not what its record says", folder, f.Path)
			}
		}
	}
}
