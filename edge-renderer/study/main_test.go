package study_test

import (
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec/worker/workertest"
)

// The codecs in child processes are programs of their own: this one starts itself again.
func TestMain(m *testing.M) { workertest.Main(m) }
