package picture_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// dcmtk is what DCMTK 3.6.7 (dcmj2pnm) shows of real files: 16x16 points in the middles of as many rectangles, through
// the file's first window or one over the range of its values.
//
//go:embed testdata/dcmtk.json
var dcmtk []byte

// Pictures of the real files are those of DCMTK, within 1 of 255 since it cuts where this rounds; colour without loss
// and masks are the same.
func TestAgainstDCMTK(t *testing.T) {
	var want map[string]struct {
		Size   [2]int `json:"size"`
		Over   string `json:"over"`
		Points []byte `json:"points"`
	}
	if err := json.Unmarshal(dcmtk, &want); err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(sourcetest.Studies(t, "edge-pydicom"))
	for name, w := range want {
		path := filepath.Join(root, filepath.FromSlash(name))
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%v", err)
			continue
		}
		d, err := dicom.ReadFile(path, dicom.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		m, err := picture.Decode(d, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Width != w.Size[0] || m.Height != w.Size[1] {
			t.Errorf("%s: %dx%d, want %v", name, m.Width, m.Height, w.Size)
			continue
		}
		var over *picture.Window
		if w.Over == "range" && m.Gray != nil {
			lo, hi := m.Gray[0], m.Gray[0]
			for _, v := range m.Gray {
				lo, hi = min(lo, v), max(hi, v)
			}
			over = &picture.Window{Center: float64(lo+hi) / 2, Width: float64(hi - lo), Function: picture.LinearExact}
		}
		got := m.RGBA(over, nil)
		channels := len(w.Points) / 256
		for i := range 256 {
			x, y := i%16*m.Width/16+m.Width/32, i/16*m.Height/16+m.Height/32
			for c := range 3 {
				a, b := int(got[4*(y*m.Width+x)+c]), int(w.Points[i*channels+c%channels])
				if a-b > 1 || b-a > 1 || a != b && (channels == 3 && m.RGB != nil && !m.Lossy && d.TransferSyntax == dicom.ExplicitVRLittleEndian) {
					t.Fatalf("%s: channel %d at %d,%d is %d, want %d", name, c, x, y, a, b)
				}
			}
		}
	}
}

// A JPEG image whose markers say YCbCr is shown in its colours although the data set says RGB, as mislabelled files do.
func TestMislabelledJPEG(t *testing.T) {
	path := filepath.Join(sourcetest.Studies(t, "ts-ct-cornerstone"), "TestPattern_JPEG-Baseline_YBRFull.dcm")
	d, err := dicom.ReadFile(path, dicom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	right, err := picture.Decode(d, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "RGB")
	got, err := picture.Decode(d, 0)
	if err != nil || !bytes.Equal(got.RGB, right.RGB) {
		t.Errorf("its colours changed: %v", err)
	}
}

// Every file, whole or damaged, gives a picture or says by name why not.
func TestEveryFile(t *testing.T) {
	pictures, refused := 0, 0
	for _, folder := range []string{"edge-pydicom", "ts-ct-cornerstone", "derived"} {
		root := sourcetest.Studies(t, folder)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			d, err := dicom.ReadFile(path, dicom.Options{})
			var m *picture.Image
			if err == nil {
				m, err = picture.Decode(d, 0)
			}
			var fault *dicom.Error
			switch {
			case err == nil && (m.Width < 1 || len(m.RGBA(nil, nil)) != 4*m.Width*m.Height):
				t.Errorf("%s: the picture is not whole", e.Name())
			case err == nil:
				pictures++
			case !errors.As(err, &fault) && !errors.Is(err, picture.ErrUnsupported):
				t.Errorf("%s: %v has no name", e.Name(), err)
			default:
				refused++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if pictures < 240 {
		t.Errorf("only %d files gave pictures, %d were refused", pictures, refused)
	}
}

// A JPEG 2000 image that has undone its own colour transform is shown in its colours.
func TestColoursOfJPEG2000(t *testing.T) {
	d, err := dicom.ReadFile(filepath.Join(sourcetest.Studies(t, "edge-pydicom"), "HTJ2KLossless_08_RGB.dcm"), dicom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := picture.Decode(d, 0)
	if errors.Is(err, dicom.ErrUnsupportedTransferSyntax) && !dicom.Decodable(d.TransferSyntax) {
		t.Skip("this build lacks the JPEG 2000 decoder")
	}
	if err != nil {
		t.Fatal(err)
	}
	var sum [3]float64
	for i, v := range m.RGB {
		sum[i%3] += float64(v) / float64(len(m.RGB)/3)
	}
	for i, want := range []float64{166.297, 132.616, 82.393} { // of Pillow
		if math.Abs(sum[i]-want) > 0.01 {
			t.Errorf("the mean of colour %d is %v, want %v", i, sum[i], want)
		}
	}
}
