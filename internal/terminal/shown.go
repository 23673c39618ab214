package terminal

import (
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Shown is a picture that a terminal has put on its screen.
type Shown struct {
	Picture
	Stamp signaling.Stamp
	Node  signaling.NodeID // that sent it
	// Since is how long after the one before it came; 0 for the first one.
	Since time.Duration
}

// matchMost bounds the pictures, and the stamps, that wait for each other.
const matchMost = 128

// matcher puts pictures and their stamps together by RTP timestamp. A picture whose stamp was lost is passed over: nothing is
// known of what it shows.
type matcher struct {
	pictures []Picture
	stamps   []signaling.Stamp
}

// picture takes a picture, and returns the stamp that belongs to it where that is here.
func (m *matcher) picture(p Picture) (stamp signaling.Stamp, ok bool) {
	for i := range m.stamps {
		if m.stamps[i].RTP == p.RTP {
			stamp = m.stamps[i]
			m.stamps = append(m.stamps[:i], m.stamps[i+1:]...)
			return stamp, true
		}
	}
	if len(m.pictures) == matchMost {
		m.pictures = m.pictures[1:]
	}
	m.pictures = append(m.pictures, p)
	return stamp, false
}

// stamp takes a stamp, and returns the picture that it belongs to where that is here.
func (m *matcher) stamp(s signaling.Stamp) (picture Picture, ok bool) {
	for i := range m.pictures {
		if m.pictures[i].RTP == s.RTP {
			picture = m.pictures[i]
			m.pictures = m.pictures[i+1:] // those before it are older than what is on the screen then
			return picture, true
		}
	}
	if len(m.stamps) == matchMost {
		m.stamps = m.stamps[1:]
	}
	m.stamps = append(m.stamps, s)
	return picture, false
}
