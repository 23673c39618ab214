package native_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpeg2000"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpegls"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker/workertest"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func TestMain(m *testing.M) { workertest.Main(m) }

// The decoders without an estimate of their memory, so that only the cap holds them.
const (
	jpeglsUncounted   worker.Kind = "LS, uncounted"
	jpeg2000Uncounted worker.Kind = "2000, uncounted"
)

func init() {
	none := func(codec.Want) int64 { return 0 }
	worker.Register(jpeglsUncounted, worker.Codec{Decode: jpegls.DecodeTo, Memory: none})
	worker.Register(jpeg2000Uncounted, worker.Codec{Decode: jpeg2000.DecodeTo, Memory: none})
}

// truth is what other decoders make of a file: its samples, little endian, interleaved by pixel, all frames one
// behind the other.
type truth struct {
	File, Syntax string
	SHA256       string
	// Every8th is a file in testdata with every 8th sample of every 8th row as int16, for a lossy image whose
	// decoders may differ by 1.
	Every8th string
	By       []string // the decoders, which agree
}

func truths(t testing.TB) []truth {
	t.Helper()
	b, err := os.ReadFile("testdata/true.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []truth
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatalf("testdata/true.json: %v", err)
	}
	return all
}

func kindOf(syntax string) worker.Kind {
	if strings.HasSuffix(syntax, ".80") || strings.HasSuffix(syntax, ".81") {
		return worker.JPEGLS
	}
	return worker.JPEG2000
}

func TestTrueValues(t *testing.T) {
	for _, want := range truths(t) {
		t.Run(filepath.Base(want.File), func(t *testing.T) {
			data, w := frames(t, want.File)
			var all []byte
			for i, frame := range data {
				m, err := worker.Decoder(kindOf(want.Syntax))(frame, w)
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				all = append(all, m.Pix...)
			}
			if want.Every8th != "" {
				compareEvery8th(t, all, w, want.Every8th)
				return
			}
			if sum := sha256.Sum256(all); hex.EncodeToString(sum[:]) != want.SHA256 {
				t.Errorf("the samples differ from those of %v", want.By)
			}
		})
	}
}

// compareEvery8th compares samples of 16 bits with a file of every 8th; they may differ by 1.
func compareEvery8th(t *testing.T, all []byte, w codec.Want, file string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for y := 0; y < w.Height; y += 8 {
		for x := 0; x < w.Width; x += 8 {
			v := int16(binary.LittleEndian.Uint16(want))
			want = want[2:]
			if d := int16(binary.LittleEndian.Uint16(all[2*(y*w.Width+x):])) - v; d < -1 || d > 1 {
				t.Fatalf("the sample at %d,%d differs by %d", x, y, d)
			}
		}
	}
}

// A CT slice is the same in every lossless syntax, by the way that the renderer reads it.
func TestLosslessSlicesAreTheSlice(t *testing.T) {
	raw := func(uid string) []byte {
		found, err := filepath.Glob(filepath.Join(sourcetest.Studies(t, "ts-ct-cornerstone"), "CTImage.dcm_*_"+uid+".dcm"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%d files in %s, %v", len(found), uid, err)
		}
		d, err := dicom.ReadFile(found[0], dicom.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Frame(0)
		if err != nil {
			t.Fatalf("%s: %v", uid, err)
		}
		return b
	}
	want := raw(dicom.ExplicitVRLittleEndian)
	for _, uid := range []string{"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"} {
		if !bytes.Equal(raw(uid), want) {
			t.Errorf("%s: other samples", dicom.SyntaxName(uid))
		}
	}
}

// The whole of the study folders that hold these syntaxes: values or an error by name, the hostile ones too.
func TestFuzzedFiles(t *testing.T) {
	good := frameOf(t, "edge-pydicom/MR_small_jp2klossless.dcm")
	files, err := filepath.Glob(filepath.Join(sourcetest.Studies(t, "derived/fuzz"), "MR_small_jp2klossless*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	exact, refused := 0, 0
	for _, path := range files {
		began := time.Now()
		b, err := decodeFile(path)
		var named *dicom.Error
		switch {
		case err == nil && bytes.Equal(b, good):
			exact++
		case err == nil:
			t.Errorf("%s: other samples, and not a word", filepath.Base(path))
		case errors.As(err, &named), errors.Is(err, fs.ErrNotExist):
			refused++
		default:
			t.Errorf("%s: %v is no *dicom.Error", filepath.Base(path), err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s takes %v", filepath.Base(path), took)
		}
	}
	t.Logf("%d exact, %d refused", exact, refused)
}

func decodeFile(path string) ([]byte, error) {
	d, err := dicom.ReadFile(path, dicom.Options{})
	if err != nil {
		return nil, err
	}
	return d.Frame(0)
}

func frameOf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := decodeFile(filepath.Join(sourcetest.Studies(t, "."), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// JPEG 2000 has no check sum. What the decoder leaves at the end of a code block shows most damage, though not all;
// JPEG-LS shows less of it.
func TestMostDamageShows(t *testing.T) {
	data, w := frames(t, "edge-pydicom/MR_small_jp2klossless.dcm")
	decode := worker.Decoder(worker.JPEG2000)
	good, err := decode(data[0], w)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	wrong, refused := 0, 0
	for range 300 {
		b := bytes.Clone(data[0])
		b[120+random.IntN(len(b)-120)] ^= 1 << random.IntN(8) // behind the headers
		m, err := decode(b, w)
		switch {
		case err != nil:
			refused++
		case !bytes.Equal(m.Pix, good.Pix):
			wrong++
		}
	}
	if refused < 3*wrong {
		t.Errorf("of images with one wrong bit %d were refused, %d decoded to other values", refused, wrong)
	}
}

// The estimate is enough for an image, and what goes beyond the cap is an error of that image.
func TestMemory(t *testing.T) {
	for _, test := range []struct {
		file             string
		kind, uncounted  worker.Kind
		memory           func(codec.Want) int64
		tooLittle        int64
		anotherAfterward string
	}{
		{"edge-pydicom/RG3_J2KR.dcm", worker.JPEG2000, jpeg2000Uncounted, jpeg2000.Memory, 12 << 20, "edge-pydicom/MR_small_jp2klossless.dcm"},
		{"ts-ct-cornerstone/TestPattern_JPEG-LS-Lossless.dcm", worker.JPEGLS, jpeglsUncounted, jpegls.Memory, 0, ""},
	} {
		data, w := frames(t, test.file)
		pool := worker.New(worker.Config{Processes: 1, MaxMemoryBytes: test.memory(w) + int64(len(data[0]))})
		if _, err := pool.Decoder(test.kind)(data[0], w); err != nil {
			t.Errorf("%s with as much memory as was estimated: %v", test.file, err)
		}
		pool.Close()
		if test.tooLittle == 0 {
			continue
		}
		pool = worker.New(worker.Config{Processes: 1, MaxMemoryBytes: test.tooLittle})
		if _, err := pool.Decoder(test.kind)(data[0], w); !errors.Is(err, codec.ErrLimit) {
			t.Errorf("%s with too little memory, by the estimate: %v", test.file, err)
		}
		if _, err := pool.Decoder(test.uncounted)(data[0], w); !errors.Is(err, codec.ErrLimit) {
			t.Errorf("%s with too little memory, by the cap: %v", test.file, err)
		}
		data, w = frames(t, test.anotherAfterward)
		if _, err := pool.Decoder(test.uncounted)(data[0], w); err != nil {
			t.Errorf("another image after that: %v", err)
		}
		pool.Close()
	}
}
