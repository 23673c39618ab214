package signaling

import "net/http"

// SignalType is the kind of a signalling message.
type SignalType string

// Signalling messages. The terminal speaks first (hello), then offers; the edge answers. Either side
// trickles candidates (RFC 8838) and may end with bye. A closed WebSocket does not end the session: a
// terminal comes back with hello and its resume token, and may restart ICE with a new offer (RFC 8445).
const (
	SignalHello     SignalType = "hello"     // terminal: Token, and Resume where it comes back
	SignalWelcome   SignalType = "welcome"   // edge: Peer, Resume, ICEServers
	SignalOffer     SignalType = "offer"     // terminal: SDP
	SignalAnswer    SignalType = "answer"    // edge: SDP
	SignalCandidate SignalType = "candidate" // both: Candidate; null candidate ends them
	SignalError     SignalType = "error"     // Problem; the link closes after it
	SignalBye       SignalType = "bye"       // Reason; the peer leaves for good
)

// Signal is a signalling message between a terminal and an edge.
type Signal struct {
	Type SignalType `json:"type"`
	// Token is the grant's token (hello).
	Token string `json:"token,omitempty"`
	// Resume is the secret that lets the same terminal come back (hello, welcome).
	Resume     string        `json:"resume,omitempty"`
	Peer       PeerID        `json:"peer,omitempty"`
	ICEServers []ICEServer   `json:"iceServers,omitempty"`
	SDP        string        `json:"sdp,omitempty"`
	Candidate  *ICECandidate `json:"candidate,omitempty"`
	Problem    *Problem      `json:"problem,omitempty"`
	Reason     string        `json:"reason,omitempty"`
}

// MaxSignal bounds a signalling message, bytes.
const MaxSignal = 128 << 10

// ICECandidate is RTCIceCandidateInit of the WebRTC API.
type ICECandidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid,omitempty"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex,omitempty"`
	UsernameFragment *string `json:"usernameFragment,omitempty"`
}

// Problem says what went wrong and what the user can do; in HTTP answers it is an RFC 9457 problem.
type Problem struct {
	Code   ProblemCode `json:"code"`
	Title  string      `json:"title" jsonschema:"description=what went wrong in a few words"`
	Detail string      `json:"detail,omitempty" jsonschema:"description=on what and what the user can do"`
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// ProblemCode is what a program decides on.
type ProblemCode string

// The codes.
const (
	ProblemBadRequest   ProblemCode = "bad-request"
	ProblemUnauthorized ProblemCode = "unauthorized"  // no token, or it is expired or forged
	ProblemForbidden    ProblemCode = "forbidden"     // the token is for something else
	ProblemNotFound     ProblemCode = "not-found"     // no such study, series, task or node
	ProblemSessionTaken ProblemCode = "session-taken" // the session has a host, and no resume token came
	ProblemNoFreeNode   ProblemCode = "no-free-node"  // nothing free fits
	ProblemUnavailable  ProblemCode = "unavailable"   // Redis or the edge is out of reach; try again
	ProblemNotAVolume   ProblemCode = "not-a-volume"  // the series cannot be shown in 3D
	ProblemUnreadable   ProblemCode = "unreadable"    // a file cannot be read or decoded
	ProblemTooLarge     ProblemCode = "too-large"     // beyond the memory or texture size allowed
	ProblemCancelled    ProblemCode = "cancelled"
	ProblemInternal     ProblemCode = "internal"
	ProblemEdgeLost     ProblemCode = "edge-lost"   // the edge that ran the session is gone
	ProblemUnsupported  ProblemCode = "unsupported" // codec, operation or message type not known here
	ProblemRateLimited  ProblemCode = "rate-limited"
	ProblemStays        ProblemCode = "data-stays" // the site's data must not leave it, and nothing is free there
	ProblemPreempted    ProblemCode = "pre-empted" // an idle session made room for an urgent one
	ProblemMoved        ProblemCode = "moved"      // the task goes on at another edge; its broker grants it there
	ProblemQuota        ProblemCode = "quota"      // the creator holds as much as he may
)

// Status is the HTTP status of an answer with a problem of this code.
func (c ProblemCode) Status() int {
	switch c {
	case ProblemBadRequest:
		return http.StatusBadRequest
	case ProblemUnauthorized:
		return http.StatusUnauthorized
	case ProblemForbidden, ProblemQuota:
		return http.StatusForbidden
	case ProblemNotFound:
		return http.StatusNotFound
	case ProblemSessionTaken, ProblemCancelled, ProblemPreempted, ProblemMoved:
		return http.StatusConflict
	case ProblemNoFreeNode, ProblemUnavailable, ProblemEdgeLost, ProblemStays:
		return http.StatusServiceUnavailable
	case ProblemNotAVolume, ProblemUnreadable, ProblemUnsupported:
		return http.StatusUnprocessableEntity
	case ProblemTooLarge:
		return http.StatusRequestEntityTooLarge
	case ProblemRateLimited:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
