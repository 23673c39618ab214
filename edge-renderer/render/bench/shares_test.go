package bench

import (
	"os"
	"testing"
)

// Three sessions that all want more have a device's time by their weights, to within a tenth of each one's share (B5).
func TestB5SharesOfPictures(t *testing.T) {
	rows, err := Shares(t.Context(), 64, 256, 60)
	if err != nil {
		t.Fatal(err)
	}
	if err := PrintShares(t.Output(), rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Off > 0.1 {
			t.Errorf("%s: weights %d have %.3f, %.0f %% off", r.Renderer, r.Weights, r.Got, 100*r.Off)
		}
	}
	if len(rows) < 2 && os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
		t.Error("OpenGL was not measured")
	}
}
