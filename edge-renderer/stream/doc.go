// Package stream is the WebRTC side of an edge: one [Peer] for each terminal, with a video track, the five
// data channels of the contract (signaling.Channels) and congestion control. It knows pictures only as
// encoded bytes and requests only as messages; what they mean is the session's.
//
// A [Transport] owns the sockets that all peers share: one UDP port and, where wanted, one TCP port. The
// terminal offers, the peer answers with the first codec of the edge's preference that the terminal can
// receive, candidates trickle both ways (RFC 8838), and a later offer restarts ICE (RFC 8445) without
// touching the data channels.
//
// Pictures leave at once, without pacing, with the playout-delay header extension at 0/0, which asks the
// browser to show each as it comes. Transport-wide feedback drives Google congestion control
// (draft-ietf-rmcat-gcc-02), and what it estimates is bounded by what was tried, by the configured limits and by
// silence, see [Peer.Bitrate].
//
// The data channels share one SCTP association whose ordered messages leave in the order of sending, so a
// full buffer of bulk data would stand before every reply. Bulk and stills are therefore fed in as fast as they
// drain and no faster.
package stream
