// Package archive reads the files of a zip archive in place: nothing is extracted, entries are found once and then read
// each by itself, a stored one straight from where it lies and a deflated one as a bounded stream.
//
// What a hostile archive may hold is refused by name: paths that leave the archive, symbolic links, encrypted entries,
// unknown compression, entries that share their bytes (with which small archives expand without end) and sizes that
// deflate can't reach. Archives within archives are plain files to this package.
package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// ErrNoArchive: the file is no zip archive that can be read.
var ErrNoArchive = errors.New("no zip archive")

// maxRatio is more than deflate can reach: 1032 to 1.
const maxRatio = 1100

// maxName is the longest path of an entry, bytes.
const maxName = 1024

// Entry is a file in an archive. It can be kept and used again as long as the archive does not change.
type Entry struct {
	Name     string // path with slashes, valid by fs.ValidPath
	Size     int64  // of the file, bytes
	Offset   int64  // of its bytes in the archive
	Packed   int64  // how many there are
	Deflated bool
	CRC      uint32 // CRC-32 of the file
}

// Refused is an entry that can't be had, and why, in a sentence.
type Refused struct {
	Name, Reason string
}

// Sniff says whether a file with these first bytes may be a zip archive; four bytes are enough.
func Sniff(head []byte) bool {
	return len(head) >= 4 && (string(head[:4]) == "PK\x03\x04" || string(head[:4]) == "PK\x05\x06")
}

// List is the files of an archive of size bytes, in the order of their names, and the entries that are refused. No more
// than limit entries are listed; what comes after them is refused in one.
func List(in io.ReaderAt, size int64, limit int) ([]Entry, []Refused, error) {
	z, err := zip.NewReader(in, size)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: its directory can't be read (%v); pack it again", ErrNoArchive, err)
	}
	var list []Entry
	var refused []Refused
	seen := map[string]bool{}
	for n, f := range z.File {
		if n == limit {
			refused = append(refused, Refused{".", fmt.Sprintf("The archive has more than %d entries; those after this number are left out.", limit)})
			break
		}
		name := entryName(f)
		if strings.HasSuffix(name, "/") {
			continue
		}
		e, reason := check(f, name, size)
		if reason == "" && seen[name] {
			reason = "The archive has two entries of this name."
		}
		if reason != "" {
			refused = append(refused, Refused{shown(name), reason})
			continue
		}
		seen[name] = true
		list = append(list, e)
	}
	list, overlapping := apart(list)
	refused = append(refused, overlapping...)
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return list, refused, nil
}

// entryName is the name of an entry with slashes and in UTF-8. Old archives have names in code page 437, some have
// backslashes.
func entryName(f *zip.File) string {
	name := f.Name
	if !utf8.ValidString(name) {
		if s, err := charmap.CodePage437.NewDecoder().String(name); err == nil {
			name = s
		}
	}
	return strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), `\`, "/")
}

// shown is a name as a message has it.
func shown(name string) string {
	if len(name) > maxName {
		return strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return name
}

// check says in a sentence why an entry can't be had; nothing where it can.
func check(f *zip.File, name string, size int64) (Entry, string) {
	e := Entry{Name: name, Size: int64(f.UncompressedSize64), Packed: int64(f.CompressedSize64), CRC: f.CRC32}
	switch {
	case len(name) > maxName:
		return e, fmt.Sprintf("Its name is longer than %d bytes.", maxName)
	case !fs.ValidPath(name) || strings.ContainsAny(name, "\x00:"):
		return e, "Its name leads out of the archive."
	case f.Flags&1 != 0:
		return e, "It is encrypted; unpack the archive with its password."
	case !f.Mode().IsRegular():
		return e, "It is no file but a link or device."
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return e, fmt.Sprintf("It is compressed by method %d, of which only 0 (stored) and 8 (deflate) are read; pack it again.", f.Method)
	case e.Size < 0 || e.Packed < 0 || e.Packed > size:
		return e, "Its sizes can't be true."
	case f.Method == zip.Store && e.Size != e.Packed:
		return e, "It is stored, but its two sizes differ."
	case e.Size > maxRatio*(e.Packed+1):
		return e, fmt.Sprintf("It claims to expand from %d to %d bytes, which deflate can't.", e.Packed, e.Size)
	}
	var err error
	if e.Offset, err = f.DataOffset(); err != nil {
		return e, "Its local header is damaged."
	}
	if e.Offset < 0 || e.Offset > size-e.Packed {
		return e, "It reaches beyond the end of the archive."
	}
	e.Deflated = f.Method == zip.Deflate
	return e, ""
}

// apart takes out the entries whose bytes are also those of another one that comes before them.
func apart(list []Entry) (good []Entry, refused []Refused) {
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name)) })
	var end int64
	for _, e := range list {
		if e.Offset < end {
			refused = append(refused, Refused{e.Name, "Its bytes are part of another entry."})
			continue
		}
		end = e.Offset + e.Packed
		good = append(good, e)
	}
	return good, refused
}
