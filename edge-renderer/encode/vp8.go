package encode

/*
#cgo pkg-config: vpx
#include <stdlib.h>
#include <vpx/vpx_encoder.h>
#include <vpx/vp8cx.h>

// tc_vp8 is an encoder and its configuration.
typedef struct {
	vpx_codec_ctx_t ctx;
	vpx_codec_enc_cfg_t cfg;
} tc_vp8;

static void tc_vp8_close(tc_vp8 *h) {
	vpx_codec_destroy(&h->ctx);
	free(h);
}

// tc_vp8_open returns an encoder, or NULL with libvpx's result in *rc. Times are in units of 1/90000 s.
static tc_vp8 *tc_vp8_open(int width, int height, int kbps, int speed, int max_intra_percent, int *rc) {
	tc_vp8 *h = calloc(1, sizeof *h);
	*rc = VPX_CODEC_MEM_ERROR;
	if (!h) return NULL;
	*rc = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &h->cfg, 0);
	if (*rc) { free(h); return NULL; }
	h->cfg.g_w = width;
	h->cfg.g_h = height;
	h->cfg.g_threads = 1;
	h->cfg.g_timebase.num = 1;
	h->cfg.g_timebase.den = 90000;
	h->cfg.g_pass = VPX_RC_ONE_PASS;
	h->cfg.g_lag_in_frames = 0;
	h->cfg.g_error_resilient = 0;     // lost packets are sent again, lost pictures asked for again
	h->cfg.kf_mode = VPX_KF_DISABLED; // key frames on request only
	h->cfg.rc_end_usage = VPX_CBR;
	h->cfg.rc_target_bitrate = kbps;
	h->cfg.rc_dropframe_thresh = 0;   // every picture has a stamp, so every picture comes out
	h->cfg.rc_resize_allowed = 0;
	h->cfg.rc_min_quantizer = 2;
	h->cfg.rc_max_quantizer = 63;
	h->cfg.rc_undershoot_pct = 100;
	h->cfg.rc_overshoot_pct = 15;
	h->cfg.rc_buf_initial_sz = 400;   // ms of the bitrate, as the two below: short, so that a lower bitrate is
	h->cfg.rc_buf_optimal_sz = 240;   // not overspent from what was saved at a higher one (measured: a third
	h->cfg.rc_buf_sz = 400;           // too much for seconds with 1000)
	*rc = vpx_codec_enc_init(&h->ctx, vpx_codec_vp8_cx(), &h->cfg, 0);
	if (*rc) { free(h); return NULL; }
	if ((*rc = vpx_codec_control(&h->ctx, VP8E_SET_CPUUSED, speed)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_STATIC_THRESHOLD, 1)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_NOISE_SENSITIVITY, 0)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_ENABLEAUTOALTREF, 0)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_SCREEN_CONTENT_MODE, 0)) ||
		(*rc = vpx_codec_control(&h->ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, max_intra_percent))) {
		tc_vp8_close(h);
		return NULL;
	}
	return h;
}

// tc_vp8_encode encodes one picture and gives its frame, which stays libvpx's until the next. *data is NULL
// where there is none.
static int tc_vp8_encode(tc_vp8 *h, uint8_t *y, uint8_t *u, uint8_t *v, long long pts, unsigned long duration,
		int key, uint8_t **data, size_t *size, int *is_key) {
	*data = NULL;
	vpx_image_t image;
	if (!vpx_img_wrap(&image, VPX_IMG_FMT_I420, h->cfg.g_w, h->cfg.g_h, 1, y)) return VPX_CODEC_MEM_ERROR;
	image.planes[VPX_PLANE_Y] = y;
	image.planes[VPX_PLANE_U] = u;
	image.planes[VPX_PLANE_V] = v;
	image.stride[VPX_PLANE_Y] = h->cfg.g_w;
	image.stride[VPX_PLANE_U] = image.stride[VPX_PLANE_V] = h->cfg.g_w / 2;
	int rc = vpx_codec_encode(&h->ctx, &image, pts, duration, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
	if (rc) return rc;
	vpx_codec_iter_t it = NULL;
	const vpx_codec_cx_pkt_t *pkt;
	while ((pkt = vpx_codec_get_cx_data(&h->ctx, &it)))
		if (pkt->kind == VPX_CODEC_CX_FRAME_PKT) {
			*data = pkt->data.frame.buf;
			*size = pkt->data.frame.sz;
			*is_key = (pkt->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
			break;
		}
	return 0;
}

static int tc_vp8_bitrate(tc_vp8 *h, int kbps) {
	h->cfg.rc_target_bitrate = kbps;
	return vpx_codec_enc_config_set(&h->ctx, &h->cfg);
}

static const char *tc_vp8_error(int rc) { return vpx_codec_err_to_string(rc); }
*/
import "C"

