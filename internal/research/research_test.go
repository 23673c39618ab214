package research_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// truth is what nibabel (NIfTI) and NumPy (NRRD) read of a file: LPS, values as float32 with i fastest.
type truth struct {
	Size           [3]int
	Times          int
	Origin         [3]float64
	Axes           [3][3]float64
	Min, Max, Mean float64
	SHA256         string
}

// values reads all values, scaled, i fastest.
func values(m *research.Image) ([]float64, error) {
	n := m.Size[0] * m.Size[1]
	out := make([]float64, 0, m.Samples()*m.Times)
	plane := make([]float64, n)
	err := m.Read(func(t, k int, raw []byte) error {
		if len(out) != n*(k+m.Size[2]*t) {
			return fmt.Errorf("plane %d of time %d came out of order", k, t)
		}
		m.Float64s(plane, raw)
		for _, v := range plane {
			out = append(out, v*m.Slope+m.Intercept)
		}
		return nil
	})
	return out, err
}

func TestTruth(t *testing.T) {
	dir := sourcetest.Studies(t, "")
	raw, err := os.ReadFile("testdata/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]truth
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		t.Run(name, func(t *testing.T) {
			m, err := research.Open(os.DirFS(dir), name)
			if err != nil {
				t.Fatal(err)
			}
			if m.Size != want.Size || m.Times != want.Times || !m.Placed || len(m.Warnings) > 0 {
				t.Errorf("size %v, times %d, placed %v, warnings %v", m.Size, m.Times, m.Placed, m.Warnings)
			}
			for a := range 3 {
				for i := range 3 {
					if math.Abs(m.Axes[a][i]-want.Axes[a][i]) > 1e-5 || math.Abs(m.Origin[i]-want.Origin[i]) > 1e-4 {
						t.Errorf("axis %d is %v at %v, want %v at %v", a, m.Axes[a], m.Origin, want.Axes[a], want.Origin)
						break
					}
				}
			}
			v, err := values(m)
			if err != nil {
				t.Fatal(err)
			}
			lo, hi, sum := math.Inf(1), math.Inf(-1), 0.0
			h := sha256.New()
			var b [4]byte
			for _, f := range v {
				lo, hi, sum = min(lo, f), max(hi, f), sum+f
				binary.LittleEndian.PutUint32(b[:], math.Float32bits(float32(f)))
				h.Write(b[:])
			}
			if lo != want.Min || hi != want.Max || math.Abs(sum/float64(len(v))-want.Mean) > 1e-6 {
				t.Errorf("min %g max %g mean %g, want %g %g %g", lo, hi, sum/float64(len(v)), want.Min, want.Max, want.Mean)
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 {
				t.Errorf("sha256 %s, want %s", got, want.SHA256)
			}
		})
	}
}

func TestSlicerSegments(t *testing.T) {
	m, err := research.Open(os.DirFS(sourcetest.Studies(t, "nrrd")), "Segmentation.seg.nrrd")
	if err != nil {
		t.Fatal(err)
	}
	if !m.Labels || len(m.Segments) < 4 || m.Segments[0].Name != "ribs" || m.Segments[3].Value != 4 || m.Segments[0].Color != [3]float64{0.992157, 0.909804, 0.619608} {
		t.Errorf("segments %+v", m.Segments)
	}
}

// sample is a value that tells its own place.
func sample(t, k, j, i int) int { return 1 + i + 3*j + 12*k + 60*t }

// size of the generated images: 3 x 4 x 5, two time points.
var size = [4]int{3, 4, 5, 2}

// stored writes samples of a type in an order of axes, the fastest first.
func stored(order binary.AppendByteOrder, kind string, axes []int) []byte {
	var out []byte
	var at [4]int
	n := 1
	for _, a := range axes {
		n *= size[a]
	}
	for range n {
		v := sample(at[3], at[2], at[1], at[0])
		switch kind {
		case "int8", "uint8":
			out = append(out, byte(v))
		case "int16", "uint16":
			out = order.AppendUint16(out, uint16(v))
		case "int32", "uint32":
			out = order.AppendUint32(out, uint32(v))
		case "int64", "uint64":
			out = order.AppendUint64(out, uint64(v))
		case "float":
			out = order.AppendUint32(out, math.Float32bits(float32(v)))
		case "double":
			out = order.AppendUint64(out, math.Float64bits(float64(v)))
		}
		for _, a := range axes {
			if at[a]++; at[a] < size[a] {
				break
			}
			at[a] = 0
		}
	}
	return out
}

// same checks every value against sample.
func same(t *testing.T, what string, m *research.Image, err error, times int) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	v, err := values(m)
	if err != nil || m.Times != times {
		t.Errorf("%s: %d time points, %v", what, m.Times, err)
		return
	}
	n := 0
	for at := range times {
		for k := range 5 {
			for j := range 4 {
				for i := range 3 {
					if want := float64(sample(at, k, j, i))*m.Slope + m.Intercept; v[n] != want {
						t.Errorf("%s: value (%d,%d,%d) of time %d is %g, want %g", what, i, j, k, at, v[n], want)
						return
					}
					n++
				}
			}
		}
	}
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func nrrd(fields ...string) string { return "NRRD0005\n" + strings.Join(fields, "\n") + "\n" }

const placed = "space: left-posterior-superior\nspace directions: (0,0,2) (1,0,0) (0,1.5,0)\nspace origin: (10,20,30)"

func TestNRRD(t *testing.T) {
	for _, kind := range []string{"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float", "double"} {
		for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
			raw := stored(order, kind, []int{0, 1, 2})
			head := nrrd("type: "+kind, "dimension: 3", "sizes: 3 4 5", "endian: "+name, placed)
			var ascii strings.Builder
			for i, v := range stored(binary.BigEndian, "uint8", []int{0, 1, 2}) {
				fmt.Fprintf(&ascii, "%d%c", v, " \n"[i%2])
			}
			files := fstest.MapFS{
				"raw.nrrd":    {Data: append([]byte(head+"encoding: raw\n\n"), raw...)},
				"gz.nrrd":     {Data: append([]byte(head+"encoding: gzip\n\n"), gz(raw)...)},
				"hex.nrrd":    {Data: []byte(head + "encoding: hex\n\n" + hex.EncodeToString(raw[:20]) + "\n" + hex.EncodeToString(raw[20:]))},
				"ascii.nrrd":  {Data: []byte(head + "encoding: ascii\n\n" + ascii.String())},
				"d/one.nhdr":  {Data: []byte(head + "encoding: raw\ndata file: sub/one.raw\n")},
				"d/end.nhdr":  {Data: []byte(head + "encoding: raw\nbyte skip: -1\ndata file: sub/skip.raw\n")},
				"d/skip.nhdr": {Data: []byte(head + "encoding: raw\nline skip: 1\nbyte skip: 3\ndata file: sub/skip.raw\n")},
				"d/list.nhdr": {Data: []byte(head + "encoding: raw\ndata file: LIST\ns1.raw\ns2.raw\ns3.raw\ns4.raw\ns5.raw\n")},
				"d/pat.nhdr":  {Data: []byte(head + "encoding: gzip\ndata file: p%02d.gz 1 5 1\n")},
			}
			files["d/sub/one.raw"] = &fstest.MapFile{Data: raw}
			files["d/sub/skip.raw"] = &fstest.MapFile{Data: append([]byte("a line\nxyz"), raw...)}
			for k := range 5 {
				part := raw[k*len(raw)/5 : (k+1)*len(raw)/5]
				files[fmt.Sprintf("d/s%d.raw", k+1)] = &fstest.MapFile{Data: part}
				files[fmt.Sprintf("d/p%02d.gz", k+1)] = &fstest.MapFile{Data: gz(part)}
			}
			for path := range files {
				if !strings.HasSuffix(path, ".nrrd") && !strings.HasSuffix(path, ".nhdr") {
					continue
				}
				m, err := research.Open(files, path)
				same(t, kind+" "+name+" "+path, m, err, 1)
				if err == nil && (m.Axes != [3][3]float64{{0, 0, 2}, {1, 0, 0}, {0, 1.5, 0}} || m.Origin != [3]float64{10, 20, 30} || !m.Placed) {
					t.Errorf("%s: axes %v at %v", path, m.Axes, m.Origin)
				}
			}
		}
	}
}

