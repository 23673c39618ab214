// Package source says what a study, a series and an instance are before their pixels are read, how they are
// searched for, and how a consumer gets the files of a series, wherever they come from.
//
// Below it: package catalog sorts the headers of files into studies; folder makes such a catalog of a directory, store
// of a directory that files are added to, memory of files that lie in memory; archive reads zip files in place. Package
// dicomweb serves a catalog as QIDO-RS and WADO-RS (PS3.18) and fetches from any server that speaks them.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// What a caller decides on. Errors of this package and those below it wrap one of them where it applies.
var (
	// ErrNotFound: no such study, series or instance.
	ErrNotFound = errors.New("not found")
	// ErrChanged: a file is not what it was when it was indexed; a rescan helps.
	ErrChanged = errors.New("changed since it was indexed")
	// ErrLimit: something is larger or longer than this program accepts.
	ErrLimit = errors.New("limit exceeded")
	// ErrIncomplete: fewer instances came than the series has. A volume must not be built from them.
	ErrIncomplete = errors.New("incomplete")
)

// StudyAttributes are the patient and study level attributes (PS3.3 C.7.1, C.7.2) as they stand in a file, text
// in UTF-8, dates as YYYYMMDD, times as HHMMSS.FFFFFF; empty where the file has none.
type StudyAttributes struct {
	StudyInstanceUID   string
	StudyDate          string
	StudyTime          string
	StudyID            string
	Description        string
	AccessionNumber    string
	ReferringPhysician string
	PatientName        string
	PatientID          string
	IssuerOfPatientID  string
	PatientBirthDate   string
	PatientSex         string
}

// SeriesAttributes are the series level attributes (PS3.3 C.7.3) as they stand in a file.
type SeriesAttributes struct {
	SeriesInstanceUID   string
	Modality            string
	Description         string
	BodyPart            string
	ProtocolName        string
	FrameOfReferenceUID string
	PatientPosition     string // for example HFS or FFS
	Number              int    // 0 where the file has none
}

// Instance is one object of a series, without its pixels: enough to plan a volume.
type Instance struct {
	SOPInstanceUID    string
	SOPClassUID       string
	TransferSyntaxUID string // as stored (PS3.5 annex A); empty where a server did not say
	ImageType         string // values joined by backslashes, for example ORIGINAL\PRIMARY\AXIAL
	Photometric       string // PhotometricInterpretation
	AcquisitionTime   string

	Number            int // InstanceNumber; 0 where there is none
	AcquisitionNumber int
	TemporalPosition  int // TemporalPositionIdentifier

	Rows, Columns int
	Frames        int // NumberOfFrames; 1 for an image without it, 0 for what is no image
	Samples       int // SamplesPerPixel
	BitsAllocated int
	BitsStored    int
	Signed        bool // PixelRepresentation is 1

	// Position is ImagePositionPatient: the centre of the first voxel, LPS millimetres.
	Position *[3]float64
	// Orientation is ImageOrientationPatient: the directions of a row and of a column, LPS.
	Orientation *[6]float64
	// Spacing is PixelSpacing: between rows, between columns, millimetres.
	Spacing *[2]float64
	// Rescale is RescaleSlope and RescaleIntercept (PS3.3 C.11.1).
	Rescale *[2]float64
	// Window is the first WindowCenter and WindowWidth.
	Window *[2]float64
	// SliceThickness in millimetres; 0 where there is none. Never the distance between slices.
	SliceThickness float64
	RescaleType    string // for example HU
	Units          string // of PET, for example BQML

	// Groups says that the frames of a multi-frame object have functional groups, which place each of them
	// (PS3.3 C.7.6.16).
	Groups bool
	// Media is the media type of a file that is no DICOM (MediaNIfTI, MediaNRRD); empty for DICOM. Such an
	// instance is a whole volume by itself; its UIDs are made of its path and header. Rows, Columns and Frames (the
	// product of the other axes) are what the header says, for lists only.
	Media string
	// Name is the file name of such an instance, without folders.
	Name string
	// FrameOfReferenceUID tells which positions can be compared.
	FrameOfReferenceUID string
	ContentTime         string
	// What tells the slices at one position apart: milliseconds of echo, inversion and trigger time, s/mm2 of the
	// b-value; nil where the file has none.
	EchoTime, InversionTime, TriggerTime, BValue *float64
	EchoNumber                                   int
}

// Media types of files that are no DICOM.
const (
	MediaNIfTI = "application/x-nifti"
	MediaNRRD  = "application/x-nrrd"
)

// IsImage says whether the instance has a picture.
func (i *Instance) IsImage() bool { return i.Rows > 0 && i.Columns > 0 && i.Frames > 0 }

// Placed says whether the instance is an image with a place in patient space of its own.
func (i *Instance) Placed() bool {
	return i.IsImage() && i.Position != nil && i.Orientation != nil && i.Spacing != nil
}

// Study is a study with what is known of the series in it.
type Study struct {
	StudyAttributes
	Modalities    []string // of its series, sorted, each once
	SeriesCount   int
	InstanceCount int
	// Images is the number of images: each DICOM frame is one. Where a server says nothing of frames, it is the number
	// of instances.
	Images int

	folded string // see Fold
}

// Fold prepares the study for searches by text, which are several times as fast then. It must be called again when its
// attributes change, and not while others use it.
func (s *Study) Fold() { s.folded = s.fold() }

