package dicom_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// files calls fn for every file under a folder of the real studies.
func files(t *testing.T, folder string, fn func(name string, data []byte)) {
	t.Helper()
	root := sourcetest.Studies(t, folder)
	n := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		n++
		fn(name, data)
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files under %s: %v", n, root, err)
	}
}

// use does with a data set everything that its consumers do, and says that it holds what the parser promises.
func use(t testing.TB, name string, d *dicom.Dataset) {
	if d == nil {
		return
	}
	for i := range d.Elements {
		e := &d.Elements[i]
		if i > 0 && d.Elements[i-1].Tag >= e.Tag {
			t.Errorf("%s: %v stands before %v", name, d.Elements[i-1].Tag, e.Tag)
		}
		_ = d.String(e.Tag)
		_ = d.Strings(e.Tag)
		_, _ = d.Int(e.Tag)
		_, _ = d.Floats(e.Tag)
		_ = d.PersonName(e.Tag)
		for _, item := range e.Items {
			use(t, name, item)
		}
	}
	f, err := d.PixelFormat()
	if err != nil {
		return
	}
	for n := range min(f.Frames, 3) {
		frame, err := d.Frame(n)
		if err != nil {
			var fault *dicom.Error
			if !errors.As(err, &fault) {
				t.Errorf("%s: frame %d: %v is no *Error", name, n, err)
			}
			return
		}
		if len(frame) != f.FrameBytes() {
			t.Errorf("%s: frame %d has %d bytes, not %d", name, n, len(frame), f.FrameBytes())
		}
		f.Int16s(make([]int16, f.FrameSamples()), frame)
		f.Float64s(make([]float64, f.FrameSamples()), frame)
	}
}

// check reads data in every way, and says that faults are told as promised.
func check(t testing.TB, name string, data []byte) *dicom.Dataset {
	whole, err := dicom.Parse(data, dicom.Options{})
	var fault *dicom.Error
	if err != nil && !errors.As(err, &fault) {
		t.Errorf("%s: %v is no *Error", name, err)
	}
	if err == nil && whole == nil {
		t.Errorf("%s: neither data set nor error", name)
	}
	use(t, name, whole)
	head, headErr := dicom.Read(bytes.NewReader(data), dicom.Options{StopAtPixelData: true})
	if err == nil && headErr != nil {
		t.Errorf("%s: the header alone: %v", name, headErr)
	}
	if err == nil && whole.String(dicom.SOPInstanceUID) != head.String(dicom.SOPInstanceUID) {
		t.Errorf("%s: the header alone has another instance UID", name)
	}
	return whole
}

// Mutated files are read or refused; nothing panics, and what is reserved stays near the file's size.
func TestMutants(t *testing.T) {
	files(t, "derived/fuzz", func(name string, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		check(t, name, data)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 200*uint64(len(data))+(4<<20) {
			t.Errorf("%s: %d bytes were reserved for a file of %d", name, used, len(data))
		}
	})
}

