package inflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/inflate"
)

func deflate(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// samples are data of several kinds: none, noise, runs of short patterns, text, and a noisy slope of 16 bits as CT has.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var runs []byte
	for range 400 {
		runs = append(runs, bytes.Repeat(noise[:1+r.IntN(12)], 1+r.IntN(60))...)
		noise = noise[12:]
	}
	slope := make([]byte, 200_000)
	for i := 0; i < len(slope); i += 2 {
		v := i/100 + int(r.NormFloat64()*6)
		slope[i], slope[i+1] = byte(v), byte(v>>8)
	}
	return map[string][]byte{
		"nothing": {}, "one byte": {7}, "noise": noise, "runs": runs, "slope": slope, "zeros": make([]byte, 1<<20),
		"text": []byte(strings.Repeat("the way of a slice to its samples, ", 900)),
	}
}

func TestDecode(t *testing.T) {
	for name, data := range samples() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 6, flate.BestCompression} {
			packed := deflate(t, data, level)
			for _, tail := range []int{0, 1, 20} {
				got, err := inflate.Decode(append(packed[:len(packed):len(packed)], make([]byte, tail)...), len(data))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s, level %d, %d bytes behind it: %d of %d bytes, %v", name, level, tail, len(got), len(data), err)
				}
			}
			if len(data) > 0 {
				if got, err := inflate.Decode(packed, len(data)-1); !errors.Is(err, codec.ErrLimit) {
					t.Errorf("%s, level %d: %d bytes with a limit of one less: %v", name, level, len(got), err)
				}
			}
		}
	}
}

// What ends early gives what was there, and says so.
func TestTruncated(t *testing.T) {
	for name, data := range samples() {
		for _, level := range []int{flate.NoCompression, 6} {
			packed := deflate(t, data[:min(len(data), 5000)], level)
			for n := range packed {
				got, err := inflate.Decode(packed[:n], 1<<20)
				if !errors.Is(err, codec.ErrTruncated) || len(got) > len(data) || !bytes.Equal(got, data[:len(got)]) {
					t.Fatalf("%s, level %d, %d of %d bytes: %d bytes, %v", name, level, n, len(packed), len(got), err)
				}
			}
		}
	}
}

// FuzzDecode compares with the standard library, which reads or refuses the same streams.
func FuzzDecode(f *testing.F) {
	for _, data := range samples() {
		f.Add(deflate(f, data[:min(len(data), 2000)], 6))
		f.Add(deflate(f, data[:min(len(data), 300)], flate.HuffmanOnly))
	}
	f.Add([]byte{0x4B, 0x02, 0x02, 0x00})
	f.Add([]byte{1, 0, 0, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 20
		got, err := inflate.Decode(data, most)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), most+1))
		if len(want) > most {
			if !errors.Is(err, codec.ErrLimit) {
				t.Fatalf("%d bytes and more: %v", most, err)
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, the standard library: %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes differ from the standard library's %d", len(got), len(want))
		}
		if cap(got) > most+1<<16 {
			t.Fatalf("%d bytes of memory for %d", cap(got), len(got))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := samples()["slope"]
	packed := deflate(b, data, 6)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := inflate.Decode(packed, len(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compress/flate", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