// A dimension that is no direction in space may stand anywhere.
func TestNRRDOrderOfAxes(t *testing.T) {
	for _, axes := range [][]int{{0, 1, 2, 3}, {3, 0, 1, 2}, {0, 3, 1, 2}, {0, 1, 3, 2}} {
		var sizes, kinds, directions []string
		for _, a := range axes {
			sizes = append(sizes, fmt.Sprint(size[a]))
			kinds = append(kinds, map[bool]string{true: "list", false: "domain"}[a == 3])
			directions = append(directions, []string{"(1,0,0)", "(0,1,0)", "(0,0,1)", "none"}[a])
		}
		head := nrrd("type: short", "dimension: 4", "sizes: "+strings.Join(sizes, " "), "kinds: "+strings.Join(kinds, " "),
			"space: RAS", "space directions: "+strings.Join(directions, " "), "endian: little", "encoding: raw")
		m, err := research.Open(fstest.MapFS{"x.nrrd": {Data: append([]byte(head), append([]byte("\n"), stored(binary.LittleEndian, "int16", axes)...)...)}}, "x.nrrd")
		if err != nil {
			t.Fatal(axes, err)
		}
		same(t, fmt.Sprint(axes), m, err, 2)
		if m.Axes != [3][3]float64{{-1, 0, 0}, {0, -1, 0}, {0, 0, 1}} {
			t.Errorf("%v: from RAS to LPS: %v", axes, m.Axes)
		}
	}
}

