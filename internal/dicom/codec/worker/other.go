//go:build !linux

package worker

import (
	"errors"
	"time"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Main returns at once: there are codec workers on Linux only.
func Main() {}

// child is never made here: a program that is not Enabled starts none.
type child struct{ idleSince time.Time }

type lostError struct {
	decodeError
	before bool
}

func lockStarter() {}

func startChild(Config) (*child, error) {
	return nil, errors.New("codec workers need Linux")
}

func (c *child) kill()       {}
func (c *child) close()      {}
func (c *child) ended() bool { return true }

func (c *child) decode(Kind, []byte, codec.Want) (codec.Image, error) {
	return codec.Image{}, codec.ErrUnsupported
}
