package dicom

import (
	"slices"
	"strings"
)

// Directory is what a DICOMDIR lists (PS3.3 annex F, PS3.10 8.6).
type Directory struct {
	// Files are the files that it refers to, in its order.
	Files []DirectoryFile
	// Problems are the records that were left out, each an *Error with the reason: a path that leaves the folder, a
	// record that refers back to one before it.
	Problems []error
	// Warnings say, in words, how it was read in spite of faults.
	Warnings []string
}

// DirectoryFile is a file that a DICOMDIR refers to, and what it says of it.
type DirectoryFile struct {
	// Path is where the file is, relative to the DICOMDIR, its parts parted by slashes. It never leaves the folder,
	// but symbolic links on the way are for the caller to look at.
	Path string
	// Type is the record's: IMAGE, RT DOSE, SR DOCUMENT, ENCAP DOC and others.
	Type string
	// SOPClassUID, SOPInstanceUID and TransferSyntaxUID are those of the file as the DICOMDIR has them.
	SOPClassUID, SOPInstanceUID, TransferSyntaxUID string
	// Patient, Study, Series and Record are the records that lead to it; all but Record may be nil.
	Patient, Study, Series, Record *Dataset
}

// The most that is read of a DICOMDIR.
const (
	maxDirectoryDepth = 8
	maxPathParts      = 32
	maxPathLength     = 1024
)

// ReadDirectory reads a DICOMDIR: it follows the offsets from record to record, or, where the first one leads nowhere
// since the file was edited, takes the records in the order in which they stand. It is ErrCorrupt where the data set
// is no DICOMDIR.
func ReadDirectory(d *Dataset) (*Directory, error) {
	records := d.Get(DirectoryRecordSequence)
	if records == nil {
		return nil, fault(ErrCorrupt, DirectoryRecordSequence, "the file lists no records, so it is no DICOMDIR")
	}
	r := &directoryReader{at: make(map[int64]*Dataset, len(records.Items)), seen: make(map[*Dataset]bool, len(records.Items))}
	for _, item := range records.Items {
		r.at[item.at] = item
	}
	first, _ := d.Int(firstRootRecord)
	switch {
	case len(records.Items) == 0:
	case r.at[int64(first)] != nil:
		r.follow(int64(first), DirectoryFile{}, 0)
	default:
		r.out.Warnings = append(r.out.Warnings, "the offsets of the DICOMDIR lead nowhere: its records were read in their order")
		r.inOrder(records.Items)
	}
	return &r.out, nil
}

// directoryReader is the state of reading a DICOMDIR.
type directoryReader struct {
	at   map[int64]*Dataset // records by their offset in the file
	seen map[*Dataset]bool
	out  Directory
}

func (r *directoryReader) problem(t Tag, format string, args ...any) {
	if len(r.out.Problems) < 1000 {
		r.out.Problems = append(r.out.Problems, fault(ErrCorrupt, t, format, args...))
	}
}

// follow reads the records of one level, from a place on, and those below each. above is what the levels above say.
func (r *directoryReader) follow(at int64, above DirectoryFile, depth int) {
	for at != 0 {
		item := r.at[at]
		switch {
		case item == nil:
			r.problem(nextRecord, "a record refers to byte %d, where none begins", at)
			return
		case r.seen[item]:
			r.problem(nextRecord, "the record at byte %d is referred to twice, so that records run in a circle", at)
			return
		}
		r.seen[item] = true
		here := r.add(item, above)
		if lower, ok := item.Int(lowerRecord); ok && lower != 0 {
			if depth+1 < maxDirectoryDepth {
				r.follow(int64(uint32(lower)), here, depth+1)
			} else {
				r.problem(lowerRecord, "records nest more than %d deep", maxDirectoryDepth)
			}
		}
		next, _ := item.Int(nextRecord)
		at = int64(uint32(next))
	}
}

// inOrder reads records as they stand: each patient, study and series applies to what follows it.
func (r *directoryReader) inOrder(items []*Dataset) {
	var above DirectoryFile
	for _, item := range items {
		here := r.add(item, above)
		switch item.String(directoryRecordType) {
		case "PATIENT":
			above = DirectoryFile{Patient: item}
		case "STUDY":
			above.Study, above.Series = item, nil
		case "SERIES":
			above.Series = here.Series
		}
	}
}

// add takes a record in and returns what holds for those below it.
func (r *directoryReader) add(item *Dataset, above DirectoryFile) DirectoryFile {
	f := above
	f.Record, f.Type = item, item.String(directoryRecordType)
	switch f.Type {
	case "PATIENT":
		f.Patient = item
	case "STUDY":
		f.Study = item
	case "SERIES":
		f.Series = item
	}
	if n, ok := item.Int(recordInUse); ok && n == 0 || !item.Has(ReferencedFileID) {
		return f
	}
	path, reason := filePath(item)
	if reason != "" {
		r.problem(ReferencedFileID, "the %s record at byte %d refers to %.80q, which %s", f.Type, item.at, path, reason)
		return f
	}
	if path == "" {
		return f
	}
	file := f
	file.Path = path
	file.SOPClassUID = item.String(referencedClassInFile)
	file.SOPInstanceUID = item.String(referencedInstanceInFile)
	file.TransferSyntaxUID = item.String(referencedSyntaxInFile)
	r.out.Files = append(r.out.Files, file)
	return f
}

// filePath is a record's file as a path with slashes, and why it is refused; both are empty where the record has no
// file.
func filePath(item *Dataset) (path, reason string) {
	raw := strings.Trim(string(item.Bytes(ReferencedFileID)), " \x00")
	if raw == "" {
		return "", ""
	}
	if len(raw) > maxPathLength {
		return raw, "is too long for a path"
	}
	// The standard parts components by backslashes as it does values; some writers use slashes.
	parts := strings.FieldsFunc(raw, func(r rune) bool { return r == '\\' || r == '/' })
	for i, p := range parts {
		parts[i] = strings.Trim(p, " \x00")
	}
	path = strings.Join(parts, "/")
	switch {
	case strings.ContainsAny(raw[:1], `\/`):
		return raw, "is an absolute path"
	case strings.Count(raw, `\`)+strings.Count(raw, "/")+1 != len(parts), slices.Contains(parts, ""):
		return raw, "has an empty part"
	case slices.Contains(parts, ".."), slices.Contains(parts, "."):
		return raw, "would leave the folder"
	case strings.Contains(path, ":"):
		return raw, "names a drive or a stream"
	case strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7F || r == '\uFFFD' }):
		return raw, "has characters that no file name has"
	case len(parts) > maxPathParts:
		return raw, "has too many parts"
	}
	return path, ""
}
