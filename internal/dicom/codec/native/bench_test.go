package native_test

import (
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// BenchmarkDecode is the time for a CT slice of 512x512, in this process and in a child.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name string
		kind worker.Kind
		file string
	}{
		{"jpegls", worker.JPEGLS, "ts-ct-cornerstone/CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm"},
		{"jpeg2000", worker.JPEG2000, "ts-ct-cornerstone/CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm"},
		{"htj2k", worker.JPEG2000, "derived/htj2k-lossless-4.201/ct0.dcm"},
	} {
		data, want := frames(b, c.file)
		pool := worker.New(worker.Config{Processes: 1})
		b.Cleanup(pool.Close)
		for _, how := range []struct {
			name   string
			decode codec.Decoder
		}{{"process", worker.Direct(c.kind)}, {"child", pool.Decoder(c.kind)}} {
			b.Run(c.name+"/"+how.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := how.decode(data[0], want); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
