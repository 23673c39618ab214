package study

import "fmt"

// Code names the kind of a fault, for programs.
type Code string

// Why a series is refused.
const (
	NoSlices      Code = "no-slices"      // nothing to build from
	NotDICOM      Code = "not-dicom"      // a file is no DICOM
	Unreadable    Code = "unreadable"     // a file is damaged or cannot be read
	Truncated     Code = "truncated"      // a file ends too early
	Compressed    Code = "compressed"     // a transfer syntax that this build cannot decode
	NotVolume     Code = "not-a-volume"   // a report, a projection, a single slice
	Multiframe    Code = "multi-frame"    // several DICOM frames in one file
	Colour        Code = "colour"         // more than one sample per pixel, or a palette
	Unsupported   Code = "unsupported"    // a kind of pixel or value that is not read
	BadGeometry   Code = "bad-geometry"   // orientation or spacing that cannot be
	MixedSeries   Code = "mixed-series"   // slices of several series, patients or frames of reference
	MixedGeometry Code = "mixed-geometry" // several orientations, spacings or matrices
	Doubled       Code = "doubled-slices" // several slices at one position
	Missing       Code = "missing-slices" // gaps
	Irregular     Code = "irregular"      // steps that vary otherwise, or slices shifted sideways
	TooLarge      Code = "too-large"      // more memory than allowed
	Incomplete    Code = "incomplete"     // fewer slices came than were announced
)

// What a volume is built in spite of, and says so.
const (
	WarnTilt       Code = "gantry-tilt"    // Amount: degrees between the normal and the way from slice to slice
	WarnUneven     Code = "uneven-steps"   // Amount: largest distance of a slice from its place in the grid, mm
	WarnDuplicate  Code = "duplicate"      // Amount: copies left out
	WarnLossy      Code = "lossy-source"   // Amount: slices compressed with loss before they came here
	WarnRescale    Code = "varied-rescale" // Amount: different rescale values
	WarnNoFrame    Code = "no-frame"       // no frame of reference: cannot be registered with other series
	WarnDeviations Code = "deviations"     // Amount: files that deviate from the standard and were read all the same
)

// Warning is something about a volume that people should know.
type Warning struct {
	Code   Code    `json:"code"`
	Text   string  `json:"text"`
	Amount float64 `json:"amount"`
}

// Error says why a series cannot be shown as a volume.
type Error struct {
	Code Code
	// Name is the file or instance concerned; empty where it is the series as a whole. It is for the one who
	// asked, not for logs.
	Name string
	// Reason is a sentence for people: what is wrong, in amounts, and what to do.
	Reason string
	// Err is the cause, where there is one.
	Err error
	// Parts are the parts of the series, where it was read so far. Those with images can be shown one by one.
	Parts []Part
}

func (e *Error) Error() string {
	if e.Name != "" {
		return e.Name + ": " + e.Reason
	}
	return e.Reason
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(c Code, name, format string, args ...any) *Error {
	return &Error{Code: c, Name: name, Reason: fmt.Sprintf(format, args...)}
}
