package session

import (
	"encoding/json"
	"fmt"

	"github.com/tomocast/tomocast/edge-renderer/render/preset"
	"github.com/tomocast/tomocast/signaling"
)

// view is the view state of a session and who wrote which field last. It belongs to the session's loop.
type view struct {
	state signaling.ViewState
	// written is, for each viewport and field, the sequence number that set it. A change with an older one
	// is dropped, so that a late drag never undoes a reset.
	written map[string]uint64
	// check says why a viewport cannot be shown; nil where everything can.
	check func(*signaling.Viewport) error
	// seq is the highest sequence number of the present writer that the state has taken in or overruled.
	seq uint64
}

func newView(state signaling.ViewState) *view {
	return &view{state: state, written: map[string]uint64{}}
}

// newWriter forgets the sequence numbers of the last page: the next one begins again.
func (v *view) newWriter() {
	v.seq = 0
	clear(v.written)
}

// apply changes one viewport with the fields of a patch that no newer change has written, and says whether
// anything changed. A patch that is refused changes nothing.
func (v *view) apply(patch signaling.ViewportPatch, seq uint64) (bool, error) {
	next, taken, err := v.applied(patch, seq)
	if err != nil {
		return false, err
	}
	return v.commit([]change{{next, taken}}, seq), nil
}

// applyAll changes several viewports at once, or none.
func (v *view) applyAll(patch *signaling.ViewPatch, seq uint64) (bool, error) {
	changes := make([]change, 0, len(patch.Viewports))
	for _, p := range patch.Viewports {
		next, taken, err := v.applied(p, seq)
		if err != nil {
			return false, err
		}
		changes = append(changes, change{next, taken})
	}
	return v.commit(changes, seq), nil
}

type change struct {
	viewport signaling.Viewport
	fields   []string
}

// applied is the viewport with the patch, and the fields that it took.
func (v *view) applied(patch signaling.ViewportPatch, seq uint64) (signaling.Viewport, []string, error) {
	id, err := patch.ID()
	if err != nil {
		return signaling.Viewport{}, nil, err
	}
	i := v.find(id)
	if i < 0 {
		return signaling.Viewport{}, nil, fmt.Errorf("the view has no viewport %.40q", id)
	}
	if raw, ok := patch["series"]; ok {
		var ref signaling.SeriesRef
		if err := json.Unmarshal(raw, &ref); err != nil || ref != v.state.Viewports[i].Series {
			return signaling.Viewport{}, nil, fmt.Errorf("the series of viewport %q is not changed so: ask to open another one (open-series)", id)
		}
	}
	fresh := make(signaling.ViewportPatch, len(patch))
	var taken []string
	for field, value := range patch {
		if field == "id" || seq == 0 || seq >= v.written[id+"."+field] {
			fresh[field] = value
			if field != "id" {
				taken = append(taken, field)
			}
		}
	}
	next, err := fresh.Apply(v.state.Viewports[i])
	if p, ok := preset.Lookup(next.Preset); ok && fresh["preset"] != nil && fresh["mode"] == nil && next.Transfer == nil && next.Mode != signaling.ViewImage {
		next.Mode = viewMode(p.Mode) // a preset is made for one mode
	}
	if err == nil && next.Mode != signaling.ViewImage {
		_, err = transfer(&next)
	}
	if err == nil && v.check != nil {
		err = v.check(&next)
	}
	return next, taken, err
}

// commit takes the changes in and gives the state a new revision, unless nothing is different.
func (v *view) commit(changes []change, seq uint64) bool {
	changed := false
	for _, c := range changes {
		i := v.find(c.viewport.ID)
		before, _ := json.Marshal(v.state.Viewports[i])
		after, _ := json.Marshal(c.viewport)
		if string(before) != string(after) {
			v.state.Viewports[i] = c.viewport
			changed = true
		}
		for _, field := range c.fields {
			v.written[c.viewport.ID+"."+field] = max(seq, v.written[c.viewport.ID+"."+field])
		}
	}
	v.seq = max(v.seq, seq)
	if changed {
		v.state.Revision++
	}
	return changed
}

func (v *view) find(id string) int {
	for i := range v.state.Viewports {
		if v.state.Viewports[i].ID == id {
			return i
		}
	}
	return -1
}

// snapshot is a copy that does not change with the view.
func (v *view) snapshot() signaling.ViewState {
	s := v.state
	s.Viewports = append([]signaling.Viewport(nil), s.Viewports...)
	return s
}
