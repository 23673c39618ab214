package picture

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/render"
	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/signaling"
)

// Painter draws images of one viewport. It keeps the last image's colours, so that panning and zooming do not make them
// again. It is used by one goroutine at a time.
type Painter struct {
	image  *dicompicture.Image
	window signaling.Window // zero: the image's own
	// levels are the image through the window, and halved once, twice and so on, as far as they were needed: a picture
	// that shows several pixels as one must show their mean.
	levels []level
}

// level is RGBA, rows from top to bottom.
type level struct {
	width, height int
	pix           []byte
}

// Draw draws an image into out, width times height pixels, black around it: what lies between pixels is interpolated
// linearly, what is made smaller is averaged. The window applies to greyscale; without one the image's own does.
func (p *Painter) Draw(m *dicompicture.Image, camera signaling.Camera, window *signaling.Window, out *render.Image, width, height int) error {
	if err := Check(&camera); err != nil {
		return err
	}
	out.Resize(width, height)
	at := mapCamera(&camera, width, height)
	px, py := Pitch(m)
	for a := range 2 { // from the plane into pixels of the image
		pitch := [2]float64{px, py}[a]
		at.origin[a] /= pitch
		at.right[a] /= pitch
		at.down[a] /= pitch
	}
	// step is how many pixels of the image come to lie on one of the picture.
	step := math.Max(math.Hypot(at.right[0], at.right[1]), math.Hypot(at.down[0], at.down[1]))
	halvings := 0
	for ; step >= 2 && halvings < 24; step /= 2 {
		halvings++
	}
	l, done := p.level(m, window, halvings)
	scale := 1 / float64(int(1)<<done)
	for a := range 2 {
		at.origin[a] *= scale
		at.right[a] *= scale
		at.down[a] *= scale
	}
	limit := [2]float64{float64(m.Width) * scale, float64(m.Height) * scale}
	rows(height, func(j int) {
		l.row(at, limit, j, out.Pix[4*width*j:4*width*(j+1)])
	})
	return nil
}

// level is the image through a window, halved as often as asked for or until it is a single pixel; done says how often.
func (p *Painter) level(m *dicompicture.Image, window *signaling.Window, halvings int) (l *level, done int) {
	var want signaling.Window
	var through *dicompicture.Window
	if window != nil && m.Gray != nil {
		want = *window
		through = &dicompicture.Window{Center: window.Center, Width: window.Width}
	}
	if p.image != m || p.window != want || len(p.levels) == 0 {
		var pix []byte
		if len(p.levels) > 0 {
			pix = p.levels[0].pix
		}
		p.image, p.window = m, want
		p.levels = append(p.levels[:0], level{m.Width, m.Height, m.RGBA(through, pix)})
	}
	for len(p.levels) <= halvings {
		last := &p.levels[len(p.levels)-1]
		if last.width == 1 && last.height == 1 {
			break
		}
		p.levels = append(p.levels, last.halved())
	}
	done = min(halvings, len(p.levels)-1)
	return &p.levels[done], done
}

// halved averages squares of two by two pixels; at an odd end there are fewer.
func (l *level) halved() level {
	h := level{width: (l.width + 1) / 2, height: (l.height + 1) / 2}
	h.pix = make([]byte, 4*h.width*h.height)
	rows(h.height, func(j int) {
		for i := range h.width {
			var sum [3]int
			n := 0
			for y := 2 * j; y < min(2*j+2, l.height); y++ {
				for x := 2 * i; x < min(2*i+2, l.width); x++ {
					q := l.pix[4*(y*l.width+x):]
					sum[0] += int(q[0])
					sum[1] += int(q[1])
					sum[2] += int(q[2])
					n++
				}
			}
			to := h.pix[4*(j*h.width+i):]
			for c := range sum {
				to[c] = byte((sum[c] + n/2) / n)
			}
			to[3] = 255
		}
	})
	return h
}

// row draws row j of a picture; at leads into pixels of the level, whose image ends at limit.
func (l *level) row(at mapping, limit [2]float64, j int, out []byte) {
	x0, y0 := at.origin[0]+float64(j)*at.down[0], at.origin[1]+float64(j)*at.down[1]
	for i := range len(out) / 4 {
		to := out[4*i : 4*i+4 : 4*i+4]
		x, y := x0+float64(i)*at.right[0], y0+float64(i)*at.right[1]
		if !(x >= 0 && y >= 0 && x < limit[0] && y < limit[1]) {
			to[0], to[1], to[2], to[3] = 0, 0, 0, 255
			continue
		}
		x, y = x-0.5, y-0.5 // values stand in the middle of their pixels
		fx, fy := math.Floor(x), math.Floor(y)
		u, v := x-fx, y-fy
		left, top := max(int(fx), 0), max(int(fy), 0)
		right, bottom := min(int(fx)+1, l.width-1), min(int(fy)+1, l.height-1)
		a, b := l.pix[4*(top*l.width+left):], l.pix[4*(top*l.width+right):]
		c, d := l.pix[4*(bottom*l.width+left):], l.pix[4*(bottom*l.width+right):]
		for k := range 3 {
			above := float64(a[k]) + u*(float64(b[k])-float64(a[k]))
			below := float64(c[k]) + u*(float64(d[k])-float64(c[k]))
			to[k] = byte(above + v*(below-above) + 0.5)
		}
		to[3] = 255
	}
}

// rowsAtOnce is how many rows a worker takes at a time.
const rowsAtOnce = 16

// rows calls fn for every row from 0 to n-1, on all processors.
func rows(n int, fn func(j int)) {
	var next atomic.Int64
	work := func() {
		for {
			first := int(next.Add(rowsAtOnce)) - rowsAtOnce
			if first >= n {
				return
			}
			for j := first; j < min(first+rowsAtOnce, n); j++ {
				fn(j)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+rowsAtOnce-1)/rowsAtOnce) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
