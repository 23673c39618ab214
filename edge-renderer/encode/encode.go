// Package encode turns rendered pictures into video frames.
//
// The way of a picture: Scale where it was rendered smaller than the stream, Picture.Convert from RGBA to
// I420, Encoder.Encode. The steps are apart so that each can be timed. Every frame is tagged as BT.601,
// limited range: in the VUI of H.264 (Rec. ITU-T H.264, E.2.1), and by definition in VP8 (RFC 6386, 9.2).
//
// The encoders are openh264 and libvpx's VP8. With the build tag libav they are joined by those that
// libavcodec can open on this machine: NVENC, VAAPI, QSV and x264. That build links libavcodec and takes on
// its licence, which in most distributions is the GPL.
package encode

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Codec is a video codec, named as the encoding name of its MIME type.
type Codec string

// The codecs.
const (
	H264 Codec = "H264" // RFC 6184; frames are Annex B byte streams
	VP8  Codec = "VP8"  // RFC 7741
)

// MimeType is the codec's name in SDP and in pion, for example "video/H264".
func (c Codec) MimeType() string { return "video/" + string(c) }

// The limits of a stream.
const (
	MinSide    = 16          // pixels: one macroblock
	MaxSide    = 4096        // pixels
	MaxPixels  = 4096 * 2304 // the largest frame of H.264 level 5.2 (Table A-1), which is openh264's limit too
	MinBitrate = 30_000      // bits per second; a lower target is raised to it
	MaxBitrate = 200_000_000 // bits per second; a higher target is lowered to it
	MaxFPS     = 240
	MaxThreads = 16
)

// Errors on which a caller decides.
var (
	// ErrClosed says that the encoder was closed.
	ErrClosed = errors.New("the encoder is closed")
	// ErrSize says that a size cannot be encoded, or is not the encoder's.
	ErrSize = errors.New("picture size")
	// ErrUnsupported says that no encoder on this machine can do what the configuration asks for.
	ErrUnsupported = errors.New("no encoder")
	// ErrNoFrame says that the encoder took a picture and made no frame of it. Rate control that drops
	// pictures is off in every encoder here, so this is a fault, but one that the next picture may end.
	ErrNoFrame = errors.New("the encoder made no frame")
)

// Config says what an encoder shall do.
type Config struct {
	Codec Codec
	// Encoder insists on one encoder by its name in Available. Empty takes the first of that list which
	// opens.
	Encoder string
	// Width and Height are the size of the stream in pixels, both even. They are fixed for an encoder's
	// life: another size is another encoder, whose first frame is a key frame.
	Width, Height int
	// BitrateBps is the target in bits per second.
	BitrateBps int
	// MaxFPS is the highest picture rate to expect; 0 is 30. The rate control follows the timestamps.
	MaxFPS float64
	// Profile is the profile-level-id agreed for H.264 (RFC 6184, 8.1), six hexadecimal digits; empty is
	// "42e01f". Its profile is an upper bound: openh264 always sends constrained baseline, which decoders
	// of every profile here read. The level in the stream is the one that its size needs.
	Profile string
	// Threads is the most threads one picture is spread over; 0 is 2. VP8 always uses one, because with
	// more its latency collapses when other work wants the processor.
	Threads int
}

// Frame is one encoded picture.
type Frame struct {
	// Data is the caller's own. For H.264 it is an Annex B byte stream of one access unit, which begins
	// with the sequence and picture parameter sets when it is a key frame.
	Data []byte
	// Key says that decoding can begin here.
	Key bool
}

// Encoder encodes the pictures of one stream in order, each into exactly one frame. It is for one goroutine
// at a time. A key frame is only ever the first frame or one that was asked for, but see Info.FixedBitrate.
type Encoder interface {
	// Name is the encoder's name in Available.
	Name() string
	// Config is the configuration in use, with its defaults filled in and the bitrate last set.
	Config() Config
	// Encode encodes p, which must have the encoder's size and is not kept. The timestamp is on any clock
	// that starts at or before the first picture; rate control plans with the distances. forceKey makes
	// the frame a key frame.
	Encode(p *Picture, timestamp time.Duration, forceKey bool) (Frame, error)
	// SetBitrate changes the target, in bits per second, from the next picture on. It makes no key frame,
	// except in encoders with Info.FixedBitrate.
	SetBitrate(bps int) error
	// Close frees the encoder. Closing again does nothing; everything else then returns ErrClosed.
	Close() error
}

