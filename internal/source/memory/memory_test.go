package memory

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

const (
	study  = "1.2.3.1"
	series = "1.2.3.1.1"
)

func slice(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dicom.Write(&b, sourcetest.Slice(study, series, n)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFilesThatAreSent(t *testing.T) {
	s := New(1 << 20)
	var kept [][]byte
	add := func(name string, data []byte) {
		t.Helper()
		if err := s.Add(name, data); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, data)
	}
	for i := range 3 {
		add(fmt.Sprintf("folder/%d.dcm", i+1), slice(t, i+1))
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, method := range []uint16{zip.Deflate, zip.Store} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d", i+4), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(slice(t, i+4)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := z.Create("../out"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	add("more.zip", b.Bytes())
	add(`notes\readme.txt`, []byte("some words"))
	add("whole.nrrd", []byte("NRRD0005\nsizes: 2 2 2\n\n12345678"))
	add("empty", nil)

	sum, err := s.Finish(t.Context(), "upload")
	if err != nil || len(sum.Studies) != 2 || sum.Files != 10 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if st := sum.Studies[0]; st.StudyInstanceUID != study || st.InstanceCount != 5 || st.Source != "upload" || !sum.Series[study][0].Volume {
		t.Errorf("%+v, %+v", st, sum.Series[study])
	}
	var left []string
	for _, l := range sum.LeftOut {
		if l.Reason == "" {
			t.Errorf("%+v", l)
		}
		left = append(left, l.Name)
	}
	if strings.Join(left, " ") != "more.zip/../out empty notes/readme.txt" {
		t.Errorf("left out %q", left)
	}
	src, err := s.Source(study, series)
	if err != nil {
		t.Fatal(err)
	}
	list, err := src.Instances(t.Context())
	if err != nil || len(list) != 5 {
		t.Fatal(len(list), err)
	}
	var n, same atomic.Int64
	err = src.Each(t.Context(), 2, func(o source.Object) error {
		n.Add(1)
		for _, k := range kept[:3] {
			if &k[0] == &o.Data[0] {
				same.Add(1) // lent, not copied
			}
		}
		_, err := dicom.Parse(o.Data, dicom.Options{})
		return err
	})
	if err != nil || n.Load() != 5 || same.Load() != 3 {
		t.Errorf("%d files, %d lent: %v", n.Load(), same.Load(), err)
	}
	found, _ := s.FindInstances(source.Query{StudyUIDs: []string{study}}, 10)
	for _, f := range found {
		in, err := f.File.Open()
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(in); err != nil || !bytes.Equal(data, slice(t, f.Instance.Number)) {
			t.Errorf("instance %d: %d bytes, %v", f.Instance.Number, len(data), err)
		}
	}

	s.Close()
	for _, k := range kept {
		if len(bytes.Trim(k, "\x00")) != 0 {
			t.Error("bytes remain")
		}
	}
	if _, err := s.Source(study, series); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := src.Each(t.Context(), 1, func(source.Object) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Add("x", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	s.Close()
}

func TestAddRefuses(t *testing.T) {
	s := New(100)
	if err := s.Add("a", make([]byte, 60)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		size int
		want string
	}{
		"too much":   {"b", 41, "of 100"},
		"twice":      {"./a", 1, "already"},
		"escaping":   {"../b", 1, "no path"},
		"escaping 2": {`..\b`, 1, "no path"},
		"nothing":    {"", 1, "no path"},
		"nul":        {"a\x00b", 1, "no path"},
		"long":       {strings.Repeat("n", 2000), 1, "no path"},
	} {
		if err := s.Add(c.path, make([]byte, c.size)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Add("b", make([]byte, 40)); err != nil {
		t.Errorf("as much as there is room for: %v", err)
	}
}
