package bench

import (
	"os"
	"slices"
	"testing"
)

// Three sessions that all want more have a device's time in the order of their weights, and nobody goes without (B5). How near
// they come is measured by make bench, and exact on the virtual clock of package share.
func TestB5SharesOfPictures(t *testing.T) {
	rows, err := Shares(t.Context(), 64, 192, 24)
	if err != nil {
		t.Fatal(err)
	}
	if err := PrintShares(t.Output(), rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !slices.IsSorted(r.Got) || r.Got[0] <= 0 {
			t.Errorf("%s: weights %d have %.3f", r.Renderer, r.Weights, r.Got)
		}
	}
	if len(rows) < 2 && os.Getenv("TOMOCAST_REQUIRE_GL") == "1" {
		t.Error("OpenGL was not measured")
	}
}
