package encode

/*
#cgo pkg-config: openh264
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wels/codec_api.h>

// tc_h264 is an encoder and the place for its last frame, whose bytes stay openh264's until the next.
typedef struct {
	ISVCEncoder *enc;
	SFrameBSInfo frame;
} tc_h264;

static void tc_h264_close(tc_h264 *h) {
	if (h->enc) {
		(*h->enc)->Uninitialize(h->enc);
		WelsDestroySVCEncoder(h->enc);
	}
	free(h);
}

// tc_h264_open returns an encoder, or NULL with openh264's result in *rc.
static tc_h264 *tc_h264_open(int width, int height, int bitrate, float fps, int threads, int *rc) {
	tc_h264 *h = calloc(1, sizeof *h);
	*rc = cmMallocMemeError;
	if (!h) return NULL;
	*rc = WelsCreateSVCEncoder(&h->enc);
	if (*rc) { free(h); return NULL; }
	int quiet = WELS_LOG_QUIET;
	(*h->enc)->SetOption(h->enc, ENCODER_OPTION_TRACE_LEVEL, &quiet);

	SEncParamExt p;
	(*h->enc)->GetDefaultParams(h->enc, &p);
	p.iUsageType = CAMERA_VIDEO_REAL_TIME;
	p.iPicWidth = width;
	p.iPicHeight = height;
	p.iTargetBitrate = bitrate;
	p.iMaxBitrate = UNSPECIFIED_BIT_RATE;
	p.fMaxFrameRate = fps;
	p.iRCMode = RC_BITRATE_MODE;
	p.bEnableFrameSkip = false;         // every picture has a stamp, so every picture comes out
	p.iComplexityMode = LOW_COMPLEXITY;
	p.uiIntraPeriod = 0;                // key frames on request only
	p.bEnableSceneChangeDetect = false; // as it answers a scene change with a key frame
	p.eSpsPpsIdStrategy = CONSTANT_ID;  // the parameter sets are repeated unchanged at each key frame
	p.iNumRefFrame = 1;
	p.iEntropyCodingModeFlag = 0;       // CAVLC, as the baseline profile has no other
	p.iMultipleThreadIdc = threads;
	p.bUseLoadBalancing = false;        // slices that move with the load make a frame depend on the machine
	p.bEnableDenoise = false;           // the pictures have no noise that is not in the study
	p.bEnableBackgroundDetection = false;
	p.bEnableAdaptiveQuant = false;
	p.iSpatialLayerNum = 1;
	p.iTemporalLayerNum = 1;
	SSpatialLayerConfig *l = &p.sSpatialLayers[0];
	l->iVideoWidth = width;
	l->iVideoHeight = height;
	l->fFrameRate = fps;
	l->iSpatialBitrate = bitrate;
	l->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
	l->uiProfileIdc = PRO_BASELINE;
	l->uiLevelIdc = LEVEL_UNKNOWN;      // chosen by size and bitrate
	l->sSliceArgument.uiSliceMode = threads > 1 ? SM_FIXEDSLCNUM_SLICE : SM_SINGLE_SLICE;
	l->sSliceArgument.uiSliceNum = threads;
	l->bVideoSignalTypePresent = true;
	l->uiVideoFormat = VF_UNDEF;
	l->bFullRange = false;
	l->bColorDescriptionPresent = true;
	l->uiColorPrimaries = CP_SMPTE170M;
	l->uiTransferCharacteristics = TRC_SMPTE170M;
	l->uiColorMatrix = CM_SMPTE170M;
	*rc = (*h->enc)->InitializeExt(h->enc, &p);
	if (*rc) { tc_h264_close(h); return NULL; }
	int format = videoFormatI420;
	(*h->enc)->SetOption(h->enc, ENCODER_OPTION_DATAFORMAT, &format);
	return h;
}

// tc_h264_encode encodes one picture and gives its frame's type and bytes.
static int tc_h264_encode(tc_h264 *h, uint8_t *y, uint8_t *u, uint8_t *v, int width, int height,
		long long ms, int key, int *type, int *size) {
	if (key) {
		int rc = (*h->enc)->ForceIntraFrame(h->enc, true);
		if (rc) return rc;
	}
	SSourcePicture s;
	memset(&s, 0, sizeof s);
	s.iColorFormat = videoFormatI420;
	s.iStride[0] = width;
	s.iStride[1] = s.iStride[2] = width / 2;
	s.pData[0] = y; s.pData[1] = u; s.pData[2] = v;
	s.iPicWidth = width;
	s.iPicHeight = height;
	s.uiTimeStamp = ms;
	memset(&h->frame, 0, sizeof h->frame);
	int rc = (*h->enc)->EncodeFrame(h->enc, &s, &h->frame);
	if (rc) return rc;
	*type = h->frame.eFrameType;
	*size = 0;
	for (int i = 0; i < h->frame.iLayerNum; i++)
		for (int n = 0; n < h->frame.sLayerInfo[i].iNalCount; n++)
			*size += h->frame.sLayerInfo[i].pNalLengthInByte[n];
	return 0;
}

// tc_h264_copy writes the frame's bytes: the layers, each an Annex B byte stream, in their order.
static void tc_h264_copy(tc_h264 *h, uint8_t *dst) {
	for (int i = 0; i < h->frame.iLayerNum; i++) {
		SLayerBSInfo *l = &h->frame.sLayerInfo[i];
		int size = 0;
		for (int n = 0; n < l->iNalCount; n++) size += l->pNalLengthInByte[n];
		memcpy(dst, l->pBsBuf, size);
		dst += size;
	}
}

static int tc_h264_bitrate(tc_h264 *h, int bps) {
	SBitrateInfo b = { .iLayer = SPATIAL_LAYER_ALL, .iBitrate = bps };
	return (*h->enc)->SetOption(h->enc, ENCODER_OPTION_BITRATE, &b);
}

static int tc_h264_rate(tc_h264 *h, float fps) {
	return (*h->enc)->SetOption(h->enc, ENCODER_OPTION_FRAME_RATE, &fps);
}
*/
import "C"

