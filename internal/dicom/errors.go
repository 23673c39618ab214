package dicom

import (
	"errors"
	"fmt"
)

// What an *Error wraps, for a caller that decides on it.
var (
	// ErrNotDICOM: neither the "DICM" mark nor a plausible data set at the start.
	ErrNotDICOM = errors.New("not a DICOM file")
	// ErrTruncated: a length goes beyond the end of the file.
	ErrTruncated = errors.New("file is truncated")
	// ErrUnsupportedTransferSyntax: the pixel data is stored in a way that this build cannot decode.
	ErrUnsupportedTransferSyntax = errors.New("transfer syntax is not supported")
	// ErrLimit: the input asks for more than Limits allows.
	ErrLimit = errors.New("limit exceeded")
	// ErrCorrupt: the bytes contradict the encoding rules of PS3.5 in a way that leaves no certain reading.
	ErrCorrupt = errors.New("file is damaged")
	// ErrNoPixelData: the data set holds no image.
	ErrNoPixelData = errors.New("no pixel data")
)

// Error says what is wrong with a file, and where.
type Error struct {
	// Path is the file's name; empty where the input was no file.
	Path string
	// Offset is the byte in the file (in the inflated data set of a deflated file) at which the fault stands;
	// -1 where it is not in one place.
	Offset int64
	// Tag is the element concerned; 0 where there is none.
	Tag Tag
	// Reason is a sentence for people: what is wrong and, where there is something, what to do.
	Reason string
	// Err is the sentinel.
	Err error
}

func (e *Error) Error() string {
	s := e.Reason
	if e.Tag != 0 {
		s = fmt.Sprintf("%v: %s", e.Tag, s)
	}
	if e.Offset >= 0 {
		s = fmt.Sprintf("%s (at byte %d)", s, e.Offset)
	}
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	return s
}

// Unwrap gives the sentinel to errors.Is.
func (e *Error) Unwrap() error { return e.Err }

func fault(err error, t Tag, format string, args ...any) *Error {
	return &Error{Offset: -1, Tag: t, Err: err, Reason: fmt.Sprintf(format, args...)}
}
