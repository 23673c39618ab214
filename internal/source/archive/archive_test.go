package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// pack makes an archive; change may spoil an entry's header.
func pack(t testing.TB, files map[string]string, change func(h *zip.FileHeader)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if strings.HasPrefix(name, "stored") {
			h.Method = zip.Store
		}
		if change != nil {
			change(h)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntriesRead(t *testing.T) {
	long := strings.Repeat("some text, ", 50_000)
	data := pack(t, map[string]string{"a/b.txt": long, "stored": "as it is", "empty": "", `win\dows.txt`: "x", "folder/": "", "M\x81ller": "name in code page 437"}, nil)
	in := bytes.NewReader(data)
	list, refused, err := List(in, in.Size(), 100)
	if err != nil || len(refused) != 0 || len(list) != 5 {
		t.Fatal(list, refused, err)
	}
	want := map[string]string{"a/b.txt": long, "stored": "as it is", "empty": "", "win/dows.txt": "x", "Müller": "name in code page 437"}
	for _, e := range list {
		r := e.Open(in)
		text, err := io.ReadAll(r)
		if err != nil || string(text) != want[e.Name] || e.Size != int64(len(text)) {
			t.Errorf("%q: %d bytes, %v", e.Name, len(text), err)
		}
		// And from anywhere.
		for _, at := range []int64{0, e.Size / 2, e.Size, 1, e.Size / 3} {
			at = min(at, e.Size)
			if n, err := r.Seek(at, io.SeekStart); n != at || err != nil {
				t.Fatal(n, err)
			}
			rest, err := io.ReadAll(r)
			if err != nil || string(rest) != want[e.Name][at:] {
				t.Errorf("%q from %d: %d bytes, %v", e.Name, at, len(rest), err)
			}
		}
		if n, err := r.Seek(0, io.SeekEnd); n != e.Size || err != nil {
			t.Errorf("%q: end at %d, %v", e.Name, n, err)
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Errorf("%q: before the beginning", e.Name)
		}
	}
}

func TestHostileEntriesAreRefused(t *testing.T) {
	data := pack(t, map[string]string{
		"../out": "x", "/abs": "x", "a/../../out": "x", "a//b": "x", `..\out`: "x", "C:/windows": "x", strings.Repeat("n", 2000): "x", "good": "y",
	}, nil)
	in := bytes.NewReader(data)
	list, refused, err := List(in, in.Size(), 100)
	if err != nil || len(list) != 1 || list[0].Name != "good" || len(refused) != 7 {
		t.Errorf("%v, %v, %v", list, refused, err)
	}
	for _, r := range refused {
		if r.Reason == "" || len(r.Name) > maxName+10 {
			t.Errorf("%.50q: %q", r.Name, r.Reason)
		}
	}
	for name, c := range map[string]struct {
		change func(h *zip.FileHeader)
		want   string
	}{
		"link":      {func(h *zip.FileHeader) { h.SetMode(0o777 | 1<<27) }, "no file but a link"},
		"encrypted": {func(h *zip.FileHeader) { h.Flags |= 1 }, "encrypted"},
	} {
		data := pack(t, map[string]string{name: "x"}, c.change)
		in := bytes.NewReader(data)
		list, refused, err := List(in, in.Size(), 100)
		if err != nil || len(list) != 0 || len(refused) != 1 || !strings.Contains(refused[0].Reason, c.want) {
			t.Errorf("%s: %v, %v, %v", name, list, refused, err)
		}
	}
	if _, refused, _ := List(in, in.Size(), 3); len(refused) == 0 || !strings.Contains(refused[len(refused)-1].Reason, "more than 3 entries") {
		t.Errorf("limit: %v", refused)
	}
	if _, _, err := List(strings.NewReader("PK\x03\x04 and nothing else"), 23, 10); !errors.Is(err, ErrNoArchive) {
		t.Errorf("%v", err)
	}
}

// raw writes an archive whose directory says what it likes.
func raw(t *testing.T, headers []*zip.FileHeader, bodies [][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, h := range headers {
		w, err := z.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bodies[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Sizes that lie, checksums that are wrong and bombs.
func TestLyingEntries(t *testing.T) {
	deflated := func(text string) []byte {
		data := pack(t, map[string]string{"x": text}, nil)
		in := bytes.NewReader(data)
		list, _, _ := List(in, in.Size(), 1)
		return data[list[0].Offset : list[0].Offset+list[0].Packed]
	}
	body := deflated(strings.Repeat("0", 1000))
	head := func(size uint64, method uint16, crc uint32) *zip.FileHeader {
		return &zip.FileHeader{Name: "x", Method: method, CompressedSize64: uint64(len(body)), UncompressedSize64: size, CRC32: crc}
	}
	sum := crc32.ChecksumIEEE([]byte(strings.Repeat("0", 1000)))
	for name, c := range map[string]struct {
		h      *zip.FileHeader
		listed bool
	}{
		"as it is":        {head(1000, zip.Deflate, sum), true},
		"longer":          {head(1001, zip.Deflate, sum), true},
		"shorter":         {head(999, zip.Deflate, sum), true},
		"wrong checksum":  {head(1000, zip.Deflate, sum+1), true},
		"impossible":      {head(1<<40, zip.Deflate, sum), false},
		"another method":  {head(1000, 14, sum), false},
		"stored, differs": {head(1000, zip.Store, sum), false},
	} {
		data := raw(t, []*zip.FileHeader{c.h}, [][]byte{body})
		in := bytes.NewReader(data)
		list, refused, err := List(in, in.Size(), 10)
		if err != nil || (len(list) == 1) != c.listed || len(list)+len(refused) != 1 {
			t.Errorf("%s: %v, %v, %v", name, list, refused, err)
			continue
		}
		if c.listed {
			n, err := io.Copy(io.Discard, list[0].Open(in))
			if (err == nil) != (name == "as it is") || n > 1001 {
				t.Errorf("%s: %d bytes, %v", name, n, err)
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// Entries that share their bytes: the second is at the first one's place.
	two := raw(t, []*zip.FileHeader{head(1000, zip.Deflate, sum), {Name: "y", Method: zip.Deflate, CompressedSize64: uint64(len(body)), UncompressedSize64: 1000, CRC32: sum}}, [][]byte{body, body})
	at := bytes.LastIndex(two, []byte("PK\x01\x02"))
	copy(two[at+42:at+46], []byte{0, 0, 0, 0})
	in := bytes.NewReader(two)
	if list, refused, err := List(in, in.Size(), 10); err != nil || len(list) != 1 || len(refused) != 1 || !strings.Contains(refused[0].Reason, "part of another") {
		t.Errorf("overlapping: %v, %v, %v", list, refused, err)
	}
}

func FuzzList(f *testing.F) {
	f.Add(pack(f, map[string]string{"a": "text", "stored": "x", "../b": "y"}, nil))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(data)
		list, _, err := List(in, in.Size(), 50)
		if err != nil {
			return
		}
		var total, packed int64
		for _, e := range list {
			packed += e.Packed
			n, _ := io.Copy(io.Discard, io.LimitReader(e.Open(in), 1<<20))
			if total += n; n > e.Size {
				t.Fatalf("%d bytes of %d", n, e.Size)
			}
		}
		if packed > int64(len(data)) || total > maxRatio*(packed+int64(len(list))) {
			t.Fatal(fmt.Sprint("expands to ", total, " from ", packed, " of ", len(data)))
		}
	})
}
