package encode_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
)

var benchSizes = [][2]int{{1280, 720}, {1024, 768}}

// BenchmarkEncode reports a turning head at 4 Mbit/s and 30 pictures a second.
func BenchmarkEncode(b *testing.B) {
	for _, info := range encode.Available() {
		if !info.Usable {
			continue
		}
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/%dx%d", info.Name, size[0], size[1]), func(b *testing.B) {
				var sources []*encode.Picture
				for i := range 30 {
					sources = append(sources, picture(b, rendering(size[0], size[1], float64(i)*0.03), size[0], size[1]))
				}
				e := open(b, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: size[0], Height: size[1], BitrateBps: 4_000_000})
				var took []time.Duration
				n := 0
				for b.Loop() {
					// There and back again, so that no picture is unlike the one before.
					i := n % (2*len(sources) - 2)
					if i >= len(sources) {
						i = 2*len(sources) - 2 - i
					}
					start := time.Now()
					if _, err := e.Encode(sources[i], time.Duration(n)*time.Second/30, false); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(start))
					n++
				}
				slices.Sort(took)
				b.ReportMetric(ms(took[len(took)/2]), "ms-median")
				b.ReportMetric(ms(took[len(took)*95/100]), "ms-p95")
			})
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			rgba := rendering(size[0], size[1], 0)
			var p encode.Picture
			for b.Loop() {
				if err := p.Convert(rgba, size[0]*4, size[0], size[1]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScale(b *testing.B) {
	src, dst := rendering(512, 384, 0), make([]byte, 1024*768*4)
	for b.Loop() {
		if err := encode.Scale(dst, 1024, 768, src, 512, 384); err != nil {
			b.Fatal(err)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
