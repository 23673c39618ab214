//go:build !libav

package encode

// Without the build tag libav there are no encoders of libavcodec.
var libavPreferred, libavOthers []backend
