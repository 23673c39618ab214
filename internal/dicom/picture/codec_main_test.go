package picture_test

import (
	"os"
	"testing"

	_ "github.com/tomocast/tomocast/internal/dicom/codec/native" // JPEG-LS and JPEG 2000
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// TestMain lets the codecs decode in children of the test, as they do in a program.
func TestMain(m *testing.M) {
	worker.Main()
	code := m.Run()
	worker.Close()
	os.Exit(code)
}
