// Package workertest lets the tests of a package decode in codec workers: the test program is started again as one.
package workertest

import (
	"os"
	"testing"

	_ "github.com/tomocast/tomocast/internal/dicom/codec/native"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// Main is the TestMain of a package whose tests decode compressed images:
//
//	func TestMain(m *testing.M) { workertest.Main(m) }
func Main(m *testing.M) {
	worker.Main()
	code := m.Run()
	worker.Close()
	os.Exit(code)
}
