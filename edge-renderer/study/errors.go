package study

import "fmt"

// Code names the kind of a fault, for programs.
type Code string

// Why a series, or a part of one, is no volume, or a file is left out.
const (
	NoSlices      Code = "no-slices"      // nothing to build from
	NotDICOM      Code = "not-dicom"      // a file is no DICOM
	Unreadable    Code = "unreadable"     // a file is damaged or cannot be read
	Truncated     Code = "truncated"      // a file ends too early
	Compressed    Code = "compressed"     // a transfer syntax that this build cannot decode
	NotVolume     Code = "not-a-volume"   // a report, a projection, a single slice
	Multiframe    Code = "multi-frame"    // several DICOM frames without places in space: a clip
	Colour        Code = "colour"         // more than one sample per pixel, or a palette
	Unsupported   Code = "unsupported"    // a kind of pixel or value that is not read
	BadGeometry   Code = "bad-geometry"   // orientation, position or spacing that cannot be
	MixedSeries   Code = "mixed-series"   // files of several series
	MixedGeometry Code = "mixed-geometry" // slices that have no orientation, spacing or matrix in common
	Irregular     Code = "irregular"      // slices shifted sideways, or too far apart
	Incoherent    Code = "incomplete-set" // a time point that lacks slices
	TooLarge      Code = "too-large"      // more memory than allowed
	Incomplete    Code = "incomplete"     // fewer files came than were announced
	NoPart        Code = "no-part"        // the series has fewer parts than the one asked for
)

// What a volume is built in spite of, and says so.
const (
	WarnTilt       Code = "gantry-tilt"      // Amount: degrees between the normal and the way from slice to slice
	WarnUneven     Code = "uneven-steps"     // Amount: largest distance of a slice from its place in an even grid, mm
	WarnShifted    Code = "shifted-slices"   // Amount: largest distance of a slice sideways from the line of the others, mm
	WarnResampled  Code = "resampled"        // Amount: planes that the slices were resampled to
	WarnMissing    Code = "missing-slices"   // Amount: slices that were interpolated; the text has the millimetres
	WarnGap        Code = "split-at-gap"     // Amount: the gap at which the stack was split, mm
	WarnDuplicate  Code = "duplicate"        // Amount: copies left out
	WarnDoubled    Code = "doubled-slices"   // Amount: positions with several slices that nothing tells apart
	WarnSameUID    Code = "same-uid"         // Amount: slices that share their UID with another one
	WarnPatients   Code = "several-patients" // Amount: patient IDs within the series
	WarnLeftOut    Code = "left-out"         // Amount: files of the series that could not be read
	WarnLossy      Code = "lossy-source"     // Amount: slices compressed with loss before they came here
	WarnRescale    Code = "varied-rescale"   // Amount: different modality transforms
	WarnNoFrame    Code = "no-frame"         // no frame of reference: cannot be registered with other series
	WarnDeviations Code = "deviations"       // Amount: files that deviate from the standard and were read all the same
	WarnNotNumbers Code = "not-numbers"      // Amount: voxels that were no finite numbers
	WarnRounded    Code = "rounded"          // Amount: slices with whole numbers that a 32 bit float does not hold exactly
)

// Picture says whether a warning of this code is about the picture itself: something in it was not measured where it
// stands, is missing, or is another patient's.
func (c Code) Picture() bool {
	switch c {
	case WarnResampled, WarnMissing, WarnGap, WarnShifted, WarnDoubled, WarnLeftOut, WarnNotNumbers, WarnUnplaced, WarnLabels, WarnPatients:
		return true
	}
	return false
}

// Warning is something about a volume that people should know.
type Warning struct {
	Code   Code    `json:"code"`
	Text   string  `json:"text"`
	Amount float64 `json:"amount"`
}

func warning(c Code, amount float64, format string, args ...any) Warning {
	return Warning{c, fmt.Sprintf(format, args...), amount}
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
	// LeftOut are the files of the series that could not be used.
	LeftOut []LeftOut
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

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
