// Package native gives codec workers the decoders that are C libraries. A program that decodes JPEG-LS and JPEG 2000
// imports it for its effect; those that only carry compressed images, as the broker, do without it and
// link neither library.
package native

import (
	"github.com/tomocast/tomocast/internal/dicom/codec/jpeg2000"
	"github.com/tomocast/tomocast/internal/dicom/codec/jpegls"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

func init() {
	if jpegls.Available {
		worker.Register(worker.JPEGLS, worker.Codec{Decode: jpegls.DecodeTo, Memory: jpegls.Memory})
	}
	if jpeg2000.Available {
		worker.Register(worker.JPEG2000, worker.Codec{Decode: jpeg2000.DecodeTo, Memory: jpeg2000.Memory})
	}
}
