package session

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/local"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/orthanc"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/internal/terminal"
	"github.com/tomocast/tomocast/signaling"
)

// TestChestFromAPACS opens the 100 slices of a chest CT from an Orthanc that asks for a password: the first picture comes
// long before anyone would think that nothing happens. The time that is aimed at, 1 s, is measured by the benchmarks; here
// other tests run beside.
func TestChestFromAPACS(t *testing.T) {
	ctx := within(t)
	dir := sourcetest.Studies(t, "ct-chest-contrast")
	server := orthanc.StartTest(t, orthanc.Config{Username: "tomocast", Password: "secret"})
	if err := server.UploadFolder(ctx, dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dicom.ReadFile(filepath.Join(dir, files[0].Name()), dicom.Options{StopAtPixelData: true})
	if err != nil {
		t.Fatal(err)
	}
	chest := signaling.SeriesRef{StudyInstanceUID: d.String(dicom.StudyInstanceUID), SeriesInstanceUID: d.String(dicom.SeriesInstanceUID)}
	sources, err := local.Open(ctx, local.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sources.Close)
	b, _ := startWith(t, nil, func(c *Config) {
		c.Volumes = bigCache(t, c)
		c.Sources = sources.Find
		c.Instruction.Request.Series = &chest
		c.Instruction.Source = &signaling.SourceAccess{Name: "pacs", DICOMweb: server.DICOMweb, Username: "tomocast", Password: "secret"}
	})
	s := b.dial(ctx, terminal.Options{Width: 320, Height: 240})
	next(ctx, t, "the first picture", s.Pictures(), any1)
	e := next(ctx, t, "the whole", s.Events(), loadedWith(chest.SeriesInstanceUID))
	if e.Patients[0].Size[2] != 100 || e.Patients[0].PatientID != d.String(dicom.PatientID) {
		t.Errorf("%v of %v", e.Patients[0].Size, e.Patients[0].PatientID)
	}
}
