// One H.264 encoder of libavcodec: see libav.go.

#include <stddef.h>
#include <stdint.h>

typedef struct tc_av tc_av;

// tc_av_kind is where an encoder wants its pictures.
enum tc_av_kind {
	TC_AV_I420, // main memory, three planes
	TC_AV_NV12, // main memory, U and V interleaved
	TC_AV_VAAPI // surfaces of a VA-API device
};

typedef struct {
	const char *name; // libavcodec's
	enum tc_av_kind kind;
	int width, height, threads, gop;
	double fps;
	int64_t bitrate;     // bits per second
	const char *profile; // in the words of this encoder
	const char *options; // "key=value,key=value" of this encoder
} tc_av_config;

// tc_av_open returns an encoder, or NULL with the reason in why.
tc_av *tc_av_open(const tc_av_config *config, char *why, size_t why_size);
void tc_av_close(tc_av *h);

// tc_av_encode returns 0 and the frame, NULL where there is none, which is valid until the next call; or a
// negative AVERROR.
int tc_av_encode(tc_av *h, const uint8_t *y, const uint8_t *u, const uint8_t *v, int key,
	uint8_t **data, int *size, int *is_key);

// tc_av_bitrate sets the target from the next picture on, in bits per second.
void tc_av_bitrate(tc_av *h, int64_t bitrate);

// tc_av_error writes the meaning of an AVERROR.
void tc_av_error(int rc, char *why, size_t why_size);
