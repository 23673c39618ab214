package catalog

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
)

// referencedFileID names a file of a directory record, one value for each component of its path (PS3.3 F.3.2.2.1).
const referencedFileID dicom.Tag = 0x00041500

// maxNames is how many files a DICOMDIR may name.
const maxNames = 1_000_000

// directoryNames takes the paths of the files that a DICOMDIR names (PS3.3 F.3.2.2) and says, in a sentence, where one
// of them leads out of its folder.
func directoryNames(d *dicom.Dataset, f *File) string {
	seen := map[string]bool{}
	for _, record := range d.Sequence(dicom.DirectoryRecordSequence) {
		id := record.Strings(referencedFileID)
		if len(id) == 0 || len(f.Names) == maxNames {
			continue
		}
		local := strings.Join(id, "/")
		if local == "" {
			continue
		}
		name := path.Join(path.Dir(f.Path), local)
		if !fs.ValidPath(local) || !fs.ValidPath(name) {
			f.Names = nil
			return fmt.Sprintf("The DICOMDIR names the file %.80q, which leads out of its folder.", local)
		}
		if !seen[name] {
			seen[name] = true
			f.Names = append(f.Names, name)
		}
	}
	return ""
}
