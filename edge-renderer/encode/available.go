package encode

import (
	"slices"
	"sync"
)

// Info is one encoder of this build and whether this machine can use it.
type Info struct {
	// Name is what Config.Encoder takes and Encoder.Name returns, for example "openh264".
	Name  string
	Codec Codec
	// Hardware says that the encoder is a device and not the processor.
	Hardware bool
	// FixedBitrate says that the encoder cannot change its bitrate while it runs. It is opened anew when the
	// target has moved far, which makes a key frame.
	FixedBitrate bool
	// Usable says that the encoder was opened and encoded a picture.
	Usable bool
	// Reason says why the encoder cannot be used; empty where it can.
	Reason string
}

// backend is one way to encode.
type backend struct {
	name     string
	codec    Codec
	hardware bool
	fixed    bool // see Info.FixedBitrate
	// open gets a complete Config of its codec.
	open func(Config) (Encoder, error)
}

// backends are in order of preference. Devices come first, since they leave the processor to the rest, but
// last where they cannot follow the network without key frames.
var backends = slices.Concat(libavPreferred, []backend{
	{name: "openh264", codec: H264, open: openOpenH264},
	{name: "libvpx-vp8", codec: VP8, open: openVP8},
}, libavOthers)

// Available lists the encoders of this build, the preferred first. Each is probed once in the life of the
// process, by opening it and encoding a picture, so the first call may take a second where there are devices.
func Available() []Info { return slices.Clone(probeAll()) }

var probeAll = sync.OnceValue(func() []Info {
	infos := make([]Info, len(backends))
	for i, b := range backends {
		infos[i] = Info{Name: b.name, Codec: b.codec, Hardware: b.hardware, FixedBitrate: b.fixed, Usable: true}
		if err := b.probe(); err != nil {
			infos[i].Usable, infos[i].Reason = false, err.Error()
		}
	}
	return infos
})

// probe encodes a grey picture of a size that every device takes.
func (b backend) probe() error {
	const width, height = 320, 240
	c, err := Config{Codec: b.codec, Width: width, Height: height, BitrateBps: 500_000}.complete()
	if err != nil {
		return err
	}
	e, err := b.open(c)
	if err != nil {
		return err
	}
	var p Picture
	grey := make([]byte, width*height*4)
	for i := range grey {
		grey[i] = 128
	}
	err = p.Convert(grey, width*4, width, height)
	if err == nil {
		_, err = e.Encode(&p, 0, true)
	}
	if closeErr := e.Close(); err == nil {
		err = closeErr
	}
	return err
}
