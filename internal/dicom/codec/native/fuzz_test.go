package native_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/codectest"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// The libraries run in children, so that what they do to their process is no finding: only a parent that hangs, or that
// takes less than a whole image or an unnamed error for an answer, is, and a panic of the Go code around them.

func FuzzJPEGLS(f *testing.F)   { fuzz(f, worker.JPEGLS, "../jpegls") }
func FuzzJPEG2000(f *testing.F) { fuzz(f, worker.JPEG2000, "../jpeg2000") }

func fuzz(f *testing.F, kind worker.Kind, folder string) {
	for _, m := range codectest.ImagesOf(f, folder) {
		f.Add(m.Stream, uint16(m.Width), uint16(m.Height), uint8(m.Components))
	}
	pool := worker.New(worker.Config{Processes: 1, MaxMemoryBytes: 128 << 20, Timeout: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	f.Cleanup(pool.Close)
	f.Fuzz(func(t *testing.T, frame []byte, width, height uint16, components uint8) {
		want := codec.Want{Width: int(width), Height: int(height), Components: int(components)}
		began := time.Now()
		m, err := pool.Decoder(kind)(frame, want)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			if strings.Contains(err.Error(), "panic") {
				t.Fatalf("the Go side of a decoder: %v", err)
			}
			for _, known := range []error{codec.ErrCorrupt, codec.ErrTruncated, codec.ErrUnsupported, codec.ErrMismatch, codec.ErrLimit} {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("an error without a name: %v", err)
		}
		if m.Width != want.Width || m.Height != want.Height || m.Components != want.Components || m.Bits < 1 || m.Bits > 32 ||
			len(m.Pix) != m.Width*m.Height*m.Components*m.SampleBytes() {
			t.Errorf("%+v was asked for, it is %dx%dx%d of %d bits in %d bytes", want, m.Width, m.Height, m.Components, m.Bits, len(m.Pix))
		}
	})
}