import (
	"fmt"
	"time"
	"unsafe"
)

const (
	// vp8Speed is libvpx's cpu-used. Negative values of real-time VP8 fix the speed; positive ones let it
	// follow the clock, so that the same pictures become other frames on a busy machine.
	vp8Speed = -8
	// vp8MaxIntra bounds a key frame, in percent of a picture's share of the bitrate, so that sending it
	// does not hold up the pictures behind it for long.
	vp8MaxIntra = 900
	vp8Clock    = 90000 // ticks per second
)

// vp8 is libvpx's VP8 (BSD).
type vp8 struct {
	config Config
	pace   pace
	ticks  int64     // the presentation time of the next picture, on a clock without pauses
	c      *C.tc_vp8 // nil when closed
}

func openVP8(c Config) (Encoder, error) {
	c.Threads = 1
	var rc C.int
	h := C.tc_vp8_open(C.int(c.Width), C.int(c.Height), C.int(c.BitrateBps/1000), vp8Speed, vp8MaxIntra, &rc)
	if h == nil {
		return nil, fmt.Errorf("open libvpx VP8 for %dx%d at %d bit/s: %s", c.Width, c.Height, c.BitrateBps, vp8Error(rc))
	}
	return &vp8{config: c, pace: newPace(c.MaxFPS), c: h}, nil
}

func (e *vp8) Name() string   { return "libvpx-vp8" }
func (e *vp8) Config() Config { return e.config }

func (e *vp8) Encode(p *Picture, timestamp time.Duration, forceKey bool) (Frame, error) {
	if e.c == nil {
		return Frame{}, ErrClosed
	}
	if err := p.checkFor(e.config); err != nil {
		return Frame{}, fmt.Errorf("encode with libvpx VP8: %w", err)
	}
	// libvpx takes its picture rate from the times, so it gets those of the smoothed pace.
	ticks := max(1, int64(e.pace.next(timestamp))*vp8Clock/int64(time.Second))
	key := C.int(0)
	if forceKey {
		key = 1
	}
	y, u, v := p.Planes()
	var (
		data  *C.uint8_t
		size  C.size_t
		isKey C.int
	)
	rc := C.tc_vp8_encode(e.c, bytePtr(y), bytePtr(u), bytePtr(v), C.longlong(e.ticks), C.ulong(ticks), key, &data, &size, &isKey)
	if rc != 0 {
		return Frame{}, fmt.Errorf("encode with libvpx VP8: %s", vp8Error(rc))
	}
	e.ticks += ticks
	if data == nil || size == 0 {
		return Frame{}, fmt.Errorf("encode with libvpx VP8: %w", ErrNoFrame)
	}
	return Frame{Data: C.GoBytes(unsafe.Pointer(data), C.int(size)), Key: isKey != 0}, nil
}

func (e *vp8) SetBitrate(bps int) error {
	if e.c == nil {
		return ErrClosed
	}
	if bps <= 0 {
		return fmt.Errorf("set the bitrate of libvpx VP8 to %d bit/s: it must be above 0", bps)
	}
	bps = clampBitrate(bps)
	if rc := C.tc_vp8_bitrate(e.c, C.int(bps/1000)); rc != 0 {
		return fmt.Errorf("set the bitrate of libvpx VP8 to %d bit/s: %s", bps, vp8Error(rc))
	}
	e.config.BitrateBps = bps
	return nil
}

func (e *vp8) Close() error {
	if e.c != nil {
		C.tc_vp8_close(e.c)
		e.c = nil
	}
	return nil
}

func vp8Error(rc C.int) string { return C.GoString(C.tc_vp8_error(rc)) }
