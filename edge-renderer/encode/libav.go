//go:build libav

package encode

/*
#cgo pkg-config: libavcodec libavutil
#cgo LDFLAGS: -lyuv
#include <stdlib.h>
#include "libav.h"
*/
import "C"

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// libavCodec is an H.264 encoder of libavcodec and how to ask it for low latency: no pictures held back, key
// frames on request only, constant bitrate.
type libavCodec struct {
	name     string
	kind     C.enum_tc_av_kind
	hardware bool
	options  string
	profiles map[profile]string // the encoder's names
	// gop is the distance of key frames that nobody asked for, in pictures.
	gop int
	// fixed says that libavcodec (up to 5.1, Debian 12) does not change this encoder's bitrate while it runs.
	fixed bool
}

// Where an encoder wants its pictures.
const (
	i420  = C.TC_AV_I420  // main memory, three planes
	nv12  = C.TC_AV_NV12  // main memory, U and V interleaved
	vaapi = C.TC_AV_VAAPI // surfaces of a VA-API device
)

const (
	endless = 1 << 30
	// endless16 is for drivers that keep the lowest 16 bits: it leaves them the highest value, where
	// endless would be 0, which stands for a default of seconds.
	endless16 = math.MaxInt32
)

// x264 comes after openh264, which is as fast and free of the GPL.
var (
	libavPreferred = libavBackends(libavCodec{
		name: "h264_nvenc", kind: i420, hardware: true, gop: endless,
		options:  "preset=p3,tune=ull,rc=cbr,zerolatency=1,delay=0,forced-idr=1,rc-lookahead=0,no-scenecut=1",
		profiles: map[profile]string{baseline: "baseline", mainline: "main", high: "high"},
	})
	libavOthers = libavBackends(libavCodec{
		name: "libx264", kind: i420, gop: endless,
		options:  "preset=superfast,tune=zerolatency,forced-idr=1,x264-params=scenecut=0",
		profiles: map[profile]string{baseline: "baseline", mainline: "main", high: "high"},
	}, libavCodec{
		name: "h264_vaapi", kind: vaapi, hardware: true, gop: endless16, fixed: true,
		options:  "rc_mode=CBR,async_depth=1",
		profiles: map[profile]string{baseline: "constrained_baseline", mainline: "main", high: "high"},
	}, libavCodec{
		name: "h264_qsv", kind: nv12, hardware: true, gop: endless16, fixed: true,
		options:  "preset=veryfast,async_depth=1,forced_idr=1,look_ahead=0",
		profiles: map[profile]string{baseline: "baseline", mainline: "main", high: "high"},
	})
)

func libavBackends(codecs ...libavCodec) []backend {
	var all []backend
	for _, codec := range codecs {
		all = append(all, backend{name: codec.name, codec: H264, hardware: codec.hardware, fixed: codec.fixed, open: codec.open})
	}
	return all
}

// libav is an encoder of libavcodec.
type libav struct {
	codec  libavCodec
	config Config
	pace   pace
	rate   int      // what the encoder was last told, bits per second
	c      *C.tc_av // nil when closed
}

func (codec libavCodec) open(c Config) (Encoder, error) {
	e := &libav{codec: codec, config: c, pace: newPace(c.MaxFPS), rate: c.BitrateBps}
	if err := e.reopen(); err != nil {
		return nil, err
	}
	return e, nil
}

// reopen opens the encoder at e.rate, in the place of the one that runs.
func (e *libav) reopen() error {
	p, err := parseProfile(e.config.Profile)
	if err != nil {
		return err
	}
	name, profile, options := C.CString(e.codec.name), C.CString(e.codec.profiles[p]), C.CString(e.codec.options)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(profile))
	defer C.free(unsafe.Pointer(options))
	var why [256]C.char
	h := C.tc_av_open(&C.tc_av_config{
		name: name, kind: e.codec.kind, profile: profile, options: options,
		width: C.int(e.config.Width), height: C.int(e.config.Height), threads: C.int(e.config.Threads),
		gop: C.int(e.codec.gop), fps: C.double(e.config.MaxFPS), bitrate: C.int64_t(e.rate),
	}, &why[0], C.size_t(len(why)))
	if h == nil {
		return fmt.Errorf("open %s of libavcodec for %dx%d: %s", e.codec.name, e.config.Width, e.config.Height, strings.TrimSpace(C.GoString(&why[0])))
	}
	C.tc_av_close(e.c)
	e.c = h
	return nil
}

func (e *libav) Name() string   { return e.codec.name }
func (e *libav) Config() Config { return e.config }

func (e *libav) Encode(p *Picture, timestamp time.Duration, forceKey bool) (Frame, error) {
	if e.c == nil {
		return Frame{}, ErrClosed
	}
	if err := p.checkFor(e.config); err != nil {
		return Frame{}, fmt.Errorf("encode with %s: %w", e.codec.name, err)
	}
	if err := e.follow(e.pace.next(timestamp)); err != nil {
		return Frame{}, fmt.Errorf("encode with %s: follow the bitrate: %w", e.codec.name, err)
	}
	key := C.int(0)
	if forceKey {
		key = 1
	}
	var (
		data        *C.uint8_t
		size, isKey C.int
	)
	y, u, v := p.Planes()
	if rc := C.tc_av_encode(e.c, bytePtr(y), bytePtr(u), bytePtr(v), key, &data, &size, &isKey); rc != 0 {
		var why [128]C.char
		C.tc_av_error(rc, &why[0], C.size_t(len(why)))
		return Frame{}, fmt.Errorf("encode with %s: %s", e.codec.name, C.GoString(&why[0]))
	}
	if data == nil || size == 0 {
		return Frame{}, fmt.Errorf("encode with %s: %w", e.codec.name, ErrNoFrame)
	}
	return Frame{Data: C.GoBytes(unsafe.Pointer(data), size), Key: isKey != 0}, nil
}

// follow tells the encoder its target. It plans with the highest picture rate, so where pictures come slower
// the target that it gets is higher than the true one.
func (e *libav) follow(interval time.Duration) error {
	rate := int(float64(e.config.BitrateBps) * interval.Seconds() * e.config.MaxFPS)
	change := float64(rate) / float64(e.rate)
	if !e.codec.fixed {
		if change < 0.99 || change > 1.01 {
			C.tc_av_bitrate(e.c, C.int64_t(rate))
			e.rate = rate
		}
		return nil
	}
	// A new encoder begins with a key frame, so this is for changes that matter: too much for the network
	// soon, too little late.
	if change > 0.8 && change < 2 {
		return nil
	}
	before := e.rate
	e.rate = rate
	if err := e.reopen(); err != nil {
		e.rate = before
		return err
	}
	return nil
}

func (e *libav) SetBitrate(bps int) error {
	if e.c == nil {
		return ErrClosed
	}
	if bps <= 0 {
		return fmt.Errorf("set the bitrate of %s to %d bit/s: it must be above 0", e.codec.name, bps)
	}
	e.config.BitrateBps = clampBitrate(bps) // follow does it with the next picture
	return nil
}

func (e *libav) Close() error {
	C.tc_av_close(e.c)
	e.c = nil
	return nil
}
