package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker/workertest"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func TestMain(m *testing.M) { workertest.Main(m) }

var update = flag.Bool("update", false, "write the values of DCMTK and GDCM to testdata")

// start starts both oracles, or skips the test where they are not installed.
func start(t *testing.T) []*Oracle {
	t.Helper()
	oracles, err := Start(t.Context(), t.TempDir())
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(oracles) })
	return oracles
}

// frames are the samples of all frames of a file, little endian, one behind the other.
func frames(path string) ([]byte, dicom.PixelFormat, error) {
	d, err := dicom.ReadFile(path, dicom.Options{})
	if err != nil {
		return nil, dicom.PixelFormat{}, err
	}
	f, err := d.PixelFormat()
	var all []byte
	for n := 0; err == nil && n < f.Frames; n++ {
		var frame []byte
		if frame, f, err = d.DecodeFrame(n); err == nil {
			all = append(all, frame...)
		}
	}
	return all, f, err
}

// ours are the transfer syntaxes that are decoded in Go.
var ours = map[string]bool{
	dicom.RLELossless: true, "1.2.840.10008.1.2.4.50": true, "1.2.840.10008.1.2.4.51": true, "1.2.840.10008.1.2.4.53": true,
	"1.2.840.10008.1.2.4.55": true, "1.2.840.10008.1.2.4.57": true, "1.2.840.10008.1.2.4.70": true,
}

