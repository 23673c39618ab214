package catalog

import (
	"io"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/archive"
)

// Kind sorts problems.
type Kind string

// The kinds of problem.
const (
	KindNotDICOM   Kind = "not-dicom"
	KindDirectory  Kind = "dicomdir"
	KindArchive    Kind = "archive"    // a zip file; what is in it is listed by itself
	KindUnreadable Kind = "unreadable" // the operating system refuses it
	KindDamaged    Kind = "damaged"
	KindLink       Kind = "link"      // a symbolic link that leaves the folder
	KindDuplicate  Kind = "duplicate" // the same SOP Instance UID as another file of the series
	KindLimit      Kind = "limit"     // the folder is larger or deeper than the index accepts
	KindRefused    Kind = "refused"   // an entry of an archive that can't or must not be read
	KindMissing    Kind = "missing"   // a file that others name and that is not there
)

// Skipped says whether the kind is what any folder may hold, and no fault.
func (k Kind) Skipped() bool { return k == KindNotDICOM || k == KindDirectory || k == KindArchive }

// Problem is a file that is not served, or one that is served as it is but damaged.
type Problem struct {
	Path   string `json:"path" doc:"Path relative to the folder."`
	Kind   Kind   `json:"kind" doc:"What kind of problem it is."`
	Reason string `json:"reason" doc:"What is wrong with it."`
}

// String is how a problem reads in a listing.
func (p Problem) String() string { return p.Path + ": " + p.Reason }

// File is one file as it was when it was read. It is not changed once it is in a catalog.
type File struct {
	Path    string // relative, with slashes; of a file in an archive, the archive's and its own
	Size    int64
	ModTime int64 // Unix nanoseconds; of a file in an archive, the archive's
	Kind    Kind  // of its problem; empty for none
	Problem string
	// Archive is where the file is in an archive; nil for one by itself.
	Archive *Archived
	// Beside is the paths of the other files that an instance which is no DICOM consists of, by the names that
	// source.Object.Files has.
	Beside map[string]string
	// Names is the paths that a DICOMDIR names, Bad what is wrong with it, in sentences.
	Names, Bad []string

	// Nil where the file is not served.
	Study    *source.StudyAttributes
	Series   *source.SeriesAttributes
	Instance *source.Instance
	Preamble []byte // what it lacks at its beginning
	// Odd says that the file deviates from the standard, so that another copy of the instance is served where there is
	// one.
	Odd bool
}

// Archived is the place of a file in an archive.
type Archived struct {
	Path  string // of the archive
	Size  int64  // of the archive
	Entry archive.Entry
}

// Length is how many bytes are served of the file.
func (f *File) Length() int64 { return int64(len(f.Preamble)) + f.Size }

// Opener opens the files of a catalog.
type Opener interface {
	// Open opens a file, without its Preamble; an error that wraps source.ErrChanged or fs.ErrNotExist where it is
	// not what was read, without its path.
	Open(f *File) (io.ReadSeekCloser, error)
	// Check is Open without opening.
	Check(f *File) error
}
