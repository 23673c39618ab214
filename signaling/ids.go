package signaling

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// TaskID names a task for its whole life, also when it moves to another node. It is public: knowing it
// gives no right.
type TaskID string

// NodeID names a node (an edge or one of the cloud tier). It is chosen by the operator or made at start.
type NodeID string

// AttemptID names one placement of a task on a node.
type AttemptID string

// PeerID names one terminal's connection to a session.
type PeerID string

// NewID returns a random identifier of 26 lower-case letters and digits (128 bits), led by prefix and a
// dash, for example "t-…".
func NewID(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + "-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}
