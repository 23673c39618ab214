//go:build cgo

#include "decode.h"

#include <openjpeg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	const uint8_t *data;
	size_t length, at;
} memory;

static OPJ_SIZE_T memory_read(void *to, OPJ_SIZE_T want, void *user) {
	memory *m = user;
	size_t left = m->length - m->at;
	if (left == 0)
		return (OPJ_SIZE_T)-1;
	if (want > left)
		want = left;
	memcpy(to, m->data + m->at, want);
	m->at += want;
	return want;
}

static OPJ_OFF_T memory_skip(OPJ_OFF_T by, void *user) {
	memory *m = user;
	if (by < 0 || (uint64_t)by > m->length - m->at)
		return -1;
	m->at += (size_t)by;
	return by;
}

static OPJ_BOOL memory_seek(OPJ_OFF_T to, void *user) {
	memory *m = user;
	if (to < 0 || (uint64_t)to > m->length)
		return OPJ_FALSE;
	m->at = (size_t)to;
	return OPJ_TRUE;
}

// complain keeps the first message: those after it follow from it. What the check at the end of code blocks finds is
// for the caller to judge.
static void complain(const char *text, void *user) {
	tomocast_j2k_result *r = user;
	int slack;
	if (sscanf(text, "PTERM check failure: %d", &slack) == 1) {
		if (slack > r->slack)
			r->slack = slack;
		return;
	}
	if (r->complaint)
		return;
	r->complaint = 1;
	snprintf(r->message, sizeof r->message, "%s", text);
}

// fits says whether OpenJPEG has read the size that the caller has.
static int fits(const opj_image_t *m, const tomocast_j2k_image *want) {
	if (m->numcomps != want->components)
		return 0;
	for (uint32_t c = 0; c < m->numcomps; c++) {
		const opj_image_comp_t *p = &m->comps[c];
		if (p->w != want->width || p->h != want->height || p->prec != want->bits || (p->sgnd != 0) != (want->is_signed != 0))
			return 0;
	}
	return 1;
}

static void store(const opj_image_t *m, const tomocast_j2k_image *want, uint8_t *to) {
	size_t pixels = (size_t)want->width * want->height, n = want->components;
	for (size_t c = 0; c < n; c++) {
		const OPJ_INT32 *from = m->comps[c].data;
		if (want->sample == 1) {
			uint8_t *t = to + c;
			for (size_t i = 0; i < pixels; i++)
				t[i * n] = (uint8_t)from[i];
		} else if (want->sample == 2) {
			uint16_t *t = (uint16_t *)to + c;
			for (size_t i = 0; i < pixels; i++)
				t[i * n] = (uint16_t)from[i];
		} else {
			uint32_t *t = (uint32_t *)to + c;
			for (size_t i = 0; i < pixels; i++)
				t[i * n] = (uint32_t)from[i];
		}
	}
}

int tomocast_j2k_decode(const uint8_t *from, size_t length, const tomocast_j2k_image *want, uint8_t *to,
	tomocast_j2k_result *result) {
	memory m = {from, length, 0};
	opj_image_t *image = NULL;
	opj_stream_t *stream = NULL;
	int ok = 0;
	opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
	if (codec == NULL)
		goto done;
	opj_set_error_handler(codec, complain, result);
	opj_set_warning_handler(codec, complain, result);
	opj_dparameters_t parameters;
	opj_set_default_decoder_parameters(&parameters);
	if (!opj_setup_decoder(codec, &parameters) || !opj_decoder_set_strict_mode(codec, OPJ_TRUE) ||
		!opj_codec_set_threads(codec, 0))
		goto done;

	stream = opj_stream_create(length < 1 << 16 ? length : 1 << 16, OPJ_TRUE);
	if (stream == NULL)
		goto done;
	opj_stream_set_user_data(stream, &m, NULL);
	opj_stream_set_user_data_length(stream, length);
	opj_stream_set_read_function(stream, memory_read);
	opj_stream_set_skip_function(stream, memory_skip);
	opj_stream_set_seek_function(stream, memory_seek);

	if (!opj_read_header(stream, codec, &image) || !fits(image, want))
		goto done;
	opj_codestream_info_v2_t *info = opj_get_cstr_info(codec);
	if (info == NULL)
		goto done;
	result->transform = info->m_default_tile_info.mct;
	opj_destroy_cstr_info(&info);
	if (result->transform > 1)
		goto done;
	if (!opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream) || !fits(image, want))
		goto done;
	for (uint32_t c = 0; c < image->numcomps; c++)
		if (image->comps[c].data == NULL)
			goto done;
	store(image, want, to);
	ok = 1;
done:
	opj_image_destroy(image);
	if (stream != NULL)
		opj_stream_destroy(stream);
	if (codec != NULL)
		opj_destroy_codec(codec);
	return ok;
}
