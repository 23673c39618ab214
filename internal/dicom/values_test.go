package dicom_test

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

// trueValues is what pydicom 2.3.1 reads (with GDCM, where the pixels are compressed), by file: the sha256 of all
// samples of all frames as float64, little endian, before the modality transform; or, under "error", that it reads
// nothing. "by" names another reader where pydicom has none or is known to be wrong.
//
//go:embed testdata/values.json
var trueValues []byte

type truth struct {
	Shape  []int   `json:"shape"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	SHA256 string  `json:"sha256"`
	Error  string  `json:"error"`
	By     string  `json:"by"`
}

// lossy says which files may differ by 1 in each sample, since decoders round in different ways.
func lossy(name string) bool {
	for _, s := range []string{".4.50", ".4.51", ".51.dcm", "JPEG-Baseline", ".4.91", ".4.53", ".4.55"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// allValues is the samples of every frame.
func allValues(d *dicom.Dataset) ([]float64, error) {
	var out []float64
	n := d.Frames()
	if n == 0 {
		_, err := d.PixelFormat()
		return nil, err
	}
	for i := range n {
		raw, f, err := d.DecodeFrame(i)
		if err != nil {
			return nil, err
		}
		if f.Planar {
			raw = byPixel(f, raw)
		}
		v := make([]float64, f.FrameSamples())
		if !f.Float64s(v, raw) {
			return nil, errors.New("samples do not fit their description")
		}
		out = append(out, v...)
	}
	return out, nil
}

// byPixel brings planes of bytes together.
func byPixel(f dicom.PixelFormat, raw []byte) []byte {
	out := make([]byte, len(raw))
	n := f.Rows * f.Columns
	for i := range n {
		for s := range f.SamplesPerPixel {
			out[i*f.SamplesPerPixel+s] = raw[s*n+i]
		}
	}
	return out
}

func sum(v []float64) string {
	h := sha256.New()
	b := make([]byte, 0, 8*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

// TestTrueValues: every file gives exactly the values that another reader finds in it, or says by name why not.
func TestTrueValues(t *testing.T) {
	var want map[string]truth
	if err := json.Unmarshal(trueValues, &want); err != nil {
		t.Fatal(err)
	}
	exact, refused := 0, 0
	for _, folder := range []string{"edge-pydicom", "ts-ct-cornerstone", "derived"} {
		files(t, folder, func(name string, data []byte) {
			w, ok := want[folder+"/"+name]
			if !ok {
				return // research formats
			}
			d, err := dicom.Parse(data, dicom.Options{})
			var got []float64
			if err == nil {
				got, err = allValues(d)
			}
			if err != nil {
				var fault *dicom.Error
				if !errors.As(err, &fault) || fault.Reason == "" {
					t.Errorf("%s: %v has no name", name, err)
				}
				if w.Error == "" && !mayRefuse(name, d, err) {
					t.Errorf("%s: %v", name, err)
				}
				refused++
				return
			}
			exact++
			lo, hi := math.Inf(1), math.Inf(-1)
			for _, v := range got {
				lo, hi = min(lo, v), max(hi, v)
			}
			switch {
			case w.Error != "":
				t.Errorf("%s: values %v to %v, where no reader finds any: %s", name, lo, hi, w.Error)
			case lossy(name):
				if math.Abs(lo-w.Min) > 1 || math.Abs(hi-w.Max) > 1 {
					t.Errorf("%s: values %v to %v, want %v to %v", name, lo, hi, w.Min, w.Max)
				}
			case sum(got) != w.SHA256:
				t.Errorf("%s: values %v to %v differ from the truth, %v to %v", name, lo, hi, w.Min, w.Max)
			}
		})
	}
	t.Logf("%d files exact, %d refused", exact, refused)
}

// mayRefuse says which faults are named although another reader finds values.
func mayRefuse(name string, d *dicom.Dataset, err error) bool {
	if errors.Is(err, dicom.ErrUnsupportedTransferSyntax) {
		return !dicom.Decodable(d.TransferSyntax) // in this build
	}
	return strings.HasPrefix(name, "fuzz/") // damaged, and said so
}
