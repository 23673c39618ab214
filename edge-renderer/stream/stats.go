package stream

import (
	"sync/atomic"
	"time"
)

// Stats are a peer's counts since it was made, and what was measured last.
type Stats struct {
	Pictures, Packets, Bytes uint64 // sent as video; bytes with RTP headers
	Nacked                   uint64 // packets that the terminal asked for again
	KeyFramesWanted          uint64
	LossFraction             float64 // of the terminal's last report, 0 to 1
	RoundTrip                time.Duration
	Bitrate                  int // as Peer.Bitrate, bit/s
	Estimate                 int // of congestion control alone, bit/s
	InputsDropped            uint64
	StampsDropped            uint64
	Malformed                uint64 // messages that were not understood
	StillBytes, BulkBytes    uint64 // payload handed to the connection
}

type counters struct {
	pictures, packets, bytes, nacked, keyFrames, stampsDropped, malformed, stillBytes, bulkBytes atomic.Uint64

	lost atomic.Uint64 // in 256ths
}

// Stats returns the peer's counts.
func (p *Peer) Stats() Stats {
	c := &p.counters
	s := Stats{
		Pictures: c.pictures.Load(), Packets: c.packets.Load(), Bytes: c.bytes.Load(), Nacked: c.nacked.Load(),
		KeyFramesWanted: c.keyFrames.Load(), LossFraction: float64(c.lost.Load()) / 256, Bitrate: p.Bitrate(),
		InputsDropped: p.inbox.droppedInputs(), StampsDropped: c.stampsDropped.Load(), Malformed: c.malformed.Load(),
		StillBytes: c.stillBytes.Load(), BulkBytes: c.bulkBytes.Load(),
	}
	if l := p.present(); l != nil && p.ctx.Err() == nil {
		if l.estimator != nil {
			s.Estimate = l.estimator.GetTargetBitrate()
		}
		if pair, ok := l.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats(); ok {
			s.RoundTrip = time.Duration(pair.CurrentRoundTripTime * float64(time.Second))
		}
	}
	return s
}