// The files that pydicom is tested with.
func TestEdgeCases(t *testing.T) {
	refused := map[string]error{
		"MR_truncated.dcm":           dicom.ErrTruncated,
		"no_meta.dcm":                dicom.ErrNotDICOM, // begins in the middle of an element
		"dicomdir/TINY_ALPHA/README": dicom.ErrNotDICOM,
	}
	sets := map[string]*dicom.Dataset{}
	files(t, "edge-pydicom", func(name string, data []byte) {
		_, err := dicom.Parse(data, dicom.Options{})
		if want := refused[name]; !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		d := check(t, name, data)
		sets[name] = d
		if err == nil && !dicom.Decodable(d.TransferSyntax) && d.Has(dicom.PixelData) {
			_, err := d.Frame(0)
			if !errors.Is(err, dicom.ErrUnsupportedTransferSyntax) || !strings.Contains(err.Error(), d.TransferSyntax) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	// The same MR image in five encodings.
	want, err := sets["MR_small.dcm"].Frame(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_padded.dcm", "MR_small_RLE.dcm"} {
		if got, err := sets[name].Frame(0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: its pixels differ: %v", name, err)
		}
	}
	items := sets["UN_sequence.dcm"].Sequence(0x4453100C)
	if len(items) != 1 || len(items[0].Sequence(0x00081115)) != 1 {
		t.Error("the private sequence sent as UN was not read")
	}
	private := sets["nested_priv_SQ.dcm"].Sequence(0x00010001)
	if len(private) != 1 || len(private[0].Sequence(0x00010001)) != 1 {
		t.Error("the private sequence in implicit little endian was not read")
	}
}

// One CT slice in all transfer syntaxes: those without loss that are read have the same pixels.
func TestOneSliceInEverySyntax(t *testing.T) {
	sums := map[[32]byte][]string{}
	files(t, "ts-ct-cornerstone", func(name string, data []byte) {
		d := check(t, name, data)
		if !strings.HasPrefix(name, "CTImage") || lossy(name) || d.TransferSyntax == "1.2.840.10008.1.2.4.81" {
			return
		}
		frame, err := d.Frame(0)
		if errors.Is(err, dicom.ErrUnsupportedTransferSyntax) && !dicom.Decodable(d.TransferSyntax) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		sum := sha256.Sum256(frame)
		sums[sum] = append(sums[sum], name)
	})
	if len(sums) != 1 {
		t.Errorf("pixels: %v", sums)
	}
}

// dumped is a line of dcmdump: tag, VR, value, length.
var dumped = regexp.MustCompile(`^( *)\(([0-9a-f]{4},[0-9a-f]{4})\) (\S\S) (.*?) *# *(u/l|[0-9]+), *[0-9-]+ \S+`)

// line is an element as dcmdump prints it.
type line struct {
	depth  int
	tag    string
	length int // -1: undefined, or a sequence
	value  string
}

// ourDump is the elements in the order of dcmdump, and how their values are printed.
func ourDump(d *dicom.Dataset, depth int, out []line) []line {
	for i := range d.Elements {
		e := &d.Elements[i]
		l := line{depth, strings.ToLower(e.Tag.String()), len(e.Value), ""}
		switch e.VR {
		case dicom.SQ:
			l.length = -1
		case dicom.US, dicom.SS, dicom.UL, dicom.SL, dicom.UI, dicom.CS, dicom.DS, dicom.IS, dicom.DA, dicom.TM, dicom.AS, dicom.LO, dicom.SH:
			l.value = d.String(e.Tag)
		}
		if e.Fragments != nil {
			l.length = -1
		}
		out = append(out, l)
		for _, item := range e.Items {
			out = ourDump(item, depth+1, out)
		}
	}
	return out
}

// theirDump is what dcmdump prints of the data set. Values that it prints otherwise than as text or whole numbers are
// left empty.
func theirDump(out []byte) (lines []line) {
	_, out, _ = bytes.Cut(out, []byte("# Dicom-Data-Set"))
	for s := range strings.Lines(string(out)) {
		m := dumped.FindStringSubmatch(s)
		if m == nil || m[3] == "pi" || strings.HasPrefix(m[2], "fffe") {
			continue
		}
		l := line{len(m[1]) / 4, "(" + m[2] + ")", -1, ""}
		if m[5] != "u/l" && m[3] != "SQ" {
			for _, c := range m[5] {
				l.length = max(l.length, 0)*10 + int(c-'0')
			}
		}
		v := m[4]
		switch {
		case strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]"):
			l.value = strings.Trim(v[1:len(v)-1], " \x00")
		case m[3] == "US" || m[3] == "UL" || m[3] == "SL": // US or SS is left open in implicit files
			l.value = v
		}
		lines = append(lines, l)
	}
	return lines
}

// DCMTK reads the same elements with the same lengths and values, from the real files and from what is written here.
func TestAgainstDCMTK(t *testing.T) {
	dcmdump, err := exec.LookPath("dcmdump")
	if err != nil {
		t.Skip("dcmdump is not installed (Debian package dcmtk)")
	}
	compared := 0
	compare := func(name string, data []byte) {
		path := filepath.Join(t.TempDir(), "f.dcm")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(dcmdump, "-q", "+uc", "-M", "-Un", path).Output()
		if err != nil {
			return // too damaged for it
		}
		d, err := dicom.Parse(data, dicom.Options{})
		if err != nil {
			t.Errorf("%s: DCMTK reads it, and this does not: %v", name, err)
			return
		}
		ours, theirs := ourDump(d, 0, nil), theirDump(out)
		for i := range min(len(ours), len(theirs)) {
			a, b := ours[i], theirs[i]
			if a.value == "" || b.value == "" {
				a.value, b.value = "", ""
			}
			if a.value == strings.TrimSpace(b.value) && a.depth == b.depth && a.tag == b.tag && (a.length == b.length || a.length+1 == b.length) {
				continue
			}
			t.Errorf("%s: element %d: %+v, DCMTK has %+v", name, i, ours[i], theirs[i])
			return
		}
		if len(ours) != len(theirs) {
			t.Errorf("%s: %d elements, DCMTK has %d", name, len(ours), len(theirs))
		}
		compared++
	}
	for _, folder := range []string{"edge-pydicom", "ts-ct-cornerstone"} {
		files(t, folder, func(name string, data []byte) {
			if !strings.HasPrefix(name, "dicomdir/") || filepath.Base(name) == "DICOMDIR" { // the others are alike
				compare(name, data)
			}
		})
	}
	for _, syntax := range []string{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.DeflatedExplicitVRLittleEndian} {
		d := rich()
		d.TransferSyntax = syntax
		before := compared
		compare("written as "+dicom.SyntaxName(syntax), write(t, d))
		if compared != before+1 {
			t.Errorf("DCMTK does not read what is written as %s", dicom.SyntaxName(syntax))
		}
	}
	if compared < 50 {
		t.Errorf("only %d files were compared", compared)
	}
}