// fold is what a search by text looks in.
func (s *Study) fold() string {
	return strings.ToLower(strings.Join([]string{
		s.PatientName, s.PatientID, s.Description, s.AccessionNumber, s.StudyDate, strings.Join(s.Modalities, "\n"),
	}, "\n"))
}

// SeriesInfo is a series with what is known of the instances in it.
type SeriesInfo struct {
	SeriesAttributes
	InstanceCount int
	// Images is the number of its DICOM frames; MultiFrame says that some of its instances have several.
	Images     int
	MultiFrame bool
	// Kind says in words, with an article, what its first instance is: "a CT image", "a PDF document".
	Kind          string
	Rows, Columns int    // of its first image; 0 where it has none
	Volume        bool   // looks like a volume (see VolumeReason)
	Reason        string // why it does not; empty where it does
	// Media is the media type of files that are no DICOM (MediaNIfTI, MediaNRRD); empty for DICOM.
	Media string
}

// Patient is a patient with what is known of the studies. Studies belong to one patient when ID and issuer are the
// same and not empty, or, without an ID, when name and birth date are.
type Patient struct {
	PatientID        string
	IssuerOfPatient  string
	PatientName      string // of the latest study
	PatientBirthDate string
	PatientSex       string
	Studies          []*Study // the latest first
}

// Stored is an instance in a store, with everything above it. What it points to belongs to the store and must not
// be changed.
type Stored struct {
	Study    *Study
	Series   *SeriesInfo
	Instance *Instance
	File     File
}

// File is the file of an instance in a store.
type File interface {
	// Size is how many bytes there are to read.
	Size() int64
	// ModTime is when the file was last changed before it was indexed.
	ModTime() time.Time
	// Check returns an error that wraps ErrChanged or fs.ErrNotExist where the file is not what was indexed.
	Check() error
	// Open opens the file, after the same check.
	Open() (io.ReadSeekCloser, error)
	// Beside is the other files of an instance that is no DICOM, by the names that Object.Files has; nil else.
	Beside() map[string]File
}

// Object is one file of a series.
type Object struct {
	// Name is how to name it to the one who asked: a path relative to the folder, or the instance's UID; of a file
	// that is no DICOM, its file name. It is not for logs.
	Name string
	// Data is the whole file. It is valid only until the function that got it returns: the memory is used again.
	Data []byte
	// Media is the media type of a file that is no DICOM (MediaNIfTI, MediaNRRD), Files then the other files that
	// belong to it (the .img of a NIfTI pair, the data files of a detached NRRD header), by the name that Data gives
	// them, for a pair by their file name; as they are stored, compressed or not. Valid as long as Data.
	Media string
	Files map[string][]byte
	// Stream is where large files that are no DICOM are to be read from, each from its beginning, by the names that
	// Data (Name) and Files would have; these then have nothing. Nil elsewhere.
	Stream fs.FS
	// Discard gives back the memory of a part of Data, or of one of Files, that is not needed any more and must not be
	// looked at again; of large files, that is (pages.Large). Nil where the memory belongs to somebody else.
	Discard func(part []byte)
}

// Series is a series whose files can be had.
type Series interface {
	// Instances describes every instance, sorted by InstanceNumber, then UID.
	Instances(ctx context.Context) ([]Instance, error)
	// Each calls fn once for every file of the series, in no particular order, from at most workers goroutines
	// at a time, and returns when the last call has. The first error, of a source or of fn, ends it. It returns
	// nil only when fn has seen every file: a file that can't be had is an error, never a gap.
	Each(ctx context.Context, workers int, fn func(Object) error) error
	// Fetch is Each for the instances of these UIDs alone, begun in the order given, so that some of them come
	// before others. A UID that the series does not have is an error that wraps ErrNotFound.
	Fetch(ctx context.Context, workers int, uids []string, fn func(Object) error) error
}

// CheckUID returns an error that names what, where s is no UID (PS3.5 9.1): digits in components separated by
// dots, at most 64 characters. Components that begin with a zero are let pass, since they exist in the field.
func CheckUID(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is missing", what)
	case len(s) > 64:
		return fmt.Errorf("%s is longer than 64 characters", what)
	}
	previous := byte('.')
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c != '.' || previous == '.') {
			return fmt.Errorf("%s is no UID: %.70q", what, s)
		}
		previous = c
	}
	if previous == '.' {
		return fmt.Errorf("%s is no UID: %.70q", what, s)
	}
	return nil
}

// HashUID is what stands for a UID in logs and metrics: 12 hexadecimal digits, the same for the same UID; "none" for
// none.
func HashUID(uid string) string {
	if uid == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte(uid))
	return hex.EncodeToString(sum[:6])
}

// SortInstances puts instances into the order that listings have: InstanceNumber, then UID.
func SortInstances(list []Instance) {
	slices.SortFunc(list, func(a, b Instance) int { return CompareInstances(&a, &b) })
}

// CompareInstances orders by InstanceNumber, then UID.
func CompareInstances(a, b *Instance) int {
	if a.Number != b.Number {
		return a.Number - b.Number
	}
	switch {
	case a.SOPInstanceUID < b.SOPInstanceUID:
		return -1
	case a.SOPInstanceUID > b.SOPInstanceUID:
		return 1
	}
	return 0
}
