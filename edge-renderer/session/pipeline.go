package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/still"
	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/signaling"
)

// target is the stream that pictures are made for. Another one means another encoder.
type target struct {
	width, height int // encoded pixels at rung 1
	codec         encode.Codec
	profile       string
}

// jobKind is what the pipeline is asked for.
type jobKind uint8

const (
	jobPicture jobKind = iota // render the view and encode it
	jobRepeat                 // encode the last picture again
	jobPrepare                // open the encoder, and render the view where there is one, so that the first picture comes sooner
	jobStill                  // render at full quality, or take the last picture if it was, and compress it without loss
)

// job is one order to the pipeline.
type job struct {
	kind    jobKind
	view    signaling.ViewState
	seq     uint64
	quality quality
	target  target
	key     bool
	refines bool             // gives way to pictures of what moves, here and in other sessions
	series  map[string]*held // by seriesKey
	at      time.Duration    // on the session's clock
}

// outcome is what became of a job.
type outcome struct {
	job    job
	frame  encode.Frame
	name   string        // of the encoder
	gpu    time.Duration // on the render queue, without the waiting there
	still  []byte        // PNG
	sha256 string
	// Time of each stage.
	render, convert, encode time.Duration
	err                     error
	// problem is what a viewport is black for.
	problem *signaling.Problem
}

// pipeline makes pictures: render, scale, convert, encode. It is used by one goroutine at a time, and the
// way of a picture through it reads from top to bottom in picture.
type pipeline struct {
	renderer render.Renderer
	clock    func() time.Duration
	show     func(pix []byte, width, height int) // nil where nobody looks
	account  *account                            // nil where nobody asks

	full      *render.Image // as encoded; at full quality also what the still is made of
	part      render.Image  // one viewport, before it is put in its place
	shrunk    []byte        // pixels of a reduced picture before they are scaled up
	picture   *encode.Picture
	encoder   encode.Encoder
	encodes   target // what the encoder is for, with its rung applied
	threads   int    // that it was asked to use
	transfers map[string]compiled
	painters  map[string]*picture.Painter // by viewport, for images

	// exact is the revision that full shows at full quality and the wanted size; 0 for none.
	exact uint64
}

// compiled keeps a transfer function for as long as it stays the same, because renderers keep tables by it.
type compiled struct {
	key      string
	transfer *render.Transfer
}

func newPipeline(r render.Renderer, clock func() time.Duration) *pipeline {
	return &pipeline{renderer: r, clock: clock, full: &render.Image{}, transfers: map[string]compiled{}, painters: map[string]*picture.Painter{}}
}

func (p *pipeline) close() {
	if p.encoder != nil {
		_ = p.encoder.Close()
		p.encoder = nil
	}
}

// do carries out a job. A cancelled context ends it with the context's error.
func (p *pipeline) do(ctx context.Context, j job) (o outcome) {
	o = outcome{job: j}
	if p.account != nil {
		before := p.account.client.Used()
		defer func() { p.accountFor(&o, before) }()
	}
	switch j.kind {
	case jobPicture:
		p.makePicture(ctx, &o)
	case jobRepeat:
		p.encodePicture(&o)
	case jobPrepare:
		p.prepare(ctx, &o)
	case jobStill:
		p.makeStill(ctx, &o)
	}
	return o
}

// accountFor puts what a job took on the session's account, where its device stood at before.
func (p *pipeline) accountFor(o *outcome, before time.Duration) {
	o.gpu = p.account.client.Used() - before
	if len(o.frame.Data) == 0 {
		p.account.spent(o.convert + o.encode)
		return
	}
	c := p.encoder.Config()
	p.account.spent(o.convert)
	p.account.encoded(c.Width, c.Height, o.encode*time.Duration(c.Threads))
}

func (p *pipeline) makePicture(ctx context.Context, o *outcome) {
	j := &o.job
	width, height := rungSize(j.target, j.quality.rung)
	if o.err = p.render(ctx, o, width, height); o.err != nil {
		return
	}
	if p.show != nil {
		p.show(p.full.Pix, width, height)
	}
	start := p.clock()
	if p.picture == nil {
		p.picture = &encode.Picture{}
	}
	o.err = p.picture.Convert(p.full.Pix, width*4, width, height)
	o.convert += p.clock() - start
	if o.err == nil {
		p.encodePicture(o)
	}
}