import (
	"fmt"
	"math"
	"time"
)

// openH264 is Cisco's openh264 (BSD), constrained baseline.
type openH264 struct {
	config Config
	pace   pace
	fps    float64    // what the rate control was last told
	c      *C.tc_h264 // nil when closed
}

func openOpenH264(c Config) (Encoder, error) {
	var rc C.int
	h := C.tc_h264_open(C.int(c.Width), C.int(c.Height), C.int(c.BitrateBps), C.float(c.MaxFPS), C.int(c.Threads), &rc)
	if h == nil {
		return nil, fmt.Errorf("open openh264 for %dx%d at %d bit/s: %s", c.Width, c.Height, c.BitrateBps, openH264Error(rc))
	}
	return &openH264{config: c, pace: newPace(c.MaxFPS), fps: c.MaxFPS, c: h}, nil
}

func (e *openH264) Name() string   { return "openh264" }
func (e *openH264) Config() Config { return e.config }

func (e *openH264) Encode(p *Picture, timestamp time.Duration, forceKey bool) (Frame, error) {
	if e.c == nil {
		return Frame{}, ErrClosed
	}
	if err := p.checkFor(e.config); err != nil {
		return Frame{}, fmt.Errorf("encode with openh264: %w", err)
	}
	if err := e.follow(e.pace.next(timestamp)); err != nil {
		return Frame{}, err
	}
	key := C.int(0)
	if forceKey {
		key = 1
	}
	y, u, v := p.Planes()
	var kind, size C.int
	if rc := C.tc_h264_encode(e.c, bytePtr(y), bytePtr(u), bytePtr(v), C.int(p.Width), C.int(p.Height),
		C.longlong(timestamp.Milliseconds()), key, &kind, &size); rc != 0 {
		return Frame{}, fmt.Errorf("encode with openh264: %s", openH264Error(rc))
	}
	if size == 0 || kind == C.videoFrameTypeSkip || kind == C.videoFrameTypeInvalid {
		return Frame{}, fmt.Errorf("encode with openh264: %w", ErrNoFrame)
	}
	data := make([]byte, int(size))
	C.tc_h264_copy(e.c, bytePtr(data))
	return Frame{Data: data, Key: kind == C.videoFrameTypeIDR}, nil
}

// follow tells the rate control the picture rate where it has changed by a tenth.
func (e *openH264) follow(interval time.Duration) error {
	fps := float64(time.Second) / float64(interval)
	if math.Abs(fps-e.fps) < e.fps/10 {
		return nil
	}
	if rc := C.tc_h264_rate(e.c, C.float(fps)); rc != 0 {
		return fmt.Errorf("set the picture rate of openh264 to %.1f per second: %s", fps, openH264Error(rc))
	}
	e.fps = fps
	return nil
}

func (e *openH264) SetBitrate(bps int) error {
	if e.c == nil {
		return ErrClosed
	}
	if bps <= 0 {
		return fmt.Errorf("set the bitrate of openh264 to %d bit/s: it must be above 0", bps)
	}
	bps = clampBitrate(bps)
	if rc := C.tc_h264_bitrate(e.c, C.int(bps)); rc != 0 {
		return fmt.Errorf("set the bitrate of openh264 to %d bit/s: %s", bps, openH264Error(rc))
	}
	e.config.BitrateBps = bps
	return nil
}

func (e *openH264) Close() error {
	if e.c != nil {
		C.tc_h264_close(e.c)
		e.c = nil
	}
	return nil
}

// openH264Error names a CM_RETURN.
func openH264Error(rc C.int) string {
	switch rc {
	case C.cmInitParaError:
		return "a parameter is out of its range"
	case C.cmMallocMemeError:
		return "out of memory"
	case C.cmInitExpected:
		return "not initialised"
	case C.cmUnsupportedData:
		return "unsupported data"
	}
	return fmt.Sprintf("openh264 result %d", int(rc))
}
