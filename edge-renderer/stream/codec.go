package stream

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// Codec is a video format that an edge can send.
type Codec struct {
	MimeType string // webrtc.MimeTypeH264 or webrtc.MimeTypeVP8
	// Fmtp is the format's parameters as in SDP. For H264 its profile-level-id says what is sent
	// (RFC 6184 section 8.1); packetization-mode is always 1.
	Fmtp string
}

// The codecs that every build can send.
var (
	// H264 is Constrained Baseline, level 3.1.
	H264 = Codec{MimeType: webrtc.MimeTypeH264, Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}
	VP8  = Codec{MimeType: webrtc.MimeTypeVP8}
)

// payloader cuts pictures of the codec into RTP payloads.
func (c Codec) payloader() (rtp.Payloader, error) {
	switch {
	case strings.EqualFold(c.MimeType, webrtc.MimeTypeH264):
		return &codecs.H264Payloader{}, nil
	case strings.EqualFold(c.MimeType, webrtc.MimeTypeVP8):
		return &codecs.VP8Payloader{EnablePictureID: true}, nil
	}
	return nil, fmt.Errorf("codec %q cannot be packetised: video/H264 or video/VP8", c.MimeType)
}

// offered is a video format in a terminal's offer.
type offered struct {
	payloadType uint8
	codec       Codec
}

// offeredVideo lists the video formats that an offer asks to receive, in its order.
func offeredVideo(text string) ([]offered, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("session description: %w", err)
	}
	var formats []offered
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media != "video" || m.MediaName.Port.Value == 0 {
			continue
		}
		_, sendOnly := m.Attribute("sendonly")
		_, inactive := m.Attribute("inactive")
		if sendOnly || inactive {
			continue
		}
		names, parameters := map[string]string{}, map[string]string{}
		for _, a := range m.Attributes {
			format, rest, _ := strings.Cut(a.Value, " ")
			switch a.Key {
			case "rtpmap":
				name, clock, _ := strings.Cut(rest, "/")
				if clock == "90000" {
					names[format] = "video/" + name
				}
			case "fmtp":
				parameters[format] = rest
			}
		}
		for _, format := range m.MediaName.Formats {
			n, err := strconv.ParseUint(format, 10, 7)
			if err == nil && names[format] != "" {
				formats = append(formats, offered{uint8(n), Codec{names[format], parameters[format]}})
			}
		}
	}
	return formats, nil
}

// choose returns the first of the edge's codecs, in its order, that the offer has, and how the offer calls it.
func choose(preferred []Codec, formats []offered) (Codec, offered, bool) {
	for _, c := range preferred {
		for _, o := range formats {
			if c.fits(o.codec) {
				return c, o, true
			}
		}
	}
	return Codec{}, offered{}, false
}

// fits says whether a terminal that offers o can receive c.
func (c Codec) fits(o Codec) bool {
	if !strings.EqualFold(c.MimeType, o.MimeType) {
		return false
	}
	if !strings.EqualFold(c.MimeType, webrtc.MimeTypeH264) {
		return true
	}
	have, offer := fmtp(c.Fmtp), fmtp(o.Fmtp)
	return offer["packetization-mode"] == "1" &&
		profile(have["profile-level-id"]) == profile(offer["profile-level-id"])
}

func fmtp(s string) map[string]string {
	m := map[string]string{}
	for _, p := range strings.Split(s, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		m[strings.ToLower(k)] = strings.ToLower(v)
	}
	return m
}

// profile names the H.264 profile of a profile-level-id, by RFC 6184 table 5; the level does not matter, as
// both sides allow it to differ.
func profile(id string) string {
	if id == "" {
		id = "42000a" // RFC 6184 section 8.1: the Baseline profile, level 1
	}
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 3 {
		return "unknown"
	}
	idc, set := b[0], b[1]
	switch {
	case idc == 0x42 && set&0x40 != 0, idc == 0x4d && set&0x80 != 0, idc == 0x58 && set&0xc0 == 0xc0:
		return "constrained-baseline"
	case idc == 0x42, idc == 0x58 && set&0xc0 == 0x80:
		return "baseline"
	case idc == 0x64 && set&0x0c == 0x0c:
		return "constrained-high"
	}
	return fmt.Sprintf("%02x%02x", idc, set)
}

// names lists mime types for a message.
func names(list []Codec) string {
	var s []string
	seen := map[string]bool{}
	for _, c := range list {
		n := strings.TrimPrefix(c.MimeType, "video/")
		if !seen[n] && len(s) < 12 {
			s = append(s, fmt.Sprintf("%.20s", n))
		}
		seen[n] = true
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