// New opens an encoder, or says why none could be opened.
func New(c Config) (Encoder, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	var failed []string
	for i, info := range Available() {
		b := backends[i]
		if b.codec != c.Codec || (c.Encoder != "" && c.Encoder != b.name) {
			continue
		}
		if !info.Usable {
			failed = append(failed, b.name+": "+info.Reason)
			continue
		}
		e, err := b.open(c)
		if err == nil {
			return e, nil
		}
		failed = append(failed, b.name+": "+err.Error())
	}
	asked := string(c.Codec)
	if c.Encoder != "" {
		asked += " by " + c.Encoder
	}
	if failed == nil {
		return nil, fmt.Errorf("%w for %s in this build", ErrUnsupported, asked)
	}
	return nil, fmt.Errorf("%w for %s at %dx%d (%s)", ErrUnsupported, asked, c.Width, c.Height, strings.Join(failed, "; "))
}

// complete checks the configuration and fills in what was left out.
func (c Config) complete() (Config, error) {
	if c.Codec != H264 && c.Codec != VP8 {
		return c, fmt.Errorf("%w for codec %q: use %s or %s", ErrUnsupported, c.Codec, H264, VP8)
	}
	if err := CheckSize(c.Width, c.Height); err != nil {
		return c, err
	}
	if c.BitrateBps <= 0 {
		return c, fmt.Errorf("a bitrate of %d bit/s cannot be encoded: it must be above 0", c.BitrateBps)
	}
	c.BitrateBps = clampBitrate(c.BitrateBps)
	if c.MaxFPS == 0 {
		c.MaxFPS = 30
	}
	if !(c.MaxFPS >= 1 && c.MaxFPS <= MaxFPS) {
		return c, fmt.Errorf("a picture rate of %g per second cannot be encoded: use 1 to %d", c.MaxFPS, MaxFPS)
	}
	if c.Threads == 0 {
		c.Threads = 2
	}
	if c.Threads < 0 || c.Threads > MaxThreads {
		return c, fmt.Errorf("%d threads cannot be used to encode: use 1 to %d", c.Threads, MaxThreads)
	}
	if c.Codec != H264 {
		c.Profile = ""
		return c, nil
	}
	if c.Profile == "" {
		c.Profile = "42e01f"
	}
	c.Profile = strings.ToLower(c.Profile)
	if _, err := parseProfile(c.Profile); err != nil {
		return c, err
	}
	return c, nil
}

// CheckSize says whether a stream may have this size in pixels, and if not, why; the error wraps ErrSize.
func CheckSize(width, height int) error {
	switch {
	case width < MinSide || height < MinSide:
		return fmt.Errorf("%w %dx%d: both sides must be at least %d pixels", ErrSize, width, height, MinSide)
	case width > MaxSide || height > MaxSide || width*height > MaxPixels:
		return fmt.Errorf("%w %dx%d: at most %d pixels a side and %d in all can be encoded", ErrSize, width, height, MaxSide, MaxPixels)
	case width%2 != 0 || height%2 != 0:
		return fmt.Errorf("%w %dx%d: both sides must be even, because colour is stored for every second pixel", ErrSize, width, height)
	}
	return nil
}

// clampBitrate keeps a target within what the encoders take.
func clampBitrate(bps int) int { return max(MinBitrate, min(bps, MaxBitrate)) }

// profile is the profile of an H.264 stream.
type profile string

const (
	baseline profile = "baseline"
	mainline profile = "main"
	high     profile = "high"
)

// parseProfile reads the profile of a profile-level-id (RFC 6184, 8.1): profile_idc, constraint flags and
// level_idc, each as two hexadecimal digits. High 4:4:4 Predictive decoders read High, the most sent here.
func parseProfile(id string) (profile, error) {
	var idc, constraints, level uint8
	if len(id) == 6 {
		if n, err := fmt.Sscanf(id, "%02x%02x%02x", &idc, &constraints, &level); n == 3 && err == nil {
			switch idc {
			case 0x42:
				return baseline, nil
			case 0x4d:
				return mainline, nil
			case 0x64, 0xf4:
				return high, nil
			}
		}
	}
	return "", fmt.Errorf("%w for the H.264 profile-level-id %q: profiles 42, 4d, 64 and f4 are known, for example 42e01f", ErrUnsupported, id)
}
