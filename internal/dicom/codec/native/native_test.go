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

// jpeg2000Uncounted is the decoder without an estimate of its memory, so that only the cap holds it.
const jpeg2000Uncounted worker.Kind = "2000, uncounted"

func init() {
	worker.Register(jpeg2000Uncounted, worker.Codec{Decode: jpeg2000.DecodeTo, Memory: func(codec.Want) int64 { return 0 }})
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

// A file whose codestream has been written over, in the size of the image: neither DCMTK nor GDCM reads it.
func TestACodestreamWithAnotherSize(t *testing.T) {
	_, err := decodeFile(filepath.Join(sourcetest.Studies(t, "edge-pydicom"), "JPEG2000-embedded-sequence-delimiter.dcm"))
	if err == nil || !strings.Contains(err.Error(), "3722445056x1024") {
		t.Errorf("it says: %v", err)
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

// The estimate is enough for an image.
func TestMemoryIsEnough(t *testing.T) {
	for _, test := range []struct {
		file   string
		kind   worker.Kind
		memory func(codec.Want) int64
	}{
		{"edge-pydicom/RG3_J2KR.dcm", worker.JPEG2000, jpeg2000.Memory},
		{"ts-ct-cornerstone/TestPattern_JPEG-LS-Lossless.dcm", worker.JPEGLS, jpegls.Memory},
	} {
		data, w := frames(t, test.file)
		pool := worker.New(worker.Config{Processes: 1, MaxMemoryBytes: test.memory(w) + int64(len(data[0]))})
		if _, err := pool.Decoder(test.kind)(data[0], w); err != nil {
			t.Errorf("%s: %v", test.file, err)
		}
		pool.Close()
	}
}

// An image of a few kilobytes that expands to hundreds of megabytes is refused by the estimate; the cap would hold it
// as well, and the process decodes on.
func TestAnImageThatExpands(t *testing.T) {
	frame, err := os.ReadFile("testdata/8192x8192.j2k") // all of one value, 12 bits
	if err != nil {
		t.Fatal(err)
	}
	pool := worker.New(worker.Config{Processes: 1, MaxMemoryBytes: 64 << 20})
	defer pool.Close()
	for _, kind := range []worker.Kind{worker.JPEG2000, jpeg2000Uncounted} {
		if _, err := pool.Decoder(kind)(frame, codec.Want{Width: 8192, Height: 8192, Components: 1}); !errors.Is(err, codec.ErrLimit) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	data, w := frames(t, "edge-pydicom/MR_small_jp2klossless.dcm")
	if _, err := pool.Decoder(worker.JPEG2000)(data[0], w); err != nil {
		t.Errorf("another image after that: %v", err)
	}
}
