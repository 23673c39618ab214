package folder

import (
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// An object of many frames counts as many images.
func TestImagesOfAStudy(t *testing.T) {
	x := open(t, sourcetest.Studies(t, filepath.Join("derived", "enhanced-ct-multiframe")), "")
	found, _ := x.Studies(source.Query{})
	if len(found) != 1 || found[0].InstanceCount != 1 || found[0].Images != 30 {
		t.Errorf("%+v", found)
	}
}
