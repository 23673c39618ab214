package terminal

import (
	"encoding/json"
	"testing"

	"github.com/tomocast/tomocast/signaling"
)

func TestPicturesAndStampsFindEachOther(t *testing.T) {
	var m matcher
	if _, ok := m.picture(Picture{RTP: 1}); ok {
		t.Error("a stamp that has not come")
	}
	if _, ok := m.picture(Picture{RTP: 2}); ok {
		t.Error("a stamp that has not come")
	}
	if p, ok := m.stamp(signaling.Stamp{RTP: 2}); !ok || p.RTP != 2 {
		t.Errorf("%v %v", p, ok)
	}
	if _, ok := m.stamp(signaling.Stamp{RTP: 1}); ok {
		t.Error("a picture older than the one on the screen is shown")
	}
	if _, ok := m.stamp(signaling.Stamp{RTP: 3, Seq: 9}); ok {
		t.Error("a picture that has not come")
	}
	if s, ok := m.picture(Picture{RTP: 3}); !ok || s.Seq != 9 {
		t.Errorf("%v %v", s, ok)
	}
	for n := range uint32(3 * matchMost) { // neither is kept for ever
		m.picture(Picture{RTP: 10 + 2*n})
		m.stamp(signaling.Stamp{RTP: 11 + 2*n})
	}
	if len(m.pictures) > matchMost || len(m.stamps) > matchMost {
		t.Errorf("%d pictures and %d stamps wait", len(m.pictures), len(m.stamps))
	}
}

// A view that is sent to another edge is the same there, also in what it does not have.
func TestViewIsBroughtWhole(t *testing.T) {
	camera := signaling.Camera{Position: signaling.Point{0, -400, 0}, Up: signaling.Point{0, 0, 1}, Projection: signaling.Orthographic, Height: 300}
	series := signaling.SeriesRef{StudyInstanceUID: "1.2", SeriesInstanceUID: "1.3"}
	plain := signaling.Viewport{ID: "main", Rect: signaling.Rect{Width: 1, Height: 1}, Series: series, Mode: signaling.ViewComposite, Camera: camera, Preset: "ct-bone"}
	full := plain
	full.Window, full.Slab, full.TimePoint = &signaling.Window{Center: 40, Width: 400}, &signaling.Slab{ThicknessMm: 5}, 2
	full.Clips = []signaling.Plane{{Normal: signaling.Point{0, 0, 1}, Offset: 3}}
	for _, c := range [][2]signaling.Viewport{{plain, full}, {full, plain}} {
		p, err := patchOf(&c[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Apply(c[1])
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(c[0])
		is, _ := json.Marshal(got)
		if string(is) != string(want) {
			t.Errorf("%s\nwant %s", is, want)
		}
	}
}
