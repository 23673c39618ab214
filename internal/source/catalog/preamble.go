package catalog

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

// prefixed is a file of size bytes with bytes before it.
type prefixed struct {
	prefix []byte
	in     io.ReadSeekCloser
	size   int64
	at     int64
}

func (p *prefixed) Read(b []byte) (int, error) {
	if n := int64(len(p.prefix)); p.at < n {
		n := copy(b, p.prefix[p.at:])
		p.at += int64(n)
		return n, nil
	}
	n, err := p.in.Read(b)
	p.at += int64(n)
	return n, err
}

func (p *prefixed) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += int64(len(p.prefix)) + p.size
	}
	if offset < 0 {
		return p.at, errors.New("seek before the beginning")
	}
	if _, err := p.in.Seek(max(0, offset-int64(len(p.prefix))), io.SeekStart); err != nil {
		return p.at, err
	}
	p.at = offset
	return offset, nil
}

func (p *prefixed) Close() error { return p.in.Close() }
