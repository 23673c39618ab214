//go:build cgo

#include "decode.h"

#include <charls/charls.h>

// opened gives a decoder that has read the header.
static int opened(const void *from, size_t length, charls_jpegls_decoder **out) {
	charls_jpegls_decoder *d = charls_jpegls_decoder_create();
	if (d == NULL)
		return CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY;
	charls_spiff_header spiff;
	int32_t found = 0;
	int rc = charls_jpegls_decoder_set_source_buffer(d, from, length);
	if (rc == 0)
		rc = charls_jpegls_decoder_read_spiff_header(d, &spiff, &found);
	if (rc == 0)
		rc = charls_jpegls_decoder_read_header(d);
	if (rc != 0) {
		charls_jpegls_decoder_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

int tomocast_jpegls_header(const void *from, size_t length, tomocast_jpegls_info *info) {
	charls_jpegls_decoder *d;
	int rc = opened(from, length, &d);
	if (rc != 0)
		return rc;
	charls_frame_info frame;
	charls_interleave_mode interleave;
	charls_color_transformation transform;
	rc = charls_jpegls_decoder_get_frame_info(d, &frame);
	if (rc == 0)
		rc = charls_jpegls_decoder_get_interleave_mode(d, &interleave);
	if (rc == 0)
		rc = charls_jpegls_decoder_get_color_transformation(d, &transform);
	if (rc == 0)
		rc = charls_jpegls_decoder_get_destination_size(d, 0, &info->size);
	charls_jpegls_decoder_destroy(d);
	if (rc != 0)
		return rc;
	info->width = frame.width;
	info->height = frame.height;
	info->bits = frame.bits_per_sample;
	info->components = frame.component_count;
	info->interleave = (int32_t)interleave;
	info->transform = (int32_t)transform;
	return 0;
}

int tomocast_jpegls_decode(const void *from, size_t length, void *to, size_t size) {
	charls_jpegls_decoder *d;
	int rc = opened(from, length, &d);
	if (rc != 0)
		return rc;
	rc = charls_jpegls_decoder_decode_to_buffer(d, to, size, 0);
	charls_jpegls_decoder_destroy(d);
	return rc;
}
