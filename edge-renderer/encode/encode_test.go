package encode_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/encode/decode"
)

// each runs a test for every encoder that this machine can use.
func each(t *testing.T, test func(t *testing.T, info encode.Info)) {
	for _, info := range encode.Available() {
		t.Run(info.Name, func(t *testing.T) {
			if !info.Usable {
				t.Skipf("%s cannot be used here: %s", info.Name, info.Reason)
			}
			test(t, info)
		})
	}
}

func open(t testing.TB, c encode.Config) encode.Encoder {
	t.Helper()
	e, err := encode.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func openDecoder(t testing.TB, codec encode.Codec) decode.Decoder {
	t.Helper()
	d, err := decode.New(codec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestMovingPictureSurvives(t *testing.T) {
	const width, height, pictures = 1280, 720, 16
	var sources []*encode.Picture
	for i := range pictures {
		sources = append(sources, picture(t, rendering(width, height, float64(i)*0.03), width, height))
	}
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 4_000_000})
		d := openDecoder(t, info.Codec)
		var worst float64 = 100
		for i, p := range sources {
			f, err := e.Encode(p, time.Duration(i)*time.Second/30, false)
			if err != nil {
				t.Fatalf("picture %d: %v", i, err)
			}
			if f.Key != (i == 0) {
				t.Errorf("picture %d: key frame %v; only the first is one", i, f.Key)
			}
			got, err := d.Decode(f.Data)
			if err != nil {
				t.Fatalf("picture %d: %v", i, err)
			}
			if got.Width != width || got.Height != height {
				t.Fatalf("picture %d: decoded as %dx%d", i, got.Width, got.Height)
			}
			worst = min(worst, psnrY(p, got))
		}
		t.Logf("lowest PSNR-Y %.1f dB", worst)
		if worst < 38 {
			t.Errorf("lowest PSNR-Y is %.1f dB, want at least 38", worst)
		}
	})
}

// Pictures that cannot be compressed to the bitrate still come out, each as one frame.
func TestNoPictureIsSkipped(t *testing.T) {
	const width, height = 320, 240
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 50_000})
		d := openDecoder(t, info.Codec)
		for i := range 40 {
			f, err := e.Encode(picture(t, noise(width, height, uint32(i)), width, height), time.Duration(i)*time.Second/30, false)
			if err != nil {
				t.Fatalf("picture %d: %v", i, err)
			}
			if f.Key != (i == 0) {
				t.Errorf("picture %d: key frame %v; only the first is one", i, f.Key)
			}
			if _, err := d.Decode(f.Data); err != nil {
				t.Fatalf("picture %d: %v", i, err)
			}
		}
	})
}

func TestKeyFrameOnRequest(t *testing.T) {
	const width, height = 320, 240
	var sources []*encode.Picture
	for i := range 10 {
		sources = append(sources, picture(t, rendering(width, height, float64(i)*0.05), width, height))
	}
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 500_000})
		for i := range 400 {
			asked := i == 7 || i == 8 || i == 300
			p := sources[i%len(sources)]
			f, err := e.Encode(p, time.Duration(i)*time.Second/30, asked)
			if err != nil {
				t.Fatal(err)
			}
			if f.Key != (asked || i == 0) {
				t.Fatalf("picture %d: key frame %v, asked for %v", i, f.Key, asked)
			}
			if !f.Key {
				continue
			}
			// A new decoder can begin at each key frame.
			got, err := openDecoder(t, info.Codec).Decode(f.Data)
			if err != nil {
				t.Fatalf("begin at picture %d: %v", i, err)
			}
			if db := psnrY(p, got); db < 30 {
				t.Errorf("begin at picture %d: PSNR-Y %.1f dB", i, db)
			}
		}
	})
}

// A change of scene is no reason for a key frame: a preset changes the whole picture at once.
func TestSceneChangeMakesNoKeyFrame(t *testing.T) {
	const width, height = 320, 240
	a, b := picture(t, rendering(width, height, 0), width, height), picture(t, noise(width, height, 1), width, height)
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 500_000})
		for i := range 30 {
			p := a
			if i/5%2 == 1 {
				p = b
			}
			f, err := e.Encode(p, time.Duration(i)*time.Second/30, false)
			if err != nil {
				t.Fatal(err)
			}
			if f.Key != (i == 0) {
				t.Errorf("picture %d: key frame %v", i, f.Key)
			}
		}
	})
}

