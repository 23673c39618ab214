package jpeg

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// described is what the first frame header in data says, as a data set would that belongs to it.
func described(data []byte) codec.Want {
	for i := 0; i+10 <= len(data); i++ {
		if data[i] == 0xFF && data[i+1] >= markerSOF0 && data[i+1] <= markerSOF3 {
			height, width := binary.BigEndian.Uint16(data[i+5:]), binary.BigEndian.Uint16(data[i+7:])
			return codec.Want{Width: int(width), Height: max(int(height), 1), Components: int(data[i+9])}
		}
	}
	return codec.Want{Width: 16, Height: 16, Components: 1}
}

// FuzzDecode: whatever the bytes are, they are decoded or refused, in memory that their number bounds.
func FuzzDecode(f *testing.F) {
	files, _ := fixtures(f)
	for _, data := range files {
		f.Add(data)
		f.Add(data[:len(data)*2/3])
	}
	r := rand.New(rand.NewPCG(6, 6))
	for selection := 1; selection <= 7; selection++ {
		frame := testLossless(r, 16-selection, selection, 1+selection%4)
		frame.width, frame.height = 7, 5
		f.Add(frame.lossless())
		frame.restart, frame.split = 7, true
		f.Add(frame.lossless())
	}
	dct := testDCT(r, 12, [][2]int{{2, 2}, {1, 1}, {1, 2}})
	dct.width, dct.height, dct.restart, dct.dnl = 17, 15, 1, true
	f.Add(dct.dct())
	f.Fuzz(func(t *testing.T, data []byte) {
		want := described(data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Decode(data, want)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+8192*uint64(len(data)) {
			t.Errorf("%d bytes of memory for %d", used, len(data))
		}
		if err == nil && (m.Width != want.Width || m.Height != want.Height || m.Components != want.Components ||
			len(m.Pix) != m.Width*m.Height*m.Components*m.SampleBytes()) {
			t.Errorf("%dx%d with %d components in %d bytes", m.Width, m.Height, m.Components, len(m.Pix))
		}
	})
}
