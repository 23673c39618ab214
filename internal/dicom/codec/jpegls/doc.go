// Package jpegls decodes JPEG-LS (ISO/IEC 14495-1, ITU-T T.87; DICOM transfer syntaxes 1.2.840.10008.1.2.4.80 and .81)
// with CharLS. It is C++ that reads what strangers wrote: programs run it in a child process, by package worker.
package jpegls

import "github.com/tomocast/tomocast/internal/dicom/codec"

// Memory is about how much memory decoding an image takes at most, in bytes: the result, and the planes that an
// image stored plane by plane is decoded into first.
func Memory(w codec.Want) int64 {
	samples := int64(w.Width) * int64(w.Height) * int64(w.Components)
	return 2*2*samples + 1<<20
}
