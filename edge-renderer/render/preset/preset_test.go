package preset_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/preset"
)

func TestLookup(t *testing.T) {
	for _, name := range []string{"CT-Bone", "CT-Soft-Tissue", "CT-Chest-Contrast-Enhanced", "CT-MIP", "MR-Default"} {
		p, ok := preset.Lookup(name)
		if !ok || p.Name != name || p.Label == "" || len(p.Modalities) == 0 {
			t.Errorf("%s: %+v, %v", name, p, ok)
			continue
		}
		own, err := p.Compile(nil)
		if err != nil {
			t.Fatal(err)
		}
		w := p.Window()
		moved, err := p.Compile(&w)
		if err != nil {
			t.Fatal(err)
		}
		if own.Window != w || math.Abs(own.Lo-moved.Lo) > 1e-9 || math.Abs(own.Hi-moved.Hi) > 1e-9 {
			t.Errorf("%s: its own window %v changes it: %v to %v became %v to %v", name, w, own.Lo, own.Hi, moved.Lo, moved.Hi)
		}
	}
	if p, _ := preset.Lookup("CT-MIP"); p.Mode != render.MaximumIntensity {
		t.Error("CT-MIP is no maximum projection")
	}
	if _, ok := preset.Lookup("CT-Teeth"); ok {
		t.Error("found a preset that is not there")
	}
}

func TestDefault(t *testing.T) {
	for modality, want := range map[string]string{"CT": "CT-Bone", "MR": "MR-Default", "PT": "CT-MIP", "OT": "CT-MIP", "": "CT-MIP"} {
		if got := preset.Default(modality).Name; got != want {
			t.Errorf("for %q: %s, want %s", modality, got, want)
		}
	}
}

// The numbers are the published ones.
func TestPublishedPoints(t *testing.T) {
	folder := testData(t)
	text, err := os.ReadFile(filepath.Join(folder, "presets.json"))
	if err != nil {
		t.Skip(err)
	}
	var published struct {
		Presets []struct {
			Name          string                `json:"name"`
			Color         []render.ColorPoint   `json:"color_points"`
			Opacity       []render.OpacityPoint `json:"opacity_points"`
			Shade         bool                  `json:"shade"`
			Ambient       float64               `json:"ambient"`
			Diffuse       float64               `json:"diffuse"`
			Specular      float64               `json:"specular"`
			SpecularPower float64               `json:"specular_power"`
			Range         [2]float64            `json:"effective_range"`
		} `json:"tf_presets"`
	}
	if err := json.Unmarshal(text, &published); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, want := range published.Presets {
		got, ok := preset.Lookup(want.Name)
		if !ok {
			continue
		}
		found++
		f := got.Function
		if !slices.Equal(f.Color, want.Color) || !slices.Equal(f.Opacity, want.Opacity) {
			t.Errorf("%s has other points than published", want.Name)
		}
		if f.Shade != want.Shade || f.Shade && (f.Ambient != want.Ambient || f.Diffuse != want.Diffuse || f.Specular != want.Specular || f.SpecularPower != want.SpecularPower) {
			t.Errorf("%s is lit otherwise than published", want.Name)
		}
		lo, hi := got.Window().Range()
		if math.Abs(lo-want.Range[0]) > 1e-6 || math.Abs(hi-want.Range[1]) > 1e-6 {
			t.Errorf("%s has a window from %g to %g, published %v", want.Name, lo, hi, want.Range)
		}
	}
	if found != len(preset.All()) {
		t.Errorf("%d of %d presets are published", found, len(preset.All()))
	}
}

// testData is the folder of the test data.
func testData(t *testing.T) string {
	if folder := os.Getenv("TOMOCAST_TESTDATA"); folder != "" {
		return folder
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data := filepath.Join(folder, "shared", "data")
		if _, err := os.Stat(data); err == nil {
			return data
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Skip("no test data: shared/data is not above this folder and TOMOCAST_TESTDATA is not set")
		}
		folder = parent
	}
}
