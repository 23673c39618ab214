package decode_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/decode"
)

// stream encodes a few flat pictures, the first of them as a key frame.
func stream(t testing.TB, codec encode.Codec, width, height int) [][]byte {
	t.Helper()
	e, err := encode.New(encode.Config{Codec: codec, Width: width, Height: height, BitrateBps: 500_000})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := encode.NewPicture(width, height)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for i := range 4 {
		for j := range p.Pix {
			p.Pix[j] = uint8(60 + 40*i)
		}
		f, err := e.Encode(p, time.Duration(i)*time.Second/30, false)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f.Data)
	}
	return frames
}

func TestDamagedStream(t *testing.T) {
	for _, codec := range []encode.Codec{encode.H264, encode.VP8} {
		t.Run(string(codec), func(t *testing.T) {
			frames := stream(t, codec, 320, 240)
			d, err := decode.New(codec)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := d.Decode(frames[1]); err == nil {
				t.Error("a stream without a key frame was decoded")
			}
			for name, data := range map[string][]byte{
				"nothing": nil, "one byte": {0}, "zeros": make([]byte, 100), "huge": make([]byte, decode.MaxFrame+1),
			} {
				if _, err := d.Decode(data); err == nil {
					t.Errorf("%s was decoded", name)
				}
			}
			// The next key frame makes it whole.
			for i, f := range frames {
				p, err := d.Decode(f)
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				if y := int(p.Pix[1000]); y < 55+40*i || y > 65+40*i {
					t.Errorf("frame %d has luma %d, want about %d", i, y, 60+40*i)
				}
			}
			for range 2 {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.Decode(frames[0]); !errors.Is(err, decode.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
	if _, err := decode.New("AV1"); err == nil {
		t.Error("a decoder for AV1 was opened")
	}
}

func TestParseSPS(t *testing.T) {
	for _, size := range [][2]int{{320, 240}, {1022, 766}, {1280, 720}, {1920, 1080}} {
		frames := stream(t, encode.H264, size[0], size[1])
		s, err := decode.ParseSPS(frames[0])
		if err != nil {
			t.Fatal(err)
		}
		if s.Width != size[0] || s.Height != size[1] {
			t.Errorf("%v is said to be %dx%d", size, s.Width, s.Height)
		}
		if _, err := decode.ParseSPS(frames[1]); err == nil {
			t.Error("a frame without parameter sets gave one")
		}
	}
}

func TestNALUnits(t *testing.T) {
	for name, c := range map[string]struct {
		stream []byte
		want   []string
	}{
		"nothing":          {nil, nil},
		"no start code":    {[]byte{1, 2, 3, 4}, nil},
		"one":              {[]byte{0, 0, 1, 9, 8}, []string{"\x09\x08"}},
		"long start codes": {[]byte{0, 0, 0, 1, 9, 0, 0, 0, 1, 7, 6}, []string{"\x09", "\x07\x06"}},
		"empty at the end": {[]byte{0, 0, 1, 9, 0, 0, 1}, []string{"\x09"}},
		"trailing zeros":   {[]byte{0, 0, 1, 9, 0, 0, 0, 0}, []string{"\x09"}},
	} {
		got := decode.NALUnits(c.stream)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d units, want %d", name, len(got), len(c.want))
			continue
		}
		for i := range got {
			if string(got[i]) != c.want[i] {
				t.Errorf("%s: unit %d is %x, want %x", name, i, got[i], c.want[i])
			}
		}
	}
}

func FuzzParseSPS(f *testing.F) {
	f.Add(stream(f, encode.H264, 320, 240)[0])
	f.Add([]byte{0, 0, 1, 0x67})
	f.Add([]byte{0, 0, 1, 0x67, 100, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		s, err := decode.ParseSPS(stream)
		if err == nil && (s.Width <= 0 || s.Height <= 0 || s.Width > 1<<15 || s.Height > 1<<15) {
			t.Errorf("%x gives %+v", stream, s)
		}
	})
}
