// Package jpeg2000 decodes JPEG 2000 part 1 (ISO/IEC 15444-1, ITU-T T.800; DICOM transfer syntaxes
// 1.2.840.10008.1.2.4.90 and .91) and high-throughput JPEG 2000 (part 15, T.814; .201 to .203) with OpenJPEG. It is C
// that reads what strangers wrote: programs run it in a child process, by package worker.
//
// The layout of the codestream is read here, in Go, before OpenJPEG sees it: OpenJPEG reserves memory by the size that
// the header claims, and leaves tiles that are missing black without a word.
package jpeg2000

import "github.com/tomocast/tomocast/internal/dicom/codec"

// Memory is about how much memory decoding an image takes at most, in bytes: OpenJPEG holds it as 32-bit
// integers in the image and in its tiles, and the result stands beside them.
func Memory(w codec.Want) int64 {
	samples := int64(w.Width) * int64(w.Height) * int64(w.Components)
	return (4+4+4)*samples + 8<<20
}
