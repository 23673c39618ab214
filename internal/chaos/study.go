package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// series is what some terminals want to see: one that only a broker says who may see, so that no edge takes the task while
// every broker is away.
var series = signaling.SeriesRef{StudyInstanceUID: "1.2.826.0.1.3680043.10.99.1", SeriesInstanceUID: "1.2.826.0.1.3680043.10.99.1.1"}

// writeSeries puts the series into a folder.
func writeSeries(dir string) error {
	for n := range 4 {
		var b bytes.Buffer
		err := dicom.Write(&b, sourcetest.Slice(series.StudyInstanceUID, series.SeriesInstanceUID, n+1))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.dcm", n)), b.Bytes(), 0o600)
		}
		if err != nil {
			return fmt.Errorf("chaos: write a series: %w", err)
		}
	}
	return nil
}