func TestBitrateFollows(t *testing.T) {
	const width, height = 640, 480
	const perStep, distinct = 60, 20
	var sources []*encode.Picture
	for i := range distinct {
		// Grain makes every bitrate here too small for a perfect picture, so that it is used up.
		rgba, grain := rendering(width, height, float64(i)*0.06), noise(width, height, uint32(i))
		for j := range rgba {
			rgba[j] = uint8((3*int(rgba[j]) + int(grain[j])) / 4)
		}
		sources = append(sources, picture(t, rgba, width, height))
	}
	for _, fps := range []int{30, 15} {
		each(t, func(t *testing.T, info encode.Info) {
			e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 2_000_000})
			n := 0
			for _, bps := range []int{2_000_000, 6_000_000, 1_500_000, 4_000_000, 60_000_000} {
				if err := e.SetBitrate(bps); err != nil {
					t.Fatal(err)
				}
				if got := e.Config().BitrateBps; got != bps {
					t.Errorf("the configuration says %d bit/s after %d was set", got, bps)
				}
				var bits int
				for i := range perStep {
					f, err := e.Encode(sources[i%distinct], time.Duration(n)*time.Second/time.Duration(fps), false)
					if err != nil {
						t.Fatal(err)
					}
					if f.Key != (n == 0) && !info.FixedBitrate {
						t.Errorf("at %d bit/s, picture %d: key frame %v", bps, i, f.Key)
					}
					// The first half is the time to get there.
					if i >= perStep/2 {
						bits += len(f.Data) * 8
					}
					n++
				}
				got := float64(bits) * float64(fps) / (perStep / 2)
				t.Logf("%d/s: target %.2f, got %.2f Mbit/s", fps, float64(bps)/1e6, got/1e6)
				if got > 1.25*float64(bps) || (got < 0.6*float64(bps) && bps < 20_000_000) {
					t.Errorf("%d pictures/s at %d bit/s gave %.0f bit/s", fps, bps, got)
				}
			}
		})
	}
}

func TestSizes(t *testing.T) {
	each(t, func(t *testing.T, info encode.Info) {
		for _, c := range []struct {
			width, height int
			want          string // part of the error, empty where the size is good
		}{
			{0, 0, "at least 16"}, {-2, 480, "at least 16"}, {14, 480, "at least 16"},
			{641, 480, "even"}, {640, 481, "even"},
			{4098, 480, "at most 4096"}, {4096, 4096, "in all"}, {1 << 40, 2, "at least 16"}, {1 << 32, 1 << 32, "at most"},
			{16, 16, ""}, {1022, 766, ""}, {4096, 2304, ""}, {2304, 4096, ""}, {16, 4096, ""},
		} {
			t.Run(fmt.Sprintf("%dx%d", c.width, c.height), func(t *testing.T) {
				e, err := encode.New(encode.Config{Codec: info.Codec, Encoder: info.Name, Width: c.width, Height: c.height, BitrateBps: 1e6})
				if c.want != "" {
					if !errors.Is(err, encode.ErrSize) || !strings.Contains(err.Error(), c.want) {
						t.Fatalf("got %v, want ErrSize with %q", err, c.want)
					}
					return
				}
				if err != nil {
					if info.Hardware {
						t.Skipf("the device refuses it: %v", err)
					}
					t.Fatal(err)
				}
				defer e.Close()
				p, err := encode.NewPicture(c.width, c.height)
				if err != nil {
					t.Fatal(err)
				}
				for i := range p.Pix {
					p.Pix[i] = uint8(i >> 5)
				}
				f, err := e.Encode(p, 0, false)
				if err != nil {
					t.Fatal(err)
				}
				got, err := openDecoder(t, info.Codec).Decode(f.Data)
				if err != nil {
					t.Fatal(err)
				}
				if got.Width != c.width || got.Height != c.height {
					t.Errorf("decoded as %dx%d", got.Width, got.Height)
				}
			})
		}
	})
}

