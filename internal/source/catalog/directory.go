package catalog

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/tomocast/tomocast/internal/dicom"
)

const (
	// maxNames is how many files a DICOMDIR may name.
	maxNames = 1_000_000
	// maxBad is how many of its records that can't be followed are listed.
	maxBad = 100
)

// directoryNames takes the paths of the files that a DICOMDIR names, and what is wrong with its records.
func directoryNames(d *dicom.Dataset, f *File) {
	list, err := dicom.ReadDirectory(d)
	if err != nil {
		f.Bad = append(f.Bad, Sentence(err.Error()))
		return
	}
	for _, p := range list.Problems[:min(len(list.Problems), maxBad)] {
		f.Bad = append(f.Bad, Sentence(p.Error()))
	}
	seen := map[string]bool{}
	for _, file := range list.Files {
		name := path.Join(path.Dir(f.Path), file.Path)
		switch {
		case len(f.Names) == maxNames || seen[name]:
		case !fs.ValidPath(name):
			f.Bad = append(f.Bad, fmt.Sprintf("It names the file %.80q, which leads out of its folder.", file.Path))
		default:
			seen[name] = true
			f.Names = append(f.Names, name)
		}
	}
}
