#ifndef TOMOCAST_JPEG2000_H
#define TOMOCAST_JPEG2000_H

#include <stddef.h>
#include <stdint.h>

// The image that the caller has read from SIZ, which OpenJPEG has to find as well.
typedef struct {
	uint32_t width, height, components;
	uint32_t bits;
	int32_t is_signed;
	uint32_t sample; // bytes per sample in the result: 1, 2 or 4
} tomocast_j2k_image;

// What became of it.
typedef struct {
	uint32_t transform; // 0 none, 1 part 1's colour transform, 2 part 2's
	int32_t slack;      // the most bytes that the decoder left over, or read too many, at the end of a code block
	int32_t complaint;  // there is a message, an error or a warning
	char message[256];  // OpenJPEG's first
} tomocast_j2k_result;

// tomocast_j2k_decode decodes a raw codestream into image's samples, interleaved by pixel. It returns 1 for success.
int tomocast_j2k_decode(const uint8_t *from, size_t length, const tomocast_j2k_image *image, uint8_t *to,
	tomocast_j2k_result *result);

#endif
