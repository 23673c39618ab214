package decode

/*
#cgo pkg-config: openh264
#cgo LDFLAGS: -lyuv
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <libyuv.h>
#include <wels/codec_api.h>

typedef struct {
	ISVCDecoder *dec;
	SBufferInfo info;
} tc_h264d;

static void tc_h264d_close(tc_h264d *h) {
	(*h->dec)->Uninitialize(h->dec);
	WelsDestroyDecoder(h->dec);
	free(h);
}

static tc_h264d *tc_h264d_open(void) {
	tc_h264d *h = calloc(1, sizeof *h);
	if (!h) return NULL;
	if (WelsCreateDecoder(&h->dec)) { free(h); return NULL; }
	int quiet = WELS_LOG_QUIET;
	(*h->dec)->SetOption(h->dec, DECODER_OPTION_TRACE_LEVEL, &quiet);
	SDecodingParam p;
	memset(&p, 0, sizeof p);
	p.uiTargetDqLayer = UINT8_MAX;
	p.eEcActiveIdc = ERROR_CON_DISABLE; // a lost picture is an error, not a guess
	p.sVideoProperty.size = sizeof p.sVideoProperty;
	p.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
	if ((*h->dec)->Initialize(h->dec, &p)) { WelsDestroyDecoder(h->dec); free(h); return NULL; }
	return h;
}

// tc_h264d_decode returns openh264's DECODING_STATE and the picture's size, 0 where there is none.
static int tc_h264d_decode(tc_h264d *h, uint8_t *data, int size, int *width, int *height) {
	unsigned char *planes[3] = {0};
	*width = *height = 0;
	memset(&h->info, 0, sizeof h->info);
	int state = (*h->dec)->DecodeFrameNoDelay(h->dec, data, size, planes, &h->info);
	if (h->info.iBufferStatus == 1) {
		*width = h->info.UsrData.sSystemBuffer.iWidth;
		*height = h->info.UsrData.sSystemBuffer.iHeight;
	}
	return state;
}

static int tc_h264d_copy(tc_h264d *h, uint8_t *y, uint8_t *u, uint8_t *v) {
	SSysMEMBuffer *b = &h->info.UsrData.sSystemBuffer;
	return I420Copy(h->info.pDst[0], b->iStride[0], h->info.pDst[1], b->iStride[1], h->info.pDst[2], b->iStride[1],
		y, b->iWidth, u, b->iWidth / 2, v, b->iWidth / 2, b->iWidth, b->iHeight);
}
*/
import "C"

import (
	"errors"
	"fmt"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

type h264 struct{ c *C.tc_h264d }

func newH264() (Decoder, error) {
	h := C.tc_h264d_open()
	if h == nil {
		return nil, errors.New("open the decoder of openh264: it refused or memory ran out")
	}
	return &h264{c: h}, nil
}

func (d *h264) Decode(data []byte) (*encode.Picture, error) {
	if d.c == nil {
		return nil, ErrClosed
	}
	if err := checkFrame(data); err != nil {
		return nil, err
	}
	var width, height C.int
	if state := C.tc_h264d_decode(d.c, (*C.uint8_t)(&data[0]), C.int(len(data)), &width, &height); state != 0 {
		return nil, fmt.Errorf("decode an H.264 frame of %d bytes: openh264 state %#x", len(data), int(state))
	}
	if width == 0 {
		return nil, fmt.Errorf("decode an H.264 frame of %d bytes: %w", len(data), ErrNoPicture)
	}
	p, err := encode.NewPicture(int(width), int(height))
	if err != nil {
		return nil, fmt.Errorf("decode an H.264 frame: %w", err)
	}
	y, u, v := p.Planes()
	if C.tc_h264d_copy(d.c, (*C.uint8_t)(&y[0]), (*C.uint8_t)(&u[0]), (*C.uint8_t)(&v[0])) != 0 {
		return nil, fmt.Errorf("decode an H.264 frame: copying %dx%d failed", p.Width, p.Height)
	}
	return p, nil
}

func (d *h264) Close() error {
	if d.c != nil {
		C.tc_h264d_close(d.c)
		d.c = nil
	}
	return nil
}