func TestWrongPictures(t *testing.T) {
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: 320, Height: 240, BitrateBps: 500_000})
		other, err := encode.NewPicture(322, 240)
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]*encode.Picture{
			"another size": other,
			"empty":        {},
			"none":         nil,
			"short":        {Width: 320, Height: 240, Pix: make([]byte, 320*240)},
		} {
			if _, err := e.Encode(p, 0, false); !errors.Is(err, encode.ErrSize) {
				t.Errorf("%s: got %v, want ErrSize", name, err)
			}
		}
		for _, bps := range []int{0, -1} {
			if err := e.SetBitrate(bps); err == nil || errors.Is(err, encode.ErrClosed) {
				t.Errorf("a bitrate of %d gave %v", bps, err)
			}
		}
		// None of it did harm.
		if _, err := e.Encode(picture(t, rendering(320, 240, 0), 320, 240), 0, false); err != nil {
			t.Error(err)
		}
	})
}

func TestClosed(t *testing.T) {
	each(t, func(t *testing.T, info encode.Info) {
		e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: 320, Height: 240, BitrateBps: 500_000})
		for range 2 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Encode(picture(t, rendering(320, 240, 0), 320, 240), 0, false); !errors.Is(err, encode.ErrClosed) {
			t.Errorf("Encode gave %v", err)
		}
		if err := e.SetBitrate(1_000_000); !errors.Is(err, encode.ErrClosed) {
			t.Errorf("SetBitrate gave %v", err)
		}
	})
}

func TestAvailable(t *testing.T) {
	got := map[string]encode.Info{}
	for _, info := range encode.Available() {
		t.Logf("%+v", info)
		if _, twice := got[info.Name]; twice {
			t.Errorf("%s is listed twice", info.Name)
		}
		if info.Usable == (info.Reason != "") {
			t.Errorf("%s: usable %v, reason %q", info.Name, info.Usable, info.Reason)
		}
		got[info.Name] = info
	}
	if i := got["openh264"]; !i.Usable || i.Codec != encode.H264 || i.Hardware {
		t.Errorf("openh264: %+v", i)
	}
	if i := got["libvpx-vp8"]; !i.Usable || i.Codec != encode.VP8 || i.Hardware {
		t.Errorf("libvpx-vp8: %+v", i)
	}
}

