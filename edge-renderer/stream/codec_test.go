package stream

import (
	"strings"
	"testing"
)

// offerOf is an offer with the lines of one video section.
func offerOf(formats string, lines ...string) string {
	return strings.Join(append([]string{
		"v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=video 9 UDP/TLS/RTP/SAVPF " + formats,
	}, lines...), "\r\n") + "\r\n"
}

func TestChoiceOfCodec(t *testing.T) {
	h264 := func(n, id, mode string) []string {
		return []string{"a=rtpmap:" + n + " H264/90000", "a=fmtp:" + n + " packetization-mode=" + mode + ";profile-level-id=" + id}
	}
	for _, c := range []struct {
		name  string
		offer string
		want  uint8
	}{
		{"constrained baseline by its flag", offerOf("102", h264("102", "42e034", "1")...), 102},
		{"the browser's order does not matter", offerOf("96 102", append(h264("102", "42E01F", "1"), "a=rtpmap:96 VP8/90000")...), 102},
		{"plain baseline is another profile", offerOf("96 102", append(h264("102", "42001f", "1"), "a=rtpmap:96 VP8/90000")...), 96},
		{"single NAL unit mode will not do", offerOf("96 102", append(h264("102", "42e01f", "0"), "a=rtpmap:96 VP8/90000")...), 96},
		{"main with the constraint of baseline", offerOf("102", h264("102", "4d801f", "1")...), 102},
		{"high will not do", offerOf("102", h264("102", "64001f", "1")...), 0},
		{"names in any case", offerOf("97", "a=rtpmap:97 vp8/90000"), 97},
		{"another clock", offerOf("97", "a=rtpmap:97 VP8/8000"), 0},
		{"only sending", offerOf("97", "a=rtpmap:97 VP8/90000", "a=sendonly"), 0},
		{"refused section", strings.Replace(offerOf("97", "a=rtpmap:97 VP8/90000"), "video 9", "video 0", 1), 0},
		{"no such format", offerOf("97 x 300", "a=rtpmap:x VP8/90000", "a=rtpmap:300 VP8/90000"), 0},
		{"only sound", strings.Replace(offerOf("97", "a=rtpmap:97 VP8/90000"), "m=video", "m=audio", 1), 0},
	} {
		formats, err := offeredVideo(c.offer)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, got, ok := choose([]Codec{H264, VP8}, formats)
		if ok != (c.want != 0) || got.payloadType != c.want {
			t.Errorf("%s: payload type %d (%v), want %d", c.name, got.payloadType, ok, c.want)
		}
	}
	if _, err := offeredVideo("v=0\r\nwhat"); err == nil {
		t.Error("nonsense was taken for a session description")
	}
}

func FuzzOffer(f *testing.F) {
	f.Add(offerOf("96 102", "a=rtpmap:96 VP8/90000", "a=fmtp:102 packetization-mode=1", "a=rtpmap:102 H264/90000"))
	f.Add("m=video 9 UDP/TLS/RTP/SAVPF 1\r\n")
	f.Fuzz(func(t *testing.T, offer string) {
		formats, err := offeredVideo(offer)
		if err == nil {
			choose([]Codec{H264, VP8}, formats)
		}
	})
}
