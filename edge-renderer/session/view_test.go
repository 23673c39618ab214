package session

import (
	"encoding/json"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

func testView(t *testing.T) *view {
	t.Helper()
	g := volume.Geometry{Size: [3]int{64, 64, 64}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	state, err := InitialView(signaling.SeriesRef{StudyInstanceUID: "1.2", SeriesInstanceUID: "1.3"}, "CT", false, &volume.Volume{Geometry: g}, signaling.Anterior, 4.0/3)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Validate(); err != nil {
		t.Fatal(err)
	}
	return newView(state)
}

func patch(t *testing.T, doc string) signaling.ViewportPatch {
	t.Helper()
	var p signaling.ViewportPatch
	if err := json.Unmarshal([]byte(doc), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	dragged = `{"id":"main","camera":{"position":[9,-9,0],"lookAt":[0,0,0],"up":[0,0,1],"projection":"orthographic","height":50}}`
	reset   = `{"id":"main","camera":{"position":[0,-9,0],"lookAt":[0,0,0],"up":[0,0,1],"projection":"orthographic","height":99}}`
)

func TestLateDragNeverUndoesAReset(t *testing.T) {
	v := testView(t)
	if changed, err := v.apply(patch(t, reset), 10); err != nil || !changed {
		t.Fatal(changed, err)
	}
	revision := v.state.Revision
	if changed, err := v.apply(patch(t, dragged), 9); err != nil || changed {
		t.Errorf("a late drag was taken: %v %v", changed, err)
	}
	if v.state.Viewports[0].Camera.Height != 99 || v.state.Revision != revision || v.seq != 10 {
		t.Errorf("the view is %+v", v.state)
	}
}

func TestOvertakenChangeOfAnotherFieldIsTaken(t *testing.T) {
	v := testView(t)
	if _, err := v.apply(patch(t, dragged), 10); err != nil {
		t.Fatal(err)
	}
	// The reliable channel's preset was sent before the drag and comes after it.
	changed, err := v.apply(patch(t, `{"id":"main","preset":"CT-Soft-Tissue","camera":`+reset[len(`{"id":"main","camera":`):]), 9)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := v.state.Viewports[0]; got.Preset != "CT-Soft-Tissue" || got.Camera.Height != 50 {
		t.Errorf("the view is %+v", got)
	}
}

func TestRefusedPatchChangesNothing(t *testing.T) {
	v := testView(t)
	before, _ := json.Marshal(v.state)
	for name, doc := range map[string]string{
		"no camera":        `{"id":"main","camera":{}}`,
		"unknown viewport": `{"id":"other","mode":"mip"}`,
		"unknown preset":   `{"id":"main","preset":"X-Ray"}`,
		"unknown field":    `{"id":"main","colour":"red"}`,
		"other series":     `{"id":"main","series":{"studyInstanceUID":"9.9"}}`,
		"no id":            `{"mode":"mip"}`,
		"empty window":     `{"id":"main","window":{"center":0,"width":0}}`,
	} {
		if changed, err := v.apply(patch(t, doc), 5); err == nil || changed {
			t.Errorf("%s was taken: %v", name, err)
		}
	}
	all := &signaling.ViewPatch{Viewports: []signaling.ViewportPatch{patch(t, dragged), patch(t, `{"id":"main","mode":"none"}`)}}
	if _, err := v.applyAll(all, 6); err == nil {
		t.Error("a patch of which one part is bad was taken")
	}
	if after, _ := json.Marshal(v.state); string(before) != string(after) {
		t.Errorf("the view has changed to %s", after)
	}
}

func TestSameValueIsNoNewRevision(t *testing.T) {
	v := testView(t)
	if changed, _ := v.apply(patch(t, dragged), 1); !changed {
		t.Fatal("nothing changed")
	}
	revision := v.state.Revision
	if changed, _ := v.apply(patch(t, dragged), 2); changed || v.state.Revision != revision || v.seq != 2 {
		t.Errorf("a repeated input made revision %d, seq %d", v.state.Revision, v.seq)
	}
}

func TestNewPageBeginsItsNumbersAgain(t *testing.T) {
	v := testView(t)
	_, _ = v.apply(patch(t, dragged), 500)
	v.newWriter()
	if changed, err := v.apply(patch(t, reset), 1); err != nil || !changed {
		t.Errorf("the first input of a new page was dropped: %v", err)
	}
}

// Every number of a label map is brighter than the one below it, however few voxels it has.
func TestLabelMapOpensWithEveryLabel(t *testing.T) {
	g := volume.Geometry{Size: [3]int{8, 8, 8}, Axes: [3]geom.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	for _, most := range []float64{0, 1, 7, 300} {
		state, err := InitialView(signaling.SeriesRef{StudyInstanceUID: "1.2", SeriesInstanceUID: "1.3"}, "CT", true,
			&volume.Volume{Geometry: g, Max: most}, signaling.Anterior, 1)
		if err != nil {
			t.Fatal(err)
		}
		v, top := state.Viewports[0], max(most, 1)
		if v.Mode != signaling.ViewMIP || v.Window == nil || v.Window.Center-v.Window.Width/2 != 0 || v.Window.Center+v.Window.Width/2 != top {
			t.Errorf("labels up to %g open in mode %s with %+v", most, v.Mode, v.Window)
		}
		if err := state.Validate(); err != nil {
			t.Error(err)
		}
	}
}
