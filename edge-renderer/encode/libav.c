//go:build libav

#include "libav.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/hwcontext.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libyuv.h>

struct tc_av {
	enum tc_av_kind kind;
	AVCodecContext *ctx;
	AVBufferRef *device; // VA-API only
	AVFrame *frame;      // the picture in main memory
	AVPacket *packet;
	int64_t pts;
};

// What libavcodec says while it opens an encoder is the reason where that fails. All else is dropped: the
// log is the program's.
static _Thread_local struct { char *text; size_t size; } reason;

static void tc_av_log(void *owner, int level, const char *format, va_list args) {
	(void)owner;
	if (level <= AV_LOG_ERROR && reason.text && !*reason.text)
		vsnprintf(reason.text, reason.size, format, args);
}

void tc_av_error(int rc, char *why, size_t why_size) { av_strerror(rc, why, why_size); }

void tc_av_close(tc_av *h) {
	if (!h) return;
	av_packet_free(&h->packet);
	av_frame_free(&h->frame);
	avcodec_free_context(&h->ctx);
	av_buffer_unref(&h->device);
	free(h);
}

// tc_av_device opens the default VA-API device and a pool of its surfaces.
static int tc_av_device(tc_av *h) {
	int rc = av_hwdevice_ctx_create(&h->device, AV_HWDEVICE_TYPE_VAAPI, NULL, NULL, 0);
	if (rc < 0) return rc;
	AVBufferRef *pool = av_hwframe_ctx_alloc(h->device);
	if (!pool) return AVERROR(ENOMEM);
	AVHWFramesContext *frames = (AVHWFramesContext *)pool->data;
	frames->format = AV_PIX_FMT_VAAPI;
	frames->sw_format = AV_PIX_FMT_NV12;
	frames->width = h->ctx->width;
	frames->height = h->ctx->height;
	frames->initial_pool_size = 8;
	rc = av_hwframe_ctx_init(pool);
	if (rc < 0) {
		av_buffer_unref(&pool);
		return rc;
	}
	h->ctx->hw_frames_ctx = pool; // now the context's
	h->ctx->pix_fmt = AV_PIX_FMT_VAAPI;
	return 0;
}

void tc_av_bitrate(tc_av *h, int64_t bitrate) {
	h->ctx->bit_rate = h->ctx->rc_max_rate = bitrate;
	h->ctx->rc_buffer_size = (int)(bitrate * 2 / 5); // 0.4 s, as for VP8
}

static int tc_av_setup(tc_av *h, const AVCodec *codec, const tc_av_config *c) {
	AVCodecContext *x = h->ctx = avcodec_alloc_context3(codec);
	h->frame = av_frame_alloc();
	h->packet = av_packet_alloc();
	if (!x || !h->frame || !h->packet) return AVERROR(ENOMEM);
	x->width = c->width;
	x->height = c->height;
	x->framerate = av_d2q(c->fps, 1001000);
	x->time_base = av_inv_q(x->framerate);
	x->sample_aspect_ratio = (AVRational){1, 1};
	x->thread_count = c->threads;
	x->gop_size = c->gop;
	x->max_b_frames = 0; // a picture that waits for the next one is late
	x->refs = 1;
	x->flags |= AV_CODEC_FLAG_LOW_DELAY;
	x->color_range = AVCOL_RANGE_MPEG;
	x->color_primaries = AVCOL_PRI_SMPTE170M;
	x->color_trc = AVCOL_TRC_SMPTE170M;
	x->colorspace = AVCOL_SPC_SMPTE170M;
	x->pix_fmt = c->kind == TC_AV_I420 ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_NV12;
	tc_av_bitrate(h, c->bitrate);

	h->frame->width = c->width;
	h->frame->height = c->height;
	h->frame->format = x->pix_fmt;
	h->frame->color_range = x->color_range;
	h->frame->color_primaries = x->color_primaries;
	h->frame->color_trc = x->color_trc;
	h->frame->colorspace = x->colorspace;
	int rc = av_frame_get_buffer(h->frame, 0);
	if (rc < 0) return rc;
	if (c->kind == TC_AV_VAAPI && (rc = tc_av_device(h)) < 0) {
		av_log(x, AV_LOG_ERROR, "no VA-API device could be opened: %s", av_err2str(rc));
		return rc;
	}

	AVDictionary *options = NULL;
	rc = av_dict_parse_string(&options, c->options, "=", ",", 0);
	if (rc >= 0) rc = av_dict_set(&options, "profile", c->profile, 0);
	if (rc >= 0) rc = avcodec_open2(x, codec, &options);
	// What is left is not known to this version of the encoder; a stream without it might not be what was
	// asked for.
	const AVDictionaryEntry *left = NULL;
	if (rc >= 0 && (left = av_dict_get(options, "", NULL, AV_DICT_IGNORE_SUFFIX))) {
		av_log(x, AV_LOG_ERROR, "the encoder has no option %s", left->key);
		rc = AVERROR_OPTION_NOT_FOUND;
	}
	av_dict_free(&options);
	return rc;
}

