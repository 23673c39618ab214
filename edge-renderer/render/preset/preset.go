// Package preset has the transfer functions that the viewer offers by name.
//
// The points of all presets are those of 3D Slicer, Modules/Loadable/VolumeRendering/Resources/presets.xml
// at commit 583e9b37d50ead7daf7b783dce465ccaecec8809. Slicer gives no unit distance; VTK's default is
// 1 mm there. The windows are Slicer's effective ranges.
package preset

import "github.com/tomocast/tomocast/edge-renderer/render"

// Preset is a transfer function with a name.
type Preset struct {
	Name       string   // unique, as in view states
	Label      string   // for people
	Modalities []string // values of Modality (0008,0060) it is meant for
	Mode       render.Mode
	Function   render.Function
}

// Window is the window that the preset was written for.
func (p Preset) Window() render.Window { return p.Function.Window }

// Compile makes the transfer function of the preset, moved to a window unless that is nil.
func (p Preset) Compile(w *render.Window) (*render.Transfer, error) {
	return render.Compile(p.Function, w)
}

// Lookup finds a preset by its name.
func Lookup(name string) (Preset, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// Default is the preset to begin with for a modality.
func Default(modality string) Preset {
	name := "CT-MIP" // what shows values of any meaning
	switch modality {
	case "CT":
		name = "CT-Bone"
	case "MR":
		name = "MR-Default"
	}
	p, _ := Lookup(name)
	return p
}

// All returns the presets in the order in which they are offered.
func All() []Preset {
	return []Preset{
		{
			Name: "CT-Bone", Label: "Bone", Modalities: []string{"CT"},
			Function: lit(render.Function{
				Color:   []render.ColorPoint{{-3024, 0, 0, 0}, {-16.4458, 0.729412, 0.254902, 0.301961}, {641.385, 0.905882, 0.815686, 0.552941}, {3071, 1, 1, 1}},
				Opacity: []render.OpacityPoint{{-3024, 0}, {-16.4458, 0}, {641.385, 0.715686}, {3071, 0.705882}},
				Window:  window(-16.4458, 641.385),
			}, 0.1, 0.9, 0.2, 10),
		},
		{
			Name: "CT-Soft-Tissue", Label: "Soft tissue", Modalities: []string{"CT"},
			Function: render.Function{
				Color:   []render.ColorPoint{{-2048, 0, 0, 0}, {-167.01, 0, 0, 0}, {-160, 0.0556356, 0.0556356, 0.0556356}, {240, 1, 1, 1}, {3661, 1, 1, 1}},
				Opacity: []render.OpacityPoint{{-2048, 0}, {-167.01, 0}, {-160, 1}, {240, 1}, {3661, 1}},
				Window:  window(-167.01, 240),
			},
		},
		{
			Name: "CT-Chest-Contrast-Enhanced", Label: "Chest, contrast enhanced", Modalities: []string{"CT"},
			Function: lit(render.Function{
				Color:   []render.ColorPoint{{-3024, 0, 0, 0}, {67.0106, 0.54902, 0.25098, 0.14902}, {251.105, 0.882353, 0.603922, 0.290196}, {439.291, 1, 0.937033, 0.954531}, {3071, 0.827451, 0.658824, 1}},
				Opacity: []render.OpacityPoint{{-3024, 0}, {67.0106, 0}, {251.105, 0.446429}, {439.291, 0.625}, {3071, 0.616071}},
				Window:  window(67.0106, 439.291),
			}, 0.1, 0.9, 0.2, 10),
		},
		{
			Name: "CT-MIP", Label: "Maximum intensity", Modalities: []string{"CT", "PT", "NM"}, Mode: render.MaximumIntensity,
			Function: lit(render.Function{
				Color:   []render.ColorPoint{{-3024, 0, 0, 0}, {-637.62, 1, 1, 1}, {700, 1, 1, 1}, {3071, 1, 1, 1}},
				Opacity: []render.OpacityPoint{{-3024, 0}, {-637.62, 0}, {700, 1}, {3071, 1}},
				Window:  window(-637.62, 700),
			}, 0.1, 0.9, 0.2, 10),
		},
		{
			Name: "MR-Default", Label: "MR", Modalities: []string{"MR"},
			Function: lit(render.Function{
				Color:   []render.ColorPoint{{0, 0, 0, 0}, {20, 0.168627, 0, 0}, {40, 0.403922, 0.145098, 0.0784314}, {120, 0.780392, 0.607843, 0.380392}, {220, 0.847059, 0.835294, 0.788235}, {1024, 1, 1, 1}},
				Opacity: []render.OpacityPoint{{0, 0}, {20, 0}, {40, 0.15}, {120, 0.3}, {220, 0.375}, {1024, 0.5}},
				Window:  window(0, 220),
			}, 0.2, 1, 0, 1),
		},
	}
}

func window(lo, hi float64) render.Window {
	return render.Window{Center: (lo + hi) / 2, Width: hi - lo}
}

func lit(f render.Function, ambient, diffuse, specular, power float64) render.Function {
	f.Shade, f.Ambient, f.Diffuse, f.Specular, f.SpecularPower = true, ambient, diffuse, specular, power
	return f
}