// nifti writes a NIfTI-1 header with what change sets, and 4 bytes of no extension.
func nifti(order binary.ByteOrder, change func(b []byte)) []byte {
	b := make([]byte, 352)
	order.PutUint32(b, 348)
	for i, d := range []int{4, 3, 4, 5, 2} {
		order.PutUint16(b[40+2*i:], uint16(d))
	}
	order.PutUint16(b[70:], 4)
	for i, p := range []float32{1, 2, 3, 4, 0.5} {
		order.PutUint32(b[76+4*i:], math.Float32bits(p))
	}
	order.PutUint32(b[108:], math.Float32bits(352))
	b[123] = 2 | 8
	copy(b[344:], "n+1\x00")
	if change != nil {
		change(b)
	}
	return b
}

func float(b []byte, at int, f float32) { binary.LittleEndian.PutUint32(b[at:], math.Float32bits(f)) }

func TestNIfTI(t *testing.T) {
	raw := stored(binary.LittleEndian, "int16", []int{0, 1, 2, 3})
	qform := func(b []byte) { // a quarter turn about z: i goes to +y, j to -x (RAS)
		b[252] = 1
		float(b, 264, float32(math.Sqrt2/2))
		float(b, 268, 10)
		float(b, 112, 2)
		float(b, 116, -1024)
	}
	pair := nifti(binary.LittleEndian, func(b []byte) { qform(b); copy(b[344:], "ni1\x00"); float(b, 108, 0) })[:348]
	files := fstest.MapFS{
		"le.nii":    {Data: append(nifti(binary.LittleEndian, qform), raw...)},
		"gz.nii.gz": {Data: gz(append(nifti(binary.LittleEndian, qform), raw...))},
		"p.hdr":     {Data: pair}, "p.img": {Data: raw},
		"q.hdr.gz": {Data: gz(pair)}, "q.img.gz": {Data: gz(raw)},
	}
	for _, name := range []string{"le.nii", "gz.nii.gz", "p.hdr", "q.hdr.gz"} {
		m, err := research.Open(files, name)
		same(t, name, m, err, 2)
		if err != nil {
			continue
		}
		want := [3][3]float64{{0, -2, 0}, {3, 0, 0}, {0, 0, 4}}
		for a := range 3 {
			for i := range 3 {
				if math.Abs(m.Axes[a][i]-want[a][i]) > 1e-5 {
					t.Errorf("%s: axes %v, want %v", name, m.Axes, want)
				}
			}
		}
		if m.Origin != [3]float64{-10, 0, 0} || m.Slope != 2 || m.Intercept != -1024 || m.StepMs != 500 || !m.Placed {
			t.Errorf("%s: origin %v, slope %g, intercept %g, step %g ms", name, m.Origin, m.Slope, m.Intercept, m.StepMs)
		}
	}
	m, err := research.Open(fstest.MapFS{"be": {Data: append(nifti(binary.BigEndian, nil), stored(binary.BigEndian, "int16", []int{0, 1, 2, 3})...)}}, "be")
	same(t, "big endian", m, err, 2)
	if err == nil && (m.Placed || len(m.Warnings) != 1) {
		t.Errorf("without a form: placed %v, warnings %v", m.Placed, m.Warnings)
	}
}

