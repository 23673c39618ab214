package native_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker/workertest"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func TestMain(m *testing.M) { workertest.Main(m) }

func TestDump(t *testing.T) {
	for _, g := range []string{"ts-ct-cornerstone/*JPEGLS*", "ts-ct-cornerstone/*JPEG-LS*", "ts-ct-cornerstone/*JPEG2000*", "edge-pydicom/*", "derived/htj2k*/*", "derived/fuzz/MR_small_jp2k*"} {
		files, _ := filepath.Glob(filepath.Join(sourcetest.Studies(t, "."), g))
		for _, p := range files {
			b, err := os.ReadFile(p)
			if err != nil {
				continue
			}
			d, err := dicom.Parse(b, dicom.Options{})
			if err != nil {
				t.Log(filepath.Base(p), "parse", err)
				continue
			}
			switch d.TransferSyntax {
			case "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201":
			default:
				continue
			}
			f, err := d.PixelFormat()
			if err != nil {
				t.Log(filepath.Base(p), "format", err)
				continue
			}
			h := sha256.New()
			for n := range f.Frames {
				raw, _, err := d.DecodeFrame(n)
				if err != nil {
					t.Log(filepath.Base(p), n, err)
					break
				}
				h.Write(raw)
			}
			t.Log(filepath.Base(p), hex.EncodeToString(h.Sum(nil))[:16])
		}
	}
}
