package decode

/*
#cgo pkg-config: vpx
#cgo LDFLAGS: -lyuv
#include <stdlib.h>
#include <libyuv.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vp8dx.h>

static vpx_codec_ctx_t *tc_vp8d_open(void) {
	vpx_codec_ctx_t *ctx = calloc(1, sizeof *ctx);
	if (!ctx) return NULL;
	vpx_codec_dec_cfg_t cfg = { .threads = 1 };
	if (vpx_codec_dec_init(ctx, vpx_codec_vp8_dx(), &cfg, 0)) { free(ctx); return NULL; }
	return ctx;
}

static void tc_vp8d_close(vpx_codec_ctx_t *ctx) {
	vpx_codec_destroy(ctx);
	free(ctx);
}

// tc_vp8d_decode returns libvpx's result, and the picture, which stays libvpx's, or NULL.
static int tc_vp8d_decode(vpx_codec_ctx_t *ctx, const uint8_t *data, unsigned int size, vpx_image_t **image) {
	*image = NULL;
	int rc = vpx_codec_decode(ctx, data, size, NULL, 0);
	if (rc) return rc;
	vpx_codec_iter_t it = NULL;
	*image = vpx_codec_get_frame(ctx, &it);
	return 0;
}

static int tc_vp8d_copy(const vpx_image_t *i, uint8_t *y, uint8_t *u, uint8_t *v) {
	return I420Copy(i->planes[VPX_PLANE_Y], i->stride[VPX_PLANE_Y], i->planes[VPX_PLANE_U], i->stride[VPX_PLANE_U],
		i->planes[VPX_PLANE_V], i->stride[VPX_PLANE_V], y, i->d_w, u, i->d_w / 2, v, i->d_w / 2, i->d_w, i->d_h);
}

static const char *tc_vp8d_error(int rc) { return vpx_codec_err_to_string(rc); }
*/
import "C"

import (
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

type vp8 struct{ c *C.vpx_codec_ctx_t }

func newVP8() (Decoder, error) {
	ctx := C.tc_vp8d_open()
	if ctx == nil {
		return nil, errors.New("open the VP8 decoder of libvpx: it refused or memory ran out")
	}
	return &vp8{c: ctx}, nil
}

func (d *vp8) Decode(data []byte) (*encode.Picture, error) {
	if d.c == nil {
		return nil, ErrClosed
	}
	if err := checkFrame(data); err != nil {
		return nil, err
	}
	var image *C.vpx_image_t
	if rc := C.tc_vp8d_decode(d.c, (*C.uint8_t)(&data[0]), C.uint(len(data)), &image); rc != 0 {
		return nil, fmt.Errorf("decode a VP8 frame of %d bytes: %s", len(data), C.GoString(C.tc_vp8d_error(rc)))
	}
	if image == nil {
		return nil, fmt.Errorf("decode a VP8 frame of %d bytes: %w", len(data), ErrNoPicture)
	}
	p, err := encode.NewPicture(int(image.d_w), int(image.d_h))
	if err != nil {
		return nil, fmt.Errorf("decode a VP8 frame: %w", err)
	}
	y, u, v := p.Planes()
	if C.tc_vp8d_copy(image, (*C.uint8_t)(&y[0]), (*C.uint8_t)(&u[0]), (*C.uint8_t)(&v[0])) != 0 {
		return nil, fmt.Errorf("decode a VP8 frame: copying %dx%d failed", p.Width, p.Height)
	}
	return p, nil
}

func (d *vp8) Close() error {
	if d.c != nil {
		C.tc_vp8d_close(d.c)
		d.c = nil
	}
	return nil
}