func TestRefused(t *testing.T) {
	head := "type: short\ndimension: 3\nsizes: 3 4 5\nendian: little\n" + placed + "\n"
	nii := func(change func([]byte)) string {
		return string(append(nifti(binary.LittleEndian, change), make([]byte, 240)...))
	}
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"empty":                  {"", research.ErrFormat},
		"text":                   {"hello, world", research.ErrFormat},
		"version":                {"NRRD0009\n\n", research.ErrUnsupported},
		"no fields":              {"NRRD0004\n\n", research.ErrUnsupported},
		"line without a colon":   {"NRRD0004\nhello\n\n", research.ErrCorrupt},
		"leaves the folder":      {nrrd(head + "encoding: raw\ndata file: ../../etc/passwd"), research.ErrCorrupt},
		"absolute":               {nrrd(head + "encoding: raw\ndata file: /etc/passwd"), research.ErrCorrupt},
		"drive":                  {nrrd(head + `encoding: raw` + "\n" + `data file: C:\x.raw`), research.ErrCorrupt},
		"truncated":              {nrrd(head+"encoding: raw\n") + "abc", research.ErrTruncated},
		"truncated gzip":         {nrrd(head+"encoding: gzip\n") + string(gz(stored(binary.LittleEndian, "int16", []int{0, 1, 2}))[:40]), research.ErrTruncated},
		"no gzip":                {nrrd(head+"encoding: gzip\n") + "abc", research.ErrCorrupt},
		"ascii garbage":          {nrrd(head+"encoding: ascii\n") + "1 2 x", research.ErrCorrupt},
		"ascii too large":        {nrrd(head+"encoding: ascii\n") + "70000", research.ErrCorrupt},
		"encoding":               {nrrd(head+"encoding: zstd\n") + "abc", research.ErrUnsupported},
		"huge":                   {nrrd("type: short\ndimension: 3\nsizes: 60000 60000 60000\nencoding: gzip\nendian: little\n" + placed + "\n"), research.ErrLimit},
		"negative":               {nrrd("type: short\ndimension: 3\nsizes: -3 4 5\nencoding: gzip\nendian: little\n"), research.ErrCorrupt},
		"no byte order":          {nrrd("type: short\ndimension: 3\nsizes: 3 4 5\nencoding: raw\n"), research.ErrCorrupt},
		"vectors":                {nrrd("type: short\ndimension: 4\nsizes: 3 3 4 5\nkinds: vector domain domain domain\nspace: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\nendian: little\n"), research.ErrUnsupported},
		"flat axes":              {nrrd("type: short\ndimension: 3\nsizes: 3 4 5\nspace: LPS\nspace directions: (1,0,0) (1,0,0) (0,0,1)\nencoding: raw\nendian: little\n"), research.ErrCorrupt},
		"infinite axes":          {nrrd("type: short\ndimension: 3\nsizes: 3 4 5\nspace: LPS\nspace directions: (inf,0,0) (0,1,0) (0,0,1)\nencoding: raw\nendian: little\n"), research.ErrCorrupt},
		"nifti truncated header": {nii(nil)[:100], research.ErrTruncated},
		"nifti truncated":        {nii(nil)[:400], research.ErrTruncated},
		"nifti magic":            {nii(func(b []byte) { copy(b[344:], "abc") }), research.ErrCorrupt},
		"analyze":                {nii(func(b []byte) { clear(b[344:348]) }), research.ErrUnsupported},
		"nifti colours":          {nii(func(b []byte) { b[70] = 128 }), research.ErrUnsupported},
		"nifti complex":          {nii(func(b []byte) { b[70] = 32 }), research.ErrUnsupported},
		"nifti type":             {nii(func(b []byte) { b[70] = 77 }), research.ErrCorrupt},
		"nifti dimensions":       {nii(func(b []byte) { b[40] = 9 }), research.ErrCorrupt},
		"nifti no samples":       {nii(func(b []byte) { b[42] = 0 }), research.ErrCorrupt},
		"nifti vectors":          {nii(func(b []byte) { b[40], b[50] = 5, 3 }), research.ErrUnsupported},
		"nifti offset":           {nii(func(b []byte) { float(b, 108, 8) }), research.ErrCorrupt},
		"nifti offset NaN":       {nii(func(b []byte) { float(b, 108, float32(math.NaN())) }), research.ErrCorrupt},
		"nifti flat":             {nii(func(b []byte) { b[254] = 1 }), research.ErrCorrupt},
		"nifti slope":            {nii(func(b []byte) { float(b, 112, 1); float(b, 116, float32(math.Inf(1))) }), research.ErrCorrupt},
	} {
		files := fstest.MapFS{"f": {Data: []byte(c.file)}, "etc/passwd": {Data: []byte("x")}}
		m, err := research.Open(files, "f")
		if err == nil {
			err = m.Read(func(int, int, []byte) error { return nil })
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzOpen reads what bytes there are as either format: without a panic, and without more memory than a row takes
// beyond the planes of small images.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(nrrd("type: short\ndimension: 3\nsizes: 3 4 5\nendian: little\nencoding: gzip\n"+placed+"\n") + string(gz(make([]byte, 120)))))
	f.Add([]byte(nrrd("type: float\ndimension: 2\nsizes: 3 4\nspacings: 1 2\nencoding: ascii\n") + "1 2 3 4 5 6 7 8 9 10 11 12"))
	f.Add([]byte(nrrd("type: uchar\ndimension: 4\nsizes: 2 3 4 5\nkinds: list domain domain domain\nencoding: hex\n") + strings.Repeat("07", 120)))
	f.Add(append(nifti(binary.LittleEndian, nil), make([]byte, 240)...))
	f.Add(append(nifti(binary.BigEndian, nil), make([]byte, 240)...))
	f.Fuzz(func(_ *testing.T, data []byte) {
		m, err := research.Open(fstest.MapFS{"f": {Data: data}, "x.raw": {Data: data}}, "f")
		if err != nil || m.Samples()*m.Times > 1<<20 {
			return
		}
		_, _ = values(m)
	})
}
