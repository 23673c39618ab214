#ifndef TOMOCAST_JPEGLS_H
#define TOMOCAST_JPEGLS_H

#include <stddef.h>
#include <stdint.h>

// What the header of a codestream says.
typedef struct {
	uint32_t width, height;
	int32_t bits, components;
	int32_t interleave; // 0 plane by plane, 1 line by line, 2 sample by sample
	int32_t transform;  // the colour transform, 0 where there is none
	size_t size;        // of the decoded image in bytes
} tomocast_jpegls_info;

// Both return 0 or one of CharLS's error codes. tomocast_jpegls_decode wants info.size bytes at to.
int tomocast_jpegls_header(const void *from, size_t length, tomocast_jpegls_info *info);
int tomocast_jpegls_decode(const void *from, size_t length, void *to, size_t size);

#endif
