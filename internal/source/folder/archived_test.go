package folder

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// zipped is an archive of files, each second one stored as it is.
func zipped(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	method := zip.Deflate
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
		method = zip.Deflate - method
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// series is n slices as files.
func series(t testing.TB, study, uid string, n int) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("slices/%d.dcm", i+1)] = sourcetest.Encode(t, sourcetest.Slice(study, uid, i+1))
	}
	return files
}

// all reads a series and returns the files' bytes by instance number.
func all(t *testing.T, s source.Series) map[int][]byte {
	t.Helper()
	out := map[int][]byte{}
	var mu sync.Mutex
	err := s.Each(t.Context(), 2, func(o source.Object) error {
		d, err := dicom.Parse(o.Data, dicom.Options{})
		if err != nil {
			return err
		}
		n, _ := d.Int(dicom.InstanceNumber)
		mu.Lock()
		defer mu.Unlock()
		out[n] = bytes.Clone(o.Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A zip file is a folder: its files are read where they are, and what is wrong in it is listed.
func TestZipIsAFolder(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	files := series(t, studyA, seriesA, 5)
	want := map[int][]byte{}
	for i := range 5 {
		want[i+1] = files[fmt.Sprintf("slices/%d.dcm", i+1)]
	}
	files["../escape.dcm"] = want[1]
	files["inner.zip"] = zipped(t, series(t, studyB, seriesB, 2))
	files["readme.txt"] = []byte("a text")
	sourcetest.WriteBytes(t, filepath.Join(root, "a", "study.zip"), zipped(t, files))
	sourcetest.WriteBytes(t, filepath.Join(root, "broken.zip"), []byte("PK\x03\x04 not really"))
	var reads atomic.Int64
	x := open(t, root, cache, counting(&reads))
	st := x.Stats()
	if st.Studies != 1 || st.Instances != 5 || st.Problems != 3 {
		t.Errorf("stats %+v: %v", st, x.Problems())
	}
	got := map[string]catalog.Kind{}
	for _, p := range x.Problems() {
		got[p.Path] = p.Kind
	}
	for path, kind := range map[string]catalog.Kind{"a/study.zip/../escape.dcm": catalog.KindRefused, "a/study.zip/inner.zip": catalog.KindRefused,
		"broken.zip": catalog.KindDamaged, "a/study.zip": catalog.KindArchive, "a/study.zip/readme.txt": catalog.KindNotDICOM} {
		if got[path] != kind {
			t.Errorf("%s: %q, want %q", path, got[path], kind)
		}
	}
	check := func(x *Index) {
		t.Helper()
		s, err := x.Source(studyA, seriesA)
		if err != nil {
			t.Fatal(err)
		}
		for n, data := range all(t, s) {
			if !bytes.Equal(data, want[n]) {
				t.Errorf("slice %d differs", n)
			}
		}
		found, _ := x.FindInstances(source.Query{}, 10)
		for _, f := range found {
			in, err := f.File.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(in)
			in.Close()
			if err != nil || !bytes.Equal(data, want[f.Instance.Number]) || f.File.Size() != int64(len(data)) {
				t.Errorf("served slice %d: %d bytes, %v", f.Instance.Number, len(data), err)
			}
		}
	}
	check(x)
	reads.Store(0)
	again := open(t, root, cache, counting(&reads))
	if reads.Load() != 0 || again.Stats() != st {
		t.Errorf("restart: %d reads, %+v", reads.Load(), again.Stats())
	}
	check(again)
	// A file that was put in its place is not read as the old one.
	sourcetest.WriteBytes(t, filepath.Join(root, "a", "study.zip"), zipped(t, series(t, studyB, seriesB, 3)))
	s, _ := again.Source(studyA, seriesA)
	if err := s.Each(t.Context(), 1, func(source.Object) error { return nil }); !errors.Is(err, source.ErrChanged) {
		t.Errorf("changed archive: %v", err)
	}
	if err := again.Rescan(t.Context()); err != nil || again.Stats().Instances != 3 {
		t.Errorf("rescan: %v, %+v", err, again.Stats())
	}
}

// nifti1 is the header of an image of 4x3x2 voxels, of the pair where magic says so, and its data.
func nifti1(magic string, order binary.AppendByteOrder) []byte {
	h := make([]byte, 352)
	put := func(at int, v uint16) { copy(h[at:], order.AppendUint16(nil, v)) }
	copy(h, order.AppendUint32(nil, 348))
	for i, n := range []uint16{3, 4, 3, 2, 1} {
		put(40+2*i, n)
	}
	put(70, 4)
	put(72, 16)
	copy(h[344:], magic)
	if magic[:2] == "n+" {
		h = append(h, make([]byte, 48)...)
	}
	return h
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Research files are studies of their own, with all files that belong to them.
func TestResearchFiles(t *testing.T) {
	root := t.TempDir()
	detached := "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nencoding: raw\ndata file: %s\n"
	for name, data := range map[string][]byte{
		"one.nii":          nifti1("n+1\x00", binary.LittleEndian),
		"big-endian.nii":   nifti1("n+1\x00", binary.BigEndian),
		"two.nii.gz":       gzipped(t, nifti1("n+1\x00", binary.LittleEndian)),
		"pair.hdr":         nifti1("ni1\x00", binary.LittleEndian),
		"pair.img":         []byte("voxels"),
		"packed.hdr":       nifti1("ni1\x00", binary.LittleEndian),
		"packed.img.gz":    gzipped(t, []byte("packed voxels")),
		"lonely.hdr":       nifti1("ni1\x00", binary.LittleEndian),
		"whole.nrrd":       []byte("NRRD0005\ntype: uchar\ndimension: 3\nsizes: 4 3 2\nencoding: raw\n\n012345678901234567890123"),
		"apart.nhdr":       []byte(fmt.Sprintf(detached, "sub/apart.raw")),
		"sub/apart.raw":    []byte("raw"),
		"list.nhdr":        []byte(fmt.Sprintf(detached, "LIST") + "s1.raw\ns2.raw\n"),
		"pattern.nhdr":     []byte(fmt.Sprintf(detached, "s%d.raw 1 2 1")),
		"s1.raw":           []byte("1"),
		"s2.raw":           []byte("2"),
		"hostile.nhdr":     []byte(fmt.Sprintf(detached, "../../etc/passwd")),
		"absolute.nhdr":    []byte(fmt.Sprintf(detached, "/etc/passwd")),
		"something.nii.gz": gzipped(t, []byte("no image at all")),
	} {
		sourcetest.WriteBytes(t, filepath.Join(root, filepath.FromSlash(name)), data)
	}
	// In an archive they are found too.
	sourcetest.WriteBytes(t, filepath.Join(root, "z.zip"), zipped(t, map[string][]byte{"in.hdr": nifti1("ni1\x00", binary.LittleEndian), "in.img": []byte("inner")}))
	x := open(t, root, "")
	found, n := x.FindInstances(source.Query{}, 100)
	files := map[string]map[string]string{
		"one.nii": nil, "big-endian.nii": nil, "two.nii.gz": nil, "whole.nrrd": nil, "pair.hdr": {"pair.img": "voxels"},
		"packed.hdr": {"packed.img": string(gzipped(t, []byte("packed voxels")))}, "lonely.hdr": nil,
		"apart.nhdr": {"sub/apart.raw": "raw"}, "list.nhdr": {"s1.raw": "1", "s2.raw": "2"}, "pattern.nhdr": {"s1.raw": "1", "s2.raw": "2"},
		"in.hdr": {"in.img": "inner"},
	}
	if n != len(files) {
		t.Errorf("%d instances of %d", n, len(files))
	}
	for _, f := range found {
		want, ok := files[f.Instance.Name]
		media := source.MediaNIfTI
		if strings.Contains(f.Instance.Name, "rrd") || strings.HasSuffix(f.Instance.Name, "nhdr") {
			media = source.MediaNRRD
		}
		i := f.Instance
		if !ok || i.Media != media || i.Columns != 4 || i.Rows != 3 || i.Frames != 2 || !f.Series.Volume || f.Study.Description != i.Name ||
			f.Study.PatientName != "" || source.CheckUID("", f.Study.StudyInstanceUID) != nil {
			t.Errorf("%+v in %+v", i, f.Study)
		}
		s, err := x.Source(f.Study.StudyInstanceUID, f.Series.SeriesInstanceUID)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Each(t.Context(), 1, func(o source.Object) error {
			if o.Name != i.Name || o.Media != i.Media || len(o.Files) != len(want) {
				t.Errorf("%s: %s with %d files", i.Name, o.Name, len(o.Files))
			}
			for name, text := range want {
				if string(o.Files[name]) != text {
					t.Errorf("%s: %s is %q", i.Name, name, o.Files[name])
				}
			}
			return nil
		})
		if (err != nil) != (i.Name == "lonely.hdr") {
			t.Errorf("%s: %v", i.Name, err)
		}
	}
	got := map[string]catalog.Kind{}
	for _, p := range x.Problems() {
		if !p.Kind.Skipped() {
			got[p.Path] = p.Kind
		}
	}
	want := map[string]catalog.Kind{"lonely.hdr": catalog.KindMissing, "hostile.nhdr": catalog.KindRefused, "absolute.nhdr": catalog.KindRefused}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("problems %v, want %v", got, want)
	}
}

// directory is a DICOMDIR that names files, each by the components of its path.
func directory(t *testing.T, names ...string) []byte {
	t.Helper()
	d := &dicom.Dataset{}
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.1.3.10")
	d.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3.4.5")
	var records []*dicom.Dataset
	for _, n := range names {
		r := &dicom.Dataset{}
		r.SetString(0x00041430, dicom.CS, "IMAGE")
		r.SetString(dicom.ReferencedFileID, dicom.CS, strings.Split(n, "/")...)
		records = append(records, r)
	}
	d.SetSequence(dicom.DirectoryRecordSequence, records...)
	return sourcetest.Encode(t, d)
}

func TestDirectoryFile(t *testing.T) {
	root := t.TempDir()
	sourcetest.WriteSeries(t, filepath.Join(root, "disk", "images"), studyA, seriesA, 3)
	sourcetest.WriteBytes(t, filepath.Join(root, "disk", "DICOMDIR"), directory(t, "IMAGES/F037", "IMAGES/F074", "IMAGES/GONE"))
	sourcetest.WriteBytes(t, filepath.Join(root, "other", "DICOMDIR"), directory(t, "../disk/images/f037", "IMAGE"))
	x := open(t, root, "")
	var got []string
	for _, p := range x.Problems() {
		got = append(got, p.Path+" "+string(p.Kind))
	}
	want := []string{"disk/IMAGES/GONE missing", "other/DICOMDIR refused", "other/IMAGE missing", "disk/DICOMDIR dicomdir", "other/DICOMDIR dicomdir"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", x.Problems(), want)
	}
}

// Names in the character sets of the world show and are found.
func TestCharacterSets(t *testing.T) {
	root := t.TempDir()
	for i, c := range []struct{ set, raw, name, search string }{
		{"ISO_IR 100", "M\xfcller^J\xf6rg", "Müller^Jörg", "müller"},
		{"ISO_IR 192", "Żółć^Łukasz", "Żółć^Łukasz", "łukasz"},
		{"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东", "小东"},
		{"\\ISO 2022 IR 87", "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎", "山田"},
		{"ISO_IR 144", "\xbb\xee\xda\xe1\xd5\xdc\xd1\xe3\xe0\xd3", "Люкceмбург", "бург"},
	} {
		d := sourcetest.Slice(fmt.Sprintf("1.2.3.%d", i), fmt.Sprintf("1.2.3.%d.1", i), 1)
		d.SetString(dicom.SpecificCharacterSet, dicom.CS, strings.Split(c.set, `\`)...)
		d.SetBytes(dicom.PatientName, dicom.PN, []byte(c.raw))
		sourcetest.Write(t, filepath.Join(root, fmt.Sprint(i)), d)
		if i == 4 { // Cyrillic, written as it should read in ISO 8859-5
			c.name = "Люксембург"
		}
		x := open(t, root, "")
		for _, q := range []source.Query{{Text: c.search}, {PatientName: "*" + c.search + "*"}} {
			found, n := x.Studies(q)
			if n != 1 || found[0].PatientName != c.name {
				t.Errorf("%s: %d studies for %+v: %+v", c.set, n, q, found)
			}
		}
	}
}

func TestSortingAndPatients(t *testing.T) {
	root := t.TempDir()
	for i, c := range []struct{ name, id, issuer, date, modality string }{
		{"Beta^B", "2", "", "20240101", "MR"},
		{"alpha^A", "1", "", "20240201", "CT"},
		{"Beta^B", "2", "other", "20240301", "CT"},
		{"", "", "", "20240401", "US"},
		{"Alpha^Renamed", "1", "", "20230501", "PT"},
		{"Gamma^C", "", "", "", "XA"},
		{"gamma^c", "", "", "20220101", "XA"},
	} {
		d := sourcetest.Slice(fmt.Sprintf("1.2.%d", i), fmt.Sprintf("1.2.%d.1", i), 1)
		d.SetString(dicom.PatientName, dicom.PN, c.name)
		d.SetString(dicom.PatientID, dicom.LO, c.id)
		d.SetString(dicom.IssuerOfPatientID, dicom.LO, c.issuer)
		d.SetString(dicom.StudyDate, dicom.DA, c.date)
		d.SetString(dicom.Modality, dicom.CS, c.modality)
		sourcetest.Write(t, filepath.Join(root, fmt.Sprint(i)), d)
	}
	x := open(t, root, "")
	for order, want := range map[source.Sort]string{
		"": "3 2 1 0 4 6 5", source.SortDate: "6 4 0 1 2 3 5", "-" + source.SortDate: "3 2 1 0 4 6 5",
		source.SortName: "1 4 2 0 6 5 3", "-" + source.SortName: "6 5 2 0 4 1 3", source.SortPatientID: "1 4 2 0 3 6 5",
		source.SortModality: "2 1 0 4 3 6 5",
	} {
		found, _ := x.Studies(source.Query{Sort: order})
		var got []string
		for _, s := range found {
			got = append(got, strings.TrimPrefix(s.StudyInstanceUID, "1.2."))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", order, got, want)
		}
	}
	if _, err := source.ParseSort("-patientID"); err != nil {
		t.Error(err)
	}
	if _, err := source.ParseSort("shoe size"); err == nil {
		t.Error("no error")
	}
	patients, total := x.Patients(source.Query{Sort: source.SortName, Limit: 2, Offset: 1})
	if total != 5 || len(patients) != 2 {
		t.Fatalf("%d of %d: %+v", len(patients), total, patients)
	}
	if p := patients[0]; p.Issuer != "other" || len(p.Studies) != 1 {
		t.Errorf("%+v", p)
	}
	all, _ := x.Patients(source.Query{Text: "alpha"})
	if len(all) != 1 || len(all[0].Studies) != 2 || all[0].PatientName != "alpha^A" || all[0].PatientID != "1" {
		t.Errorf("%+v", all)
	}
}

// What is too large for memory in an archive is refused before memory is taken for it.
func TestHugeEntry(t *testing.T) {
	root := t.TempDir()
	// A slice, behind which the rest of 3 GB is said to come.
	var body, file bytes.Buffer
	packer, err := flate.NewWriter(&body, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packer.Write(sourcetest.Encode(t, sourcetest.Slice(studyA, seriesA, 1))); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(&file)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "a.dcm", Method: zip.Deflate, CompressedSize64: 3 << 20, UncompressedSize64: 3 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(append(body.Bytes(), make([]byte, 3<<20-body.Len())...)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sourcetest.WriteBytes(t, filepath.Join(root, "huge.zip"), file.Bytes())
	x := open(t, root, "")
	s, err := x.Source(studyA, seriesA)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), 1, func(source.Object) error { return nil }); !errors.Is(err, source.ErrLimit) {
		t.Errorf("%v", err)
	}
}

// Large files that are no DICOM are read as a consumer needs them, not into memory.
func TestLargeResearchFile(t *testing.T) {
	root := t.TempDir()
	head := "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 3 2\nendian: little\nencoding: raw\ndata file: ./large.raw\n\n"
	sourcetest.WriteBytes(t, filepath.Join(root, "large.nhdr"), []byte(head))
	raw := make([]byte, pages.Large)
	copy(raw, "first")
	sourcetest.WriteBytes(t, filepath.Join(root, "large.raw"), raw)
	x, err := Open(t.Context(), root, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	found, _ := x.FindInstances(source.Query{}, 9)
	if len(found) != 1 {
		t.Fatalf("%d instances, %v", len(found), x.Problems())
	}
	s, err := x.Source(found[0].Study.StudyInstanceUID, found[0].Series.SeriesInstanceUID)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Each(t.Context(), 1, func(o source.Object) error {
		if o.Stream == nil || o.Data != nil || o.Files != nil || o.Name != "large.nhdr" {
			t.Fatalf("%s has %d bytes and %d files in memory", o.Name, len(o.Data), len(o.Files))
		}
		for name, want := range map[string]string{"large.nhdr": head, "large.raw": string(raw)} {
			got, err := fs.ReadFile(o.Stream, name)
			if err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			if st, err := fs.Stat(o.Stream, name); err != nil || st.Size() != int64(len(want)) || st.Name() != name {
				t.Errorf("%s: %v, %v", name, st, err)
			}
		}
		if _, err := o.Stream.Open("other.raw"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that does not belong to it: %v", err)
		}
		sourcetest.WriteBytes(t, filepath.Join(root, "large.raw"), raw[:100])
		if _, err := o.Stream.Open("large.raw"); !errors.Is(err, source.ErrChanged) {
			t.Errorf("a file that has changed: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