func TestConfigurations(t *testing.T) {
	good := encode.Config{Codec: encode.H264, Width: 320, Height: 240, BitrateBps: 500_000}
	with := func(change func(*encode.Config)) encode.Config {
		c := good
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		config encode.Config
		want   string // part of the error
	}{
		"good":              {good, ""},
		"codec":             {with(func(c *encode.Config) { c.Codec = "AV1" }), `codec "AV1"`},
		"encoder":           {with(func(c *encode.Config) { c.Encoder = "magic" }), "H264 by magic"},
		"encoder for codec": {with(func(c *encode.Config) { c.Encoder = "libvpx-vp8" }), "H264 by libvpx-vp8"},
		"no bitrate":        {with(func(c *encode.Config) { c.BitrateBps = 0 }), "bitrate of 0"},
		"low bitrate":       {with(func(c *encode.Config) { c.BitrateBps = 1 }), ""},
		"high bitrate":      {with(func(c *encode.Config) { c.BitrateBps = 1 << 60 }), ""},
		"picture rate":      {with(func(c *encode.Config) { c.MaxFPS = 1000 }), "picture rate of 1000"},
		"threads":           {with(func(c *encode.Config) { c.Threads = 1000 }), "1000 threads"},
		"one thread":        {with(func(c *encode.Config) { c.Threads = 1 }), ""},
		"profile":           {with(func(c *encode.Config) { c.Profile = "4200" }), `"4200"`},
		"unknown profile":   {with(func(c *encode.Config) { c.Profile = "58e01f" }), `"58e01f"`},
		"no profile":        {with(func(c *encode.Config) { c.Profile = "zzzzzz" }), `"zzzzzz"`},
		"upper case":        {with(func(c *encode.Config) { c.Profile = "42E01F" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := encode.New(c.config)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			got := e.Config()
			if got.BitrateBps < encode.MinBitrate || got.BitrateBps > encode.MaxBitrate || got.MaxFPS != 30 || got.Profile != "42e01f" {
				t.Errorf("completed to %+v", got)
			}
			if _, err := e.Encode(picture(t, rendering(320, 240, 0), 320, 240), 0, false); err != nil {
				t.Error(err)
			}
		})
	}
}

// Colour is tagged as BT.601, limited range, and the profile is within what was agreed.
func TestColourIsTagged(t *testing.T) {
	each(t, func(t *testing.T, info encode.Info) {
		if info.Codec != encode.H264 {
			t.Skip("VP8 has no colour tags: it is BT.601 by definition")
		}
		for _, c := range []struct {
			profile string
			allowed []uint8 // profile_idc
		}{{"42e01f", []uint8{66}}, {"4d001f", []uint8{66, 77}}, {"64001f", []uint8{66, 77, 100}}} {
			e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: 1280, Height: 720, BitrateBps: 4_000_000, Profile: c.profile})
			f, err := e.Encode(picture(t, rendering(1280, 720, 0), 1280, 720), 0, false)
			if err != nil {
				t.Fatal(err)
			}
			s, err := decode.ParseSPS(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %s, %+v", c.profile, s.ProfileLevelID(), s)
			// 6 is SMPTE 170M, which is BT.601 with 525 lines (Rec. ITU-T H.264, Tables E-3 to E-5).
			if !s.SignalType || s.FullRange || s.Primaries != 6 || s.Transfer != 6 || s.Matrix != 6 {
				t.Errorf("%s: tagged as %+v", c.profile, s)
			}
			if !slices.Contains(c.allowed, s.Profile) {
				t.Errorf("%s was agreed, the stream has profile %d", c.profile, s.Profile)
			}
			if s.Profile == 66 && s.Constraints&0x40 == 0 {
				t.Errorf("the stream is baseline and not constrained baseline: %s", s.ProfileLevelID())
			}
			if s.Level > 31 {
				t.Errorf("the stream has level %d, more than 1280x720 at 30 pictures a second needs", s.Level)
			}
		}
	})
}

// Encoders share nothing, so sessions may encode at the same time.
func TestEncodersSideBySide(t *testing.T) {
	const width, height = 320, 240
	each(t, func(t *testing.T, info encode.Info) {
		var all sync.WaitGroup
		for range 3 {
			e := open(t, encode.Config{Codec: info.Codec, Encoder: info.Name, Width: width, Height: height, BitrateBps: 500_000})
			d := openDecoder(t, info.Codec)
			all.Go(func() {
				for i := range 10 {
					p := picture(t, rendering(width, height, float64(i)*0.05), width, height)
					f, err := e.Encode(p, time.Duration(i)*time.Second/30, false)
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := d.Decode(f.Data); err != nil || psnrY(p, got) < 30 {
						t.Errorf("picture %d: %v", i, err)
					}
				}
			})
		}
		all.Wait()
	})
}

// What C allocates is freed: many encoders one after the other take no more memory than a few.
func TestCloseFrees(t *testing.T) {
	resident := func() int {
		var total, pages int
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip("the memory of the process cannot be read on this system:", err)
		}
		if _, err := fmt.Sscan(string(statm), &total, &pages); err != nil {
			t.Fatal(err)
		}
		return pages * os.Getpagesize()
	}
	p := picture(t, rendering(640, 480, 0), 640, 480)
	each(t, func(t *testing.T, info encode.Info) {
		cycle := func() {
			e, err := encode.New(encode.Config{Codec: info.Codec, Encoder: info.Name, Width: 640, Height: 480, BitrateBps: 500_000})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			f, err := e.Encode(p, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			d, err := decode.New(info.Codec)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := d.Decode(f.Data); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			cycle()
		}
		before := resident()
		for range 60 {
			cycle()
		}
		// One encoder or decoder of this size holds some megabytes; threads keep some tens in malloc's arenas.
		if grown := resident() - before; grown > 64<<20 {
			t.Errorf("60 encoders and decoders left %d MiB behind", grown>>20)
		}
	})
}