// rungSize is the encoded size, even on both sides as I420 asks.
func rungSize(t target, rung float64) (width, height int) {
	even := func(n int) int { return max(int(float64(n)*rung+0.5)&^1, encode.MinSide) }
	return even(t.width), even(t.height)
}

// render makes the whole picture of width times height pixels in p.full: at full size, or smaller and
// scaled up.
func (p *pipeline) render(ctx context.Context, o *outcome, width, height int) error {
	p.exact = 0
	q := o.job.quality
	w, h := max(int(float64(width)*q.scale+0.5), 1), max(int(float64(height)*q.scale+0.5), 1)
	start := p.clock()
	if err := p.compose(ctx, o, w, h); err != nil {
		return err
	}
	o.render = p.clock() - start
	if w != width || h != height {
		p.shrunk, p.full.Pix = p.full.Pix, p.shrunk
		p.full.Pix = grown(p.full.Pix, width*height*4)
		p.full.Width, p.full.Height = width, height
		if err := encode.Scale(p.full.Pix, width, height, p.shrunk, w, h); err != nil {
			return err
		}
		o.convert = p.clock() - start - o.render
	}
	if q.full() {
		p.exact = o.job.view.Revision
	}
	return nil
}

// compose renders every viewport into its rectangle of p.full.
func (p *pipeline) compose(ctx context.Context, o *outcome, width, height int) error {
	j := &o.job
	whole := image.Rect(0, 0, width, height)
	if len(j.view.Viewports) == 1 && pixels(j.view.Viewports[0].Rect, width, height) == whole {
		return p.viewport(ctx, o, &j.view.Viewports[0], p.full, width, height)
	}
	p.full.Width, p.full.Height = width, height
	p.full.Pix = grown(p.full.Pix, width*height*4)
	blacken(p.full.Pix)
	for i := range j.view.Viewports {
		r := pixels(j.view.Viewports[i].Rect, width, height)
		if r.Empty() {
			continue
		}
		if err := p.viewport(ctx, o, &j.view.Viewports[i], &p.part, r.Dx(), r.Dy()); err != nil {
			return err
		}
		for y := range r.Dy() {
			copy(p.full.Pix[((r.Min.Y+y)*width+r.Min.X)*4:], p.part.Pix[y*r.Dx()*4:(y+1)*r.Dx()*4])
		}
	}
	return nil
}

// viewport renders one viewport. Where an image, or a time point, of it cannot be had, it is black and the outcome has
// the reason: what is on the screen must not be something else.
func (p *pipeline) viewport(ctx context.Context, o *outcome, v *signaling.Viewport, img *render.Image, width, height int) error {
	j := &o.job
	h := j.series[seriesKey(v.Series)]
	if h == nil {
		return fmt.Errorf("the series of viewport %q is not loaded", v.ID)
	}
	if v.Mode == signaling.ViewImage {
		if h.Images == nil {
			return fmt.Errorf("the series of viewport %q has no images", v.ID)
		}
		m, err := h.Images.Image(ctx, v.Image)
		if err != nil {
			return p.black(ctx, o, img, width, height, "The image cannot be shown", err)
		}
		painter := p.painters[v.ID]
		if painter == nil {
			painter = &picture.Painter{}
			p.painters[v.ID] = painter
		}
		return painter.Draw(m, v.Camera, v.Window, img, width, height)
	}
	delete(p.painters, v.ID) // the image that it keeps may be large
	if h.Volume == nil {
		return fmt.Errorf("the series of viewport %q is no volume", v.ID)
	}
	loaded, err := h.TimePoint(ctx, v.TimePoint)
	if err != nil {
		return p.black(ctx, o, img, width, height, "The time point cannot be shown", err)
	}
	t, err := p.transfer(v)
	if err != nil {
		return err
	}
	s := scene(v, loaded, t, width, height, j.quality.step)
	s.Refinement = j.refines
	if p.account != nil {
		s.Client = p.account.client
	}
	return p.renderer.Render(ctx, s, img)
}

