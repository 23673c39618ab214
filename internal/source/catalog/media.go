package catalog

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// media is what a look at the beginning of a research file tells.
type media struct {
	kind  string // source.MediaNIfTI or MediaNRRD
	sizes []int  // of its axes, the fastest first
	head  []byte
	// beside is the names of the files with its data, where they are not in itself.
	beside []string
}

// sniffMedia recognises NIfTI-1 and -2, also compressed, and NRRD by their first bytes; nil for anything else.
func sniffMedia(name string, head []byte) *media {
	if marked(head) {
		return nil
	}
	m := &media{head: bytes.Clone(head)}
	if bytes.HasPrefix(head, []byte{0x1F, 0x8B}) {
		z, err := gzip.NewReader(bytes.NewReader(head))
		if err != nil {
			return nil
		}
		inner := make([]byte, 540)
		n, _ := io.ReadFull(z, inner) // what is too short is not recognised
		head = inner[:n]
	}
	switch {
	case bytes.HasPrefix(head, []byte("NRRD000")):
		m.kind = source.MediaNRRD
		m.nrrd(head)
		return m
	case m.nifti(head, name):
		m.kind = source.MediaNIfTI
		return m
	}
	return nil
}

// nifti reads what a list needs of the header of NIfTI-1 (348 bytes) or NIfTI-2 (540), of either byte order.
func (m *media) nifti(head []byte, name string) bool {
	if len(head) < 348 {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	size := order.Uint32(head)
	if size != 348 && size != 540 {
		order = binary.BigEndian
		size = order.Uint32(head)
	}
	var magic string
	switch {
	case size == 348:
		magic = string(head[344:348])
	case size == 540 && len(head) >= 540:
		magic = string(head[4:8])
	}
	if magic != "n+1\x00" && magic != "ni1\x00" && magic != "n+2\x00" && magic != "ni2\x00" {
		return false
	}
	for i := range 7 {
		n := 0
		if size == 348 {
			n = int(int16(order.Uint16(head[42+2*i:])))
		} else if v := order.Uint64(head[24+8*i:]); v < 1<<31 {
			n = int(v)
		}
		m.sizes = append(m.sizes, n)
	}
	if magic[:2] == "ni" {
		base := path.Base(name)
		if strings.HasSuffix(strings.ToLower(base), ".gz") {
			base = base[:len(base)-3]
		}
		ext := ".img"
		if path.Ext(base) == ".HDR" {
			ext = ".IMG"
		}
		m.beside = []string{strings.TrimSuffix(base, path.Ext(base)) + ext}
	}
	return true
}

// maxDetached is how many data files a detached header may name.
const maxDetached = 10_000

// pattern is a name for Sprintf with one number in it, as a detached header may have it.
var pattern = regexp.MustCompile(`^[^%]*%0?[0-9]{0,2}d[^%]*$`)

// nrrd reads what a list needs of an NRRD header: "sizes" and "data file".
func (m *media) nrrd(head []byte) {
	text, _, _ := bytes.Cut(head, []byte("\n\n"))
	lines := strings.Split(strings.ReplaceAll(string(text), "\r", ""), "\n")
	for i, line := range lines {
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key = strings.ToLower(key); {
		case !ok || strings.HasPrefix(line, "#"):
		case key == "sizes":
			for f := range strings.FieldsSeq(value) {
				n, _ := strconv.Atoi(f)
				m.sizes = append(m.sizes, n)
			}
		case key == "data file" || key == "datafile":
			switch fields := strings.Fields(value); {
			case len(fields) > 0 && fields[0] == "LIST":
				for _, name := range lines[i+1:] {
					if name = strings.TrimSpace(name); name != "" && len(m.beside) < maxDetached {
						m.beside = append(m.beside, name)
					}
				}
				return
			case len(fields) >= 4 && pattern.MatchString(fields[0]):
				m.numbered(fields)
			default:
				m.beside = []string{value}
			}
		}
	}
}

// numbered adds the names of a pattern with first, last and step.
func (m *media) numbered(fields []string) {
	first, err1 := strconv.Atoi(fields[1])
	last, err2 := strconv.Atoi(fields[2])
	step, err3 := strconv.Atoi(fields[3])
	if errors.Join(err1, err2, err3) != nil || step == 0 {
		return
	}
	for n := first; len(m.beside) < maxDetached && (step > 0 && n <= last || step < 0 && n >= last); n += step {
		m.beside = append(m.beside, fmt.Sprintf(fields[0], n))
	}
}

// mediaHeader makes an entry of a research file: a study, series and instance of its own, whose UIDs come from its path
// and header.
func mediaHeader(m *media, f *File) (*header, Kind, string) {
	name := path.Base(f.Path)
	for _, b := range m.beside {
		p := path.Join(path.Dir(f.Path), b)
		if path.IsAbs(b) || strings.Contains(b, `\`) || !fs.ValidPath(path.Clean(b)) || !fs.ValidPath(p) {
			return nil, KindRefused, fmt.Sprintf("Its header names the data file %.80q, which leads out of its folder.", b)
		}
		if f.Beside == nil {
			f.Beside = map[string]string{}
		}
		f.Beside[b] = p
	}
	h := &header{}
	uid := func(level string) string {
		return dicom.UIDFromName(level + "\n" + f.Path + "\n" + strconv.FormatInt(f.Size, 10) + "\n" + string(m.head))
	}
	h.study = source.StudyAttributes{StudyInstanceUID: uid("study"), Description: name}
	h.series = source.SeriesAttributes{SeriesInstanceUID: uid("series"), Description: name, Modality: "OT"}
	h.instance = source.Instance{SOPInstanceUID: uid("instance"), Media: m.kind, Name: name, Number: 1, Frames: 1}
	h.series.Number = 1
	i := &h.instance
	for axis, n := range m.sizes {
		n = max(n, 1)
		switch {
		case axis == 0:
			i.Columns = n
		case axis == 1:
			i.Rows = n
		case i.Frames < 1<<40/n:
			i.Frames *= n
		}
	}
	return h, "", ""
}
