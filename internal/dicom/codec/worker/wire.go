package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// request asks a child to decode the image that stands at the start of the shared memory.
type request struct {
	Number  uint32 // of the request; the reply repeats it
	Kind    [16]byte
	Width   uint32
	Height  uint32
	Parts   uint32 // components
	Frame   uint64 // length of the compressed image
	Result  uint64 // where the samples go
	Mapping uint64 // length of the shared memory
}

// reply says what became of a request. The error's text follows it.
type reply struct {
	Number uint32
	Status uint32 // index into statuses
	Bits   uint32
	Flags  uint32
	Size   uint64 // of the samples in bytes
}

// The flags of a reply.
const (
	flagSigned = 1 << iota
	flagTransformed
)

// maxText bounds the text of an error, in bytes.
const maxText = 512

// statuses are the errors that a reply can tell apart; the first is success.
var statuses = [...]error{nil, codec.ErrCorrupt, codec.ErrTruncated, codec.ErrUnsupported, codec.ErrMismatch, codec.ErrLimit}

// status is the index of the error that err wraps.
func status(err error) uint32 {
	for i, s := range statuses[1:] {
		if errors.Is(err, s) {
			return uint32(i + 1)
		}
	}
	return 1
}

// decodeError is an error that a child told, in its words.
type decodeError struct {
	text string
	kind error
}

func (e *decodeError) Error() string { return e.text }
func (e *decodeError) Unwrap() error { return e.kind }

// encode makes bytes of a message whose fields are of fixed size.
func encode(v any, text string) []byte {
	b, err := binary.Append(make([]byte, 0, 64+len(text)), binary.LittleEndian, v)
	if err != nil {
		panic(err) // the type of v is at fault, not its value
	}
	return append(b, text[:min(len(text), maxText)]...)
}

// parse takes a message apart and gives the text behind it.
func parse(b []byte, v any) (string, error) {
	n, err := binary.Decode(b, binary.LittleEndian, v)
	if err != nil {
		return "", fmt.Errorf("a message of %d bytes: %w", len(b), err)
	}
	return printable(b[n:]), nil
}

// printable is one line of readable text of what a child wrote.
func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(b[:min(len(b), maxText)]))
	return strings.Join(strings.Fields(s), " ")
}