// black is a viewport that cannot show what it should.
func (p *pipeline) black(ctx context.Context, o *outcome, img *render.Image, width, height int, title string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.problem = &signaling.Problem{Code: signaling.ProblemUnreadable, Title: title, Detail: err.Error()}
	img.Resize(width, height)
	blacken(img.Pix)
	return nil
}

// blacken makes pixels black and opaque.
func blacken(pix []byte) {
	for i := 0; i < len(pix); i += 4 {
		pix[i], pix[i+1], pix[i+2], pix[i+3] = 0, 0, 0, 255
	}
}

func (p *pipeline) transfer(v *signaling.Viewport) (*render.Transfer, error) {
	key, err := json.Marshal([]any{v.Preset, v.Transfer, v.Window})
	if err != nil {
		return nil, err
	}
	if c := p.transfers[v.ID]; c.key == string(key) {
		return c.transfer, nil
	}
	t, err := transfer(v)
	if err == nil {
		p.transfers[v.ID] = compiled{string(key), t}
	}
	return t, err
}

// encodePicture encodes the converted picture, with a new encoder where the stream's size or codec is new.
func (p *pipeline) encodePicture(o *outcome) {
	if p.picture == nil || p.picture.Width == 0 {
		o.err = fmt.Errorf("there is no picture to send yet")
		return
	}
	start := p.clock()
	j := &o.job
	if o.err = p.open(target{p.picture.Width, p.picture.Height, j.target.codec, j.target.profile}, j.quality); o.err != nil {
		return
	}
	if o.err = p.encoder.SetBitrate(j.quality.bitrate); o.err != nil {
		return
	}
	o.name = p.encoder.Name()
	o.frame, o.err = p.encoder.Encode(p.picture, j.at, j.key)
	o.encode = p.clock() - start
}

// open opens the encoder of a stream, unless it is open. One with other threads is made before the one that runs is closed,
// which goes on where there is none.
func (p *pipeline) open(want target, q quality) (err error) {
	same := p.encoder != nil && p.encodes == want
	if same && (p.threads == q.threads || want.codec == encode.VP8) { // which has one thread
		return nil
	}
	if !same {
		p.close()
	}
	next, err := encode.New(encode.Config{Codec: want.codec, Profile: want.profile, Width: want.width, Height: want.height,
		BitrateBps: q.bitrate, MaxFPS: 60, Threads: q.threads})
	if err != nil && !same {
		return err
	}
	p.encodes, p.threads = want, q.threads
	if err == nil {
		p.close()
		p.encoder = next
	}
	return nil
}

// prepare does ahead what the first picture would wait for: the encoder, and, with a view, what the renderer makes and keeps
// for a volume.
func (p *pipeline) prepare(ctx context.Context, o *outcome) {
	j := &o.job
	width, height := rungSize(j.target, j.quality.rung)
	if o.err = p.open(target{width, height, j.target.codec, j.target.profile}, j.quality); o.err == nil && len(j.view.Viewports) > 0 {
		o.err = p.render(ctx, o, width, height)
	}
}

// makeStill compresses the picture at full quality and full size without loss.
func (p *pipeline) makeStill(ctx context.Context, o *outcome) {
	j := &o.job
	if p.exact != j.view.Revision || p.full.Width != j.target.width || p.full.Height != j.target.height {
		j.quality.scale, j.quality.step, j.quality.rung = 1, 1, 1
		if o.err = p.render(ctx, o, j.target.width, j.target.height); o.err != nil {
			return
		}
	}
	start := p.clock()
	o.still, o.err = still.Encode(p.full.Pix, p.full.Width, p.full.Height)
	if o.err != nil {
		return
	}
	sum := sha256.Sum256(o.still)
	o.sha256 = hex.EncodeToString(sum[:])
	o.encode = p.clock() - start
}

// grown is b with room for n bytes, its content undefined.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
