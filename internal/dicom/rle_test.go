package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// packBits packs a segment with the longest runs and literals (PS3.5 G.3.1), and the code that means nothing between them.
func packBits(data []byte) (out []byte) {
	for i := 0; i < len(data); {
		run := 1
		for i+run < len(data) && run < 128 && data[i+run] == data[i] {
			run++
		}
		if run > 1 {
			out = append(out, byte(1-run), data[i])
			i += run
			continue
		}
		n := 1
		for i+n < len(data) && n < 128 && (i+n+1 == len(data) || data[i+n] != data[i+n+1]) {
			n++
		}
		out = append(append(out, byte(n-1)), data[i:i+n]...)
		if i += n; i%5 == 0 {
			out = append(out, 0x80)
		}
	}
	return out
}

// rleFrame is a frame of pixels, interleaved by pixel, little endian, as RLE stores it. Segments have an even length.
func rleFrame(pix []byte, f PixelFormat) []byte {
	size := f.BitsAllocated / 8
	segments := size * f.SamplesPerPixel
	header, body := make([]byte, 64), []byte(nil)
	binary.LittleEndian.PutUint32(header, uint32(segments))
	for s := range segments {
		binary.LittleEndian.PutUint32(header[4+4*s:], uint32(64+len(body)))
		var plane []byte
		for i := s/size*size + size - 1 - s%size; i < len(pix); i += segments {
			plane = append(plane, pix[i])
		}
		if body = append(body, packBits(plane)...); len(body)%2 != 0 {
			body = append(body, 0)
		}
	}
	return append(header, body...)
}

func TestRLELayouts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bits := range []int{8, 16, 32} {
		for _, samples := range []int{1, 3} {
			f := PixelFormat{Rows: 31, Columns: 47, Frames: 1, SamplesPerPixel: samples, BitsAllocated: bits}
			pix := make([]byte, f.FrameBytes())
			for i := range pix {
				pix[i] = byte(r.IntN(2) * r.IntN(3) * i)
			}
			frame := rleFrame(pix, f)
			name := fmt.Sprintf("%d samples of %d bits", samples, bits)
			got, err := decodeRLE(frame, f)
			if err != nil || !bytes.Equal(got, pix) {
				t.Errorf("%s: %v", name, err)
			}
			if f.Planar = true; samples > 1 {
				got, err := decodeRLE(frame, f)
				size, ok := bits/8, err == nil
				for i := range f.Rows * f.Columns * samples {
					at := (i%samples*f.Rows*f.Columns + i/samples) * size
					ok = ok && bytes.Equal(got[at:at+size], pix[i*size:(i+1)*size])
				}
				if !ok {
					t.Errorf("%s, plane by plane: %v", name, err)
				}
			}
			if _, err := decodeRLE(append(frame[:len(frame):len(frame)], 0, 0, 0), f); err != nil {
				t.Errorf("%s with padding: %v", name, err)
			}
			for n := range len(frame) - 2 {
				if _, err := decodeRLE(frame[:n], f); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s: %d of %d bytes: %v", name, n, len(frame), err)
				}
			}
		}
	}
}

func TestRLERefused(t *testing.T) {
	f := PixelFormat{Rows: 4, Columns: 4, Frames: 1, SamplesPerPixel: 1, BitsAllocated: 16}
	good := rleFrame(make([]byte, 32), f)
	change := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	for name, frame := range map[string][]byte{
		"3 segments": change(0, 3), "has 0 segments": change(0, 0), "4294967295 segments": change(0, 1<<32-1),
		"segment 1 lies": change(4, 63), "segment 1 lies at": change(8, 1<<31), "segment 1 lies at bytes 64": change(8, uint32(len(good))+1),
		"segment 2 holds 0": change(8, uint32(len(good))), "64 bytes": good[:60],
	} {
		_, err := decodeRLE(frame, f)
		if text, _, _ := strings.Cut(name, " at"); err == nil || name != "64 bytes" && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Rows, f.Columns = 65535, 65535
	if _, err := decodeRLE(good, f); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a huge image in %d bytes: %v", len(good), err)
	}
}

// FuzzRLE: whatever the bytes are, they are unpacked or refused, in memory that their number bounds.
func FuzzRLE(f *testing.F) {
	for _, bits := range []int{8, 16, 32} {
		for _, samples := range []int{1, 3} {
			format := PixelFormat{Rows: 5, Columns: 6, Frames: 1, SamplesPerPixel: samples, BitsAllocated: bits}
			f.Add(rleFrame(bytes.Repeat([]byte{1, 2, 2, 2}, format.FrameBytes()/4+1)[:format.FrameBytes()], format), uint16(5), uint16(6), uint8(samples), uint8(bits))
		}
	}
	f.Add(make([]byte, 64), uint16(65535), uint16(65535), uint8(3), uint8(32))
	f.Add(append([]byte{1, 0, 0, 0, 64}, bytes.Repeat([]byte{0x80}, 99)...), uint16(9), uint16(9), uint8(1), uint8(8))
	f.Fuzz(func(t *testing.T, frame []byte, rows, columns uint16, samples, bits uint8) {
		format := PixelFormat{
			Rows: max(int(rows), 1), Columns: max(int(columns), 1), Frames: 1,
			SamplesPerPixel: 1 + int(samples)%4, BitsAllocated: []int{1, 8, 16, 32, 64}[bits/8%5],
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := decodeRLE(frame, format)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+2048*uint64(len(frame)) {
			t.Errorf("%d bytes of memory for %d", used, len(frame))
		}
		if err == nil && len(got) != format.FrameBytes() {
			t.Errorf("%d bytes, not %d", len(got), format.FrameBytes())
		}
	})
}
