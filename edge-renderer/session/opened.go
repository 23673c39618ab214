package session

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/signaling"
)

// exchanged are the viewports with another series in those that an opening is for: each seen as a series opens, for the
// picture of the last one says nothing of this one.
func (l *loop) exchanged(o *opening, ref signaling.SeriesRef, s *cache.Series) ([]signaling.Viewport, error) {
	next := slices.Clone(l.view.state.Viewports)
	for i := range next {
		v := &next[i]
		if o.viewport != "" && v.ID != o.viewport {
			continue
		}
		rect := pixels(v.Rect, l.width, l.height)
		fresh, err := opened(ref, s, float64(max(rect.Dx(), 1))/float64(max(rect.Dy(), 1)))
		if err != nil {
			return nil, err
		}
		fresh.ID, fresh.Rect = v.ID, v.Rect
		*v = fresh
	}
	return next, nil
}

// opened is a viewport as a series opens in it.
func opened(ref signaling.SeriesRef, s *cache.Series, aspect float64) (signaling.Viewport, error) {
	if s.Images != nil {
		return imageViewport(ref, s.Images, aspect), nil
	}
	labels := slices.ContainsFunc(s.Info.Warnings, func(w signaling.Warning) bool { return w.Code == string(study.WarnLabels) })
	state, err := InitialView(ref, s.Info.Modality, labels, s.Volume, signaling.Anterior, aspect)
	if err != nil {
		return signaling.Viewport{}, err
	}
	return state.Viewports[0], nil
}

// imageViewport shows the first of a series' images that can be shown, whole, through the window of a single one; several may each have
// their own.
func imageViewport(ref signaling.SeriesRef, images *picture.Set, aspect float64) signaling.Viewport {
	first := images.First()
	v := signaling.Viewport{ID: "main", Rect: signaling.Rect{Width: 1, Height: 1}, Series: ref, Mode: signaling.ViewImage, Image: images.Start(),
		Camera: picture.Camera(first, aspect)}
	if w := first.Window; w != nil && w.Table == nil && w.Width > 0 && images.Len() == 1 {
		v.Window = &signaling.Window{Center: w.Center, Width: w.Width}
	}
	return v
}

// openingView is the view that the request brings along, so that a session can be resumed or shared, else
// the standard one, which shows all of the series at the wanted size.
func (l *loop) openingView(ref signaling.SeriesRef, s *cache.Series) (view signaling.ViewState, standard bool, err error) {
	v, err := opened(ref, s, float64(l.width)/float64(l.height))
	if err != nil {
		return view, false, err
	}
	view = signaling.ViewState{Version: signaling.ViewStateVersion, Revision: 1, Viewports: []signaling.Viewport{v}}
	asked := l.s.parameters().View
	if asked == nil {
		return view, true, nil
	}
	brought := *asked
	brought.Viewports = slices.Clone(asked.Viewports)
	brought.Revision = max(brought.Revision, 1)
	for i := range brought.Viewports {
		v := &brought.Viewports[i]
		v.Series = ref
		if checkFits(v, s) != nil {
			return view, true, nil
		}
		if v.Mode == signaling.ViewImage {
			continue
		}
		if _, err := transfer(v); err != nil {
			return view, true, nil
		}
	}
	if brought.Validate() != nil {
		return view, true, nil
	}
	return brought, false, nil
}

// checkViewport says why a viewport cannot show what it asks of its series.
func (l *loop) checkViewport(v *signaling.Viewport) error {
	h := l.series[seriesKey(v.Series)]
	if h == nil {
		return fmt.Errorf("the series of viewport %q is not open", v.ID)
	}
	return checkFits(v, h.Series)
}

func checkFits(v *signaling.Viewport, s *cache.Series) error {
	switch {
	case (v.Mode == signaling.ViewImage) != (s.Images != nil):
		if s.Images != nil {
			return fmt.Errorf("mode %s: the series is no volume and is shown with mode %s", v.Mode, signaling.ViewImage)
		}
		return fmt.Errorf("mode %s: the series is a volume and is shown with mode %s or %s", v.Mode, signaling.ViewComposite, signaling.ViewMIP)
	case s.Images != nil && v.Image >= s.Images.Len():
		return fmt.Errorf("image %d: the series has %d, counted from 0", v.Image, s.Images.Len())
	case s.Images != nil:
		return picture.Check(&v.Camera)
	case v.Image != 0:
		return errors.New("image: the series is a volume")
	case !s.Coarse && v.TimePoint >= max(len(s.Info.TimePoints), 1):
		return fmt.Errorf("timePoint %d: the series has %d, counted from 0", v.TimePoint, max(len(s.Info.TimePoints), 1))
	}
	return nil
}

// infos are the series on the screen, in the order of the viewports.
func (l *loop) infos() []signaling.SeriesInfo {
	var out []signaling.SeriesInfo
	seen := map[string]bool{}
	for i := range l.view.state.Viewports {
		key := seriesKey(l.view.state.Viewports[i].Series)
		if h := l.series[key]; h != nil && !seen[key] {
			seen[key] = true
			out = append(out, h.Info)
		}
	}
	return out
}

// first is the series of the first viewport, nil while nothing is shown.
func (l *loop) first() *held {
	if l.view == nil {
		return nil
	}
	return l.series[seriesKey(l.view.state.Viewports[0].Series)]
}

// coarse says whether something on the screen is a preview.
func (l *loop) coarse() bool { return anyCoarse(l.series) }

func anyCoarse(series map[string]*held) bool {
	for _, h := range series {
		if h.Coarse {
			return true
		}
	}
	return false
}
