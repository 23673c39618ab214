// Package share gives those who want the same device their shares of its time, by weight (B5): the sessions on a GPU, or on
// the workers of the Go renderer, and the compute tasks on an edge's resident workers.
//
// Queue is start-time fair queueing (P. Goyal, H. Vin, H. Cheng, "Start-time fair queueing", SIGCOMM 1996) of work that comes
// in short steps, whose cost is known only once they are done. It keeps the weights to within a step, leaves nothing idle
// while anybody wants something, and has no clock. Line is a Queue with those who wait and those who work.
package share

import (
	"sync/atomic"
	"time"
)

// Priority orders the steps of a device before the weights do.
type Priority uint8

// The priorities.
const (
	Interactive Priority = iota // somebody waits for it
	Background                  // refinement, uploads
	priorities
)

// Client is somebody who uses devices. Its methods may be called from several goroutines.
type Client struct {
	weight atomic.Int64
	used   atomic.Int64 // nanoseconds
}

// NewClient returns a client of a weight; see SetWeight.
func NewClient(weight int64) *Client {
	c := &Client{}
	c.SetWeight(weight)
	return c
}

// SetWeight changes what the client gets beside others, from its next step on: for rendering the thousandths of a GPU that its
// session holds. A weight below 1 counts as 1.
func (c *Client) SetWeight(weight int64) { c.weight.Store(max(weight, 1)) }

// Weight is the weight in force.
func (c *Client) Weight() int64 { return c.weight.Load() }

// Used is for how long the client has had devices in all; where several workers make one device, that is the time of all of
// them over their number.
func (c *Client) Used() time.Duration { return time.Duration(c.used.Load()) }

// Used is what an attempt has used since it began, and what it holds now.
type Used struct {
	// CPU is processor time, of encoders and compute workers for example.
	CPU time.Duration
	// Memory is the bytes held now, Peak the most at any time, and Wanted what it would hold now if it might.
	Memory, Peak, Wanted int64
	// Pictures is what making pictures took; nil for an attempt that makes none.
	Pictures *Pictures
}

// Pictures is what making pictures took.
type Pictures struct {
	GPU     time.Duration // on the render queue
	Encoder time.Duration // the busy time of the encoder's threads, summed over them
	Pixels  int64         // encoded
}

// MiB is bytes in MiB, rounded up.
func MiB(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
