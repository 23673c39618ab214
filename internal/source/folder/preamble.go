package folder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// preambleLength is the bytes before the mark DICM (PS3.10 7.1).
const preambleLength = 128

// preambleFor is what a file lacks at its beginning to be a file of PS3.10, so that any client can read it: nothing,
// the preamble, or preamble and file meta information. head is the file's first bytes.
func preambleFor(head []byte, d *dicom.Dataset, i *source.Instance) ([]byte, error) {
	blank := make([]byte, preambleLength, preambleLength+4)
	switch {
	case len(head) >= preambleLength+4 && string(head[preambleLength:preambleLength+4]) == "DICM":
		return nil, nil
	case bytes.HasPrefix(head, []byte("DICM")):
		return blank, nil
	case d.Meta != nil:
		return append(blank, "DICM"...), nil
	}
	// A file of nothing but its UIDs has the meta information wanted.
	bare := &dicom.Dataset{TransferSyntax: i.TransferSyntaxUID}
	bare.SetString(dicom.SOPClassUID, dicom.UI, i.SOPClassUID)
	bare.SetString(dicom.SOPInstanceUID, dicom.UI, i.SOPInstanceUID)
	var b bytes.Buffer
	if err := dicom.Write(&b, bare); err != nil {
		return nil, err
	}
	const groupLength = preambleLength + 4 + 8 // where the value of (0002,0000) stands
	end := groupLength + 4 + int(binary.LittleEndian.Uint32(b.Bytes()[groupLength:]))
	return b.Bytes()[:end], nil
}

// prefixed is a file with bytes before it.
type prefixed struct {
	*io.SectionReader
	io.Closer
}

// prefixedAt reads bytes that stand before a file, and the file.
type prefixedAt struct {
	prefix []byte
	file   io.ReaderAt
}

func (p prefixedAt) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(p.prefix)) {
		if n = copy(b, p.prefix[off:]); n == len(b) {
			return n, nil
		}
	}
	m, err := p.file.ReadAt(b[n:], off+int64(n)-int64(len(p.prefix)))
	if n+m == len(b) && errors.Is(err, io.EOF) {
		err = nil
	}
	return n + m, err
}
