package catalog

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// FuzzRead reads what anybody may send: no input crashes, and what is listed has valid UIDs, bounded text and companions
// inside its folder.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := dicom.Write(&b, sourcetest.Slice("1.2", "1.2.3", 1)); err != nil {
		f.Fatal(err)
	}
	f.Add("a.dcm", b.Bytes())
	f.Add("dir/a.nhdr", []byte("NRRD0004\nsizes: 4 3 2\ndata file: a%03d.raw 1 9 2\n\n"))
	f.Add("dir/a.nhdr", []byte("NRRD0004\nsizes: 99999999999 -3 x\ndata file: LIST\n../x\n/etc/passwd\n"))
	nii := make([]byte, 352)
	nii[0], nii[1] = 0x5C, 1
	copy(nii[344:], "ni1\x00")
	f.Add("x.hdr", nii)
	directory := &dicom.Dataset{}
	directory.SetString(dicom.SOPClassUID, dicom.UI, mediaStorageDirectory)
	directory.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3.4")
	record := &dicom.Dataset{}
	record.SetString(dicom.ReferencedFileID, dicom.CS, "..", "..", "X")
	directory.SetSequence(dicom.DirectoryRecordSequence, record)
	b.Reset()
	if err := dicom.Write(&b, directory); err != nil {
		f.Fatal(err)
	}
	f.Add("DICOMDIR", b.Bytes())
	b.Reset()
	z := zip.NewWriter(&b)
	if w, err := z.Create("in/a.nhdr"); err == nil {
		_, _ = w.Write([]byte("NRRD0004\nsizes: 4 3 2\ndata file: b.raw\n\n"))
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add("a.zip", b.Bytes())
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if !fs.ValidPath(name) || name == "." {
			return
		}
		file := &File{Path: name, Size: int64(len(data))}
		Read(bytes.NewReader(data), file)
		all := []*File{file}
		if file.Kind == KindArchive {
			all = append(all, ReadArchive(bytes.NewReader(data), file, 100)...)
		}
		for _, g := range all {
			for _, path := range g.Beside {
				if !fs.ValidPath(path) {
					t.Fatalf("%q is beside it", path)
				}
			}
			for _, path := range g.Names {
				if !fs.ValidPath(path) {
					t.Fatalf("it names %q", path)
				}
			}
			if g.Instance == nil {
				if g.Problem == "" {
					t.Fatal("it is neither served nor a problem")
				}
				continue
			}
			for _, uid := range []string{g.Study.StudyInstanceUID, g.Series.SeriesInstanceUID, g.Instance.SOPInstanceUID} {
				if err := source.CheckUID("UID", uid); err != nil {
					t.Fatal(err)
				}
			}
			if len(g.Study.PatientName) > maxText || g.Instance.Frames < 0 && g.Instance.IsImage() {
				t.Fatalf("%+v", g.Instance)
			}
		}
		c := New(all, nil, nil)
		c.Studies(source.Query{Text: "a"}, "")
		c.Patients(source.Query{})
	})
}
