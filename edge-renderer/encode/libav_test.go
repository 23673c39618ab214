//go:build libav

package encode

import (
	"testing"
	"time"
)

// The ways that only devices take by default are tried with x264: interleaved chroma, and a bitrate that
// changes by opening the encoder anew.
func TestFixedBitrateAndNV12(t *testing.T) {
	codec := libavCodec{
		name: "libx264", kind: nv12, gop: endless16, fixed: true,
		options:  "preset=superfast,tune=zerolatency,forced-idr=1,x264-params=scenecut=0",
		profiles: map[profile]string{baseline: "baseline"},
	}
	c, err := Config{Codec: H264, Width: 320, Height: 240, BitrateBps: 1_000_000}.complete()
	if err != nil {
		t.Fatal(err)
	}
	e, err := codec.open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := NewPicture(320, 240)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Pix {
		p.Pix[i] = uint8(i)
	}
	n := 0
	for _, step := range []struct {
		bps int
		key bool // for the first picture after the change
	}{{1_000_000, true}, {900_000, false}, {1_500_000, false}, {500_000, true}, {600_000, false}, {2_000_000, true}} {
		if err := e.SetBitrate(step.bps); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			f, err := e.Encode(p, time.Duration(n)*time.Second/30, false)
			if err != nil {
				t.Fatal(err)
			}
			if want := step.key && i == 0; f.Key != want {
				t.Errorf("picture %d after the change to %d bit/s: key frame %v, want %v", i, step.bps, f.Key, want)
			}
			n++
		}
	}
}

// An encoder that cannot be opened says why in libavcodec's words, and an option that it does not know is
// not dropped silently.
func TestReasons(t *testing.T) {
	c, err := Config{Codec: H264, Width: 320, Height: 240, BitrateBps: 1_000_000}.complete()
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []libavCodec{
		{name: "h264_nothing", options: "a=b", profiles: map[profile]string{baseline: "baseline"}},
		{name: "libx264", options: "nonsense=1", profiles: map[profile]string{baseline: "baseline"}},
		{name: "libx264", options: "preset=nonsense", profiles: map[profile]string{baseline: "baseline"}},
	} {
		e, err := codec.open(c)
		if err == nil {
			e.Close()
			t.Errorf("%s with %s was opened", codec.name, codec.options)
			continue
		}
		t.Log(err)
	}
}
