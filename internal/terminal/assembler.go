package terminal

import (
	"bytes"
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// Picture is one encoded picture (a video frame).
type Picture struct {
	Data []byte // VP8 frame, or H264 access unit in Annex B form
	RTP  uint32 // RTP timestamp, 90 kHz
	Key  bool   // decodes without any before it
	// Gap says that pictures between the one handed over before and this one are missing.
	Gap        bool
	ReceivedAt time.Time // when its last packet came
}

// format takes the payloads of one codec apart.
type format interface {
	// open readies it for a picture.
	open()
	// add returns the bytes of a payload that belong to the picture.
	add(payload []byte) ([]byte, error)
	// head says whether a payload can begin a picture.
	head(payload []byte) bool
	// key says whether a picture decodes without any before it.
	key(picture []byte) bool
}

// formatOf returns the format of a mime type, nil where it is unknown.
func formatOf(mimeType string) format {
	switch {
	case strings.EqualFold(mimeType, webrtc.MimeTypeVP8):
		return &vp8{}
	case strings.EqualFold(mimeType, webrtc.MimeTypeH264):
		return &h264{}
	}
	return nil
}

type vp8 struct{ packet codecs.VP8Packet }

func (f *vp8) open() { f.packet = codecs.VP8Packet{} }

func (f *vp8) add(payload []byte) ([]byte, error) { return f.packet.Unmarshal(payload) }

// head: start of partition 0 (RFC 7741 section 4.2).
func (f *vp8) head(payload []byte) bool { return len(payload) > 0 && payload[0]&0x17 == 0x10 }

// key: the inverse key frame bit (RFC 7741 section 4.3).
func (f *vp8) key(picture []byte) bool { return len(picture) > 0 && picture[0]&1 == 0 }

type h264 struct{ packet codecs.H264Packet }

func (f *h264) open() { f.packet = codecs.H264Packet{} }

func (f *h264) add(payload []byte) ([]byte, error) { return f.packet.Unmarshal(payload) }

// head: anything but the middle and the end of a fragmented NAL unit (RFC 6184 section 5.8).
func (f *h264) head(payload []byte) bool { return (&codecs.H264Packet{}).IsPartitionHead(payload) }

// key: a NAL unit of type 5, an IDR slice.
func (f *h264) key(picture []byte) bool {
	for {
		i := bytes.Index(picture, []byte{0, 0, 1})
		if i < 0 || i+3 >= len(picture) {
			return false
		}
		if picture[i+3]&0x1f == 5 {
			return true
		}
		picture = picture[i+3:]
	}
}

// window is how many packets behind the newest a missing one is still waited for: a few large key frames.
const window = 2048

// patience is how long a missing packet is waited for, which a resent one takes a round trip to come.
const patience = 400 * time.Millisecond

// assembler puts packets back in order and pictures together. After a loss that was not made good it hands over nothing
// until the next key frame, as a decoder could make nothing of it. It has no clock.
type assembler struct {
	format  format
	packets [window]*rtp.Packet // by sequence number modulo window

	started  bool
	next     uint16    // first packet of the next picture
	newest   uint16    // newest packet
	midway   bool      // next is perhaps no beginning
	gapSince time.Time // since when a packet is missing; zero where none is
	broken   bool      // a picture was lost since the last one handed over
	anyKey   bool      // a key frame was handed over

	lost uint64 // pictures or parts of such that were given up
}

// push takes a packet and returns the pictures that are complete now, and whether a key frame is needed.
func (a *assembler) push(p *rtp.Packet, now time.Time) (pictures []Picture, wantKey bool) {
	seq := p.SequenceNumber
	if !a.started {
		a.started, a.next, a.newest, a.midway = true, seq, seq, !a.format.head(p.Payload)
	}
	if int16(seq-a.next) < 0 {
		return nil, false // late, or twice
	}
	if int16(seq-a.newest) > 0 {
		a.newest = seq
	}
	if int(a.newest-a.next) >= window {
		a.skip(a.newest-window/2, false)
		wantKey = true
	}
	if int16(seq-a.next) >= 0 {
		a.packets[seq%window] = p
	}
	for {
		for n := a.complete(); n > 0; n = a.complete() {
			if picture, ok := a.take(n, now); ok {
				pictures = append(pictures, picture)
			} else {
				wantKey = true
			}
			a.gapSince = time.Time{}
		}
		missing, ok := a.missing()
		switch {
		case !ok:
			a.gapSince = time.Time{}
			return pictures, wantKey
		case a.gapSince.IsZero():
			a.gapSince = now
			return pictures, wantKey
		case now.Sub(a.gapSince) < patience:
			return pictures, wantKey
		}
		a.gapSince = time.Time{}
		a.skip(a.after(missing))
		wantKey = true
	}
}

func (a *assembler) at(seq uint16) *rtp.Packet {
	if p := a.packets[seq%window]; p != nil && p.SequenceNumber == seq {
		return p
	}
	return nil
}

// complete is of how many packets the picture is that begins at next; 0 where not all of them are there.
func (a *assembler) complete() int {
	first := a.at(a.next)
	for n := 0; first != nil && n < window; n++ {
		p := a.at(a.next + uint16(n))
		switch {
		case p == nil:
			return 0
		case p.Timestamp != first.Timestamp: // its end was not marked
			return n
		case p.Marker:
			return n + 1
		}
	}
	return 0
}

// take puts the picture of the next n packets together. It is not ok where a decoder could make nothing of it.
func (a *assembler) take(n int, now time.Time) (Picture, bool) {
	first := a.at(a.next)
	p := Picture{RTP: first.Timestamp, ReceivedAt: now}
	ok := !a.midway && a.format.head(first.Payload)
	a.format.open()
	for i := range n {
		part, err := a.format.add(a.at(a.next + uint16(i)).Payload)
		ok = ok && err == nil
		p.Data = append(p.Data, part...)
	}
	a.drop(n)
	a.midway = false
	p.Key = a.format.key(p.Data)
	if !ok || len(p.Data) == 0 || (!p.Key && (a.broken || !a.anyKey)) {
		a.broken = true
		a.lost++
		return p, false
	}
	p.Gap, a.broken, a.anyKey = a.broken, false, true
	return p, true
}

// missing is the first packet that is not there but has successors.
func (a *assembler) missing() (uint16, bool) {
	for s := a.next; int16(a.newest-s) > 0; s++ {
		if a.at(s) == nil {
			return s, true
		}
	}
	return 0, false
}

// after is where to go on when a missing packet is given up, and whether a picture begins there.
func (a *assembler) after(missing uint16) (uint16, bool) {
	for s := missing + 1; int16(a.newest-s) >= 0; s++ {
		if p := a.at(s); p != nil && p.Marker {
			return s + 1, true
		}
	}
	return a.newest + 1, false
}

// skip gives up what is before sequence number to, where a picture begins or perhaps does not.
func (a *assembler) skip(to uint16, begins bool) {
	a.drop(int(to - a.next))
	a.midway = !begins
	a.broken = true
	a.lost++
}

func (a *assembler) drop(n int) {
	if n >= window {
		clear(a.packets[:])
		a.next += uint16(n)
		return
	}
	for range n {
		a.packets[a.next%window] = nil
		a.next++
	}
}