// A7: every file of these studies in JPEG or RLE has the samples that DCMTK and GDCM give, bit for bit, the lossy ones too.
func TestValues(t *testing.T) {
	root := sourcetest.Studies(t, "")
	file := filepath.Join("testdata", "values.json")
	values := map[string]map[string]string{} // file, oracle, SHA-256 of the samples
	if text, err := os.ReadFile(file); !*update && (err != nil || json.Unmarshal(text, &values) != nil) {
		t.Fatalf("read %s: %v", file, err)
	}
	var oracles []*Oracle
	if *update {
		oracles = start(t)
	}
	met := 0
	for _, folder := range []string{"ts-ct-cornerstone", "edge-pydicom"} {
		paths, err := filepath.Glob(filepath.Join(root, folder, "*.dcm"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files: %v", folder, len(paths), err)
		}
		for _, path := range paths {
			name := folder + "/" + filepath.Base(path)
			d, err := dicom.ReadFile(path, dicom.Options{StopAtPixelData: true})
			if err != nil || !ours[d.TransferSyntax] || !d.Has(dicom.PixelData) {
				continue
			}
			for _, o := range oracles {
				if samples, err := o.Samples(path, t.TempDir()); err == nil {
					if values[name] == nil {
						values[name] = map[string]string{}
					}
					values[name][o.Name] = fmt.Sprintf("%x", sha256.Sum256(samples))
				}
			}
			samples, _, err := frames(path)
			if err != nil || len(values[name]) == 0 {
				t.Errorf("%s: %d values: %v", name, len(values[name]), err)
				continue
			}
			met++
			sum := fmt.Sprintf("%x", sha256.Sum256(samples))
			for who, want := range values[name] {
				if sum != want {
					t.Errorf("%s: %d bytes of samples have the sum %s, %s has %s", name, len(samples), sum, who, want)
				}
			}
		}
	}
	if met < 15 {
		t.Errorf("only %d files were compared", met)
	}
	if *update && !t.Failed() {
		text, err := json.MarshalIndent(values, "", " ")
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// worst is the greatest difference between samples of the same size, or an error.
func worst(a, b []byte, f dicom.PixelFormat) (int, error) {
	if len(b) == len(a)+1 { // padded to an even length
		b = b[:len(a)]
	}
	if len(a) != len(b) {
		return 0, fmt.Errorf("%d and %d bytes", len(a), len(b))
	}
	most := 0
	for i := 0; i < len(a); i += f.BitsAllocated / 8 {
		v, w := int(a[i]), int(b[i])
		if f.BitsAllocated == 16 {
			v, w = int(int16(binary.LittleEndian.Uint16(a[i:]))), int(int16(binary.LittleEndian.Uint16(b[i:])))
		}
		most = max(most, v-w, w-v)
	}
	return most, nil
}

// Slices that the oracles' own tools encode, in every syntax: lossless ones are the original, lossy ones within 1 of both.
func TestAgainstOracles(t *testing.T) {
	oracles := start(t)
	root := sourcetest.Studies(t, "")
	inputs, err := Inputs(t.Context(), root, t.TempDir())
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range append(inputs, variants(t, root)...) {
		got, f, err := frames(in.Path)
		if errors.Is(err, dicom.ErrUnsupportedTransferSyntax) {
			t.Logf("%s: %v", in.Name(), err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", in.Name(), err)
			continue
		}
		if in.loss == 0 && in.Source != "" {
			want, _, err := frames(in.Source)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: samples are not those of %s: %v", in.Name(), filepath.Base(in.Source), err)
			}
		}
		read := 0
		for _, o := range oracles {
			want, err := o.Samples(in.Path, t.TempDir())
			if err != nil {
				continue // it has no such decoder
			}
			read++
			if most, err := worst(got, want, f); err != nil || most > in.loss {
				t.Errorf("%s: differs from %s by %d: %v", in.Name(), o.Name, most, err)
			}
		}
		if read == 0 {
			t.Errorf("%s: no oracle reads it", in.Name())
		}
	}
}

// variants are kinds of JPEG that scanners do not write by default: every selection value, precisions, subsampling.
func variants(t *testing.T, root string) []Input {
	tool, err := exec.LookPath("dcmcjpeg")
	if err != nil {
		t.Skip("dcmcjpeg is not installed (Debian package dcmtk)")
	}
	ct, rgb := filepath.Join(root, originals[1]), filepath.Join(root, "ts-ct-cornerstone", "TestPattern_RGB.dcm")
	mr := filepath.Join(root, "edge-pydicom", "MR_small.dcm")
	var all []Input
	for _, v := range []struct {
		source  string
		options string
		lossy   int
	}{
		{ct, "+el +sv 1", 0}, {ct, "+el +sv 2", 0}, {ct, "+el +sv 3", 0}, {ct, "+el +sv 4", 0}, {ct, "+el +sv 5", 0}, {ct, "+el +sv 7", 0},
		{mr, "+el +sv 4", 0}, {mr, "+e1", 0}, {rgb, "+e1", 0}, {rgb, "+el +sv 7", 0},
		{ct, "+ee +be", 1}, {mr, "+ee", 1}, {ct, "+ep +bt", 1}, {ct, "+es +bt", 1}, {ct, "+eb +q 100", 1}, {ct, "+eb +q 5", 1},
		{rgb, "+eb +s4", 1}, {rgb, "+eb +s2", 1}, {rgb, "+eb +n2", 1}, {rgb, "+eb +n1", 1}, {rgb, "+eb +cr", 1}, {rgb, "+ep +n1", 1},
	} {
		path := filepath.Join(t.TempDir(), strings.ReplaceAll(v.options, " ", "")+".dcm")
		args := append(strings.Fields(v.options), v.source, path)
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("dcmcjpeg %s: %v: %s", v.options, err, out)
		}
		in := Input{Path: path, syntax: syntax{loss: v.lossy}}
		if v.lossy == 0 {
			in.Source = v.source
		}
		all = append(all, in)
	}
	return all
}

func TestRows(t *testing.T) {
	rows := Rows([]Row{
		{Syntax: "A", Ours: 1, DCMTK: 2, GDCM: math.NaN(), Child: 0.1, Ratio: 0.5, Bar: 1.3},
		{Syntax: "B", Ours: 1, DCMTK: math.NaN(), GDCM: math.NaN(), Child: math.NaN(), Ratio: math.NaN(), Bar: 1.3},
		{Syntax: "C", Ours: math.NaN(), DCMTK: 3, GDCM: 4, Child: math.NaN(), Ratio: math.NaN(), Bar: 1.3},
	})
	var missed, ratios int
	for _, r := range rows {
		if r.BarIs == bench.AtMost {
			ratios++
		}
		if !r.Met() {
			missed++
		}
	}
	if len(rows) != 2+1+1+1+2+1 || ratios != 2 || missed != 1 {
		t.Errorf("%d rows, %d ratios, %d missed: %v", len(rows), ratios, missed, rows)
	}
}