tc_av *tc_av_open(const tc_av_config *c, char *why, size_t why_size) {
	*why = 0;
	av_log_set_callback(tc_av_log);
	const AVCodec *codec = avcodec_find_encoder_by_name(c->name);
	if (!codec) {
		snprintf(why, why_size, "this libavcodec was built without it");
		return NULL;
	}
	tc_av *h = calloc(1, sizeof *h);
	if (!h) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	h->kind = c->kind;
	reason.text = why;
	reason.size = why_size;
	int rc = tc_av_setup(h, codec, c);
	reason.text = NULL;
	if (rc >= 0) return h;
	tc_av_close(h);
	if (!*why) av_strerror(rc, why, why_size);
	return NULL;
}

// tc_av_fill copies a picture into h->frame.
static int tc_av_fill(tc_av *h, const uint8_t *y, const uint8_t *u, const uint8_t *v) {
	AVFrame *f = h->frame;
	int rc = av_frame_make_writable(f); // the encoder may still hold the last picture
	if (rc < 0) return rc;
	int width = f->width, height = f->height;
	if (h->kind == TC_AV_I420)
		rc = I420Copy(y, width, u, width / 2, v, width / 2, f->data[0], f->linesize[0], f->data[1], f->linesize[1],
			f->data[2], f->linesize[2], width, height);
	else
		rc = I420ToNV12(y, width, u, width / 2, v, width / 2, f->data[0], f->linesize[0], f->data[1], f->linesize[1],
			width, height);
	return rc ? AVERROR_BUG : 0;
}

// tc_av_send gives h->frame to the encoder, through a surface of the device where it works on those.
static int tc_av_send(tc_av *h, int key) {
	AVFrame *f = h->frame, *surface = NULL;
	int rc = 0;
	if (h->kind == TC_AV_VAAPI) {
		if (!(surface = av_frame_alloc())) return AVERROR(ENOMEM);
		if ((rc = av_hwframe_get_buffer(h->ctx->hw_frames_ctx, surface, 0)) >= 0 &&
			(rc = av_hwframe_transfer_data(surface, f, 0)) >= 0)
			rc = av_frame_copy_props(surface, f);
		f = surface;
	}
	if (rc >= 0) {
		f->pts = h->pts++;
		f->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
		rc = avcodec_send_frame(h->ctx, f);
	}
	av_frame_free(&surface);
	return rc;
}

int tc_av_encode(tc_av *h, const uint8_t *y, const uint8_t *u, const uint8_t *v, int key,
		uint8_t **data, int *size, int *is_key) {
	*data = NULL;
	int rc = tc_av_fill(h, y, u, v);
	if (rc >= 0) rc = tc_av_send(h, key);
	if (rc < 0) return rc;
	rc = avcodec_receive_packet(h->ctx, h->packet); // frees the last packet
	if (rc == AVERROR(EAGAIN)) return 0;
	if (rc < 0) return rc;
	*data = h->packet->data;
	*size = h->packet->size;
	*is_key = (h->packet->flags & AV_PKT_FLAG_KEY) != 0;
	return 0;
}
