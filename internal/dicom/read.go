package dicom

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom/codec"
	"github.com/tomocast/tomocast/internal/dicom/codec/inflate"
)

// Options says how much to read.
type Options struct {
	// StopAtPixelData leaves the pixel data, and what stands behind it, unread: Has(PixelData) is true and its
	// value nil. The file is read only as far as needed.
	StopAtPixelData bool
	// Limits bounds what the input may ask for.
	Limits Limits
}

// firstRead is how much of a file is read at first when only the elements before the pixel data are wanted.
// The header of a CT slice has 2 to 10 KiB.
const firstRead = 32 << 10

// Read reads a file from a stream. See Parse for what it returns.
func Read(r io.Reader, opts Options) (*Dataset, error) { return read(r, -1, opts) }

// ReadFile reads a file. Its errors name the path. See Parse for what it returns.
func ReadFile(path string, opts Options) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		e := fault(ErrNotDICOM, 0, "not a file")
		e.Path = path
		return nil, e
	}
	d, err := read(f, st.Size(), opts)
	var e *Error
	if errors.As(err, &e) && e.Path == "" {
		e.Path = path
	}
	return d, err
}

// Parse reads a file that is in memory. The data set keeps slices of data, which must not change afterwards.
//
// Every fault of the input is an *Error; errors.Is tells ErrNotDICOM, ErrTruncated, ErrLimit and ErrCorrupt
// apart. Where the data set had already begun, what stood before the fault is returned with the error, so that
// the caller can say which series the broken file belongs to.
func Parse(data []byte, opts Options) (*Dataset, error) {
	lim := opts.Limits.withDefaults()
	if int64(len(data)) > lim.MaxBytes {
		return nil, fault(ErrLimit, 0, "the file has %d bytes, more than the %d allowed", len(data), lim.MaxBytes)
	}
	return parse(data, false, int64(len(data)), opts)
}

// read fills a buffer, as far as the parser needs it. size is -1 where it is unknown.
func read(r io.Reader, size int64, opts Options) (*Dataset, error) {
	lim := opts.Limits.withDefaults()
	if size > lim.MaxBytes {
		return nil, fault(ErrLimit, 0, "the file has %d bytes, more than the %d allowed", size, lim.MaxBytes)
	}
	want := int64(firstRead)
	if !opts.StopAtPixelData && size >= 0 {
		want = size
	}
	var buf []byte
	for {
		grown := make([]byte, want)
		n := copy(grown, buf)
		m, err := io.ReadFull(r, grown[n:])
		buf = grown[:n+m]
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		end := err != nil || int64(len(buf)) == size
		if int64(len(buf)) > lim.MaxBytes {
			return nil, fault(ErrLimit, 0, "the file has more than the %d bytes allowed", lim.MaxBytes)
		}
		if end || opts.StopAtPixelData {
			d, err := parse(buf, !end, size, opts)
			if !errors.Is(err, errMore) {
				return d, err
			}
		}
		want *= 4
		if size >= 0 {
			want = min(want, size)
		}
		want = min(want, lim.MaxBytes+1)
	}
}

// parse reads preamble, file meta information and data set.
func parse(data []byte, more bool, size int64, opts Options) (*Dataset, error) {
	p := &parser{data: data, more: more, size: size, stop: opts.StopAtPixelData, lim: opts.Limits.withDefaults()}
	d := &Dataset{}
	if err := p.start(d); err != nil {
		return nil, err
	}
	if err := p.meta(d); err != nil {
		return nil, err
	}
	if len(p.data) == p.pos && !p.more {
		return d, p.fail(ErrTruncated, p.pos, 0, "the file ends after its meta information; fetch or export it again")
	}
	if d.TransferSyntax == DeflatedExplicitVRLittleEndian {
		return p.deflated(d, opts)
	}
	return d, p.body(d)
}

// body reads the data set itself.
func (p *parser) body(d *Dataset) error {
	p.big = d.TransferSyntax == ExplicitVRBigEndian
	explicit := p.explicitAt(p.pos)
	if p.pos+4 <= len(p.data) && p.u16(p.pos) == 0x0800 && explicit && native(d.TransferSyntax) && d.TransferSyntax != "" {
		p.big = !p.big // group 0008, read in the other byte order
		d.warn("the data set is not in the byte order that its transfer syntax says")
		d.TransferSyntax = ExplicitVRLittleEndian
		if p.big {
			d.TransferSyntax = ExplicitVRBigEndian
		}
	}
	switch {
	case d.TransferSyntax == "":
		d.TransferSyntax = p.guess(explicit)
		d.warn("no transfer syntax is given: read as " + SyntaxName(d.TransferSyntax))
	case explicit == (d.TransferSyntax == ImplicitVRLittleEndian):
		d.warn("the data set is not encoded as its transfer syntax says")
		switch d.TransferSyntax {
		case ImplicitVRLittleEndian:
			d.TransferSyntax = ExplicitVRLittleEndian
		case ExplicitVRLittleEndian:
			d.TransferSyntax = ImplicitVRLittleEndian
		}
	}
	err := p.elements(d, len(p.data), false, explicit, 0)
	if !errors.Is(err, errMore) {
		d.leaveOutCommands()
		d.textWarnings()
	}
	switch {
	case errors.Is(err, errPixels):
		return nil
	case (errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt)) && p.whole(d):
		d.warn("what stands behind the pixel data is damaged and was left out")
		return nil
	}
	return err
}

// leaveOutCommands drops elements of commands and of the file meta information that stand in the data set, where none
// belongs (PS3.10 7.1).
func (d *Dataset) leaveOutCommands() {
	n := len(d.Elements)
	if n == 0 || d.Elements[0].Tag.Group() > 0x0002 {
		return
	}
	d.Elements = slices.DeleteFunc(d.Elements, func(e Element) bool { return e.Tag.Group() == 0x0000 || e.Tag.Group() == 0x0002 })
	if len(d.Elements) < n {
		d.warn("elements of commands or of the file meta information in the data set were left out")
	}
}

// whole says whether the data set has all of its uncompressed pixel data, so that damage behind it costs nothing that
// is shown.
func (p *parser) whole(d *Dataset) bool {
	e := d.Get(PixelData)
	if e == nil || e.Value == nil {
		return false
	}
	f, err := d.PixelFormat()
	return err == nil && len(e.Value)/f.Frames >= f.FrameBytes()
}

// guess finds out how a data set without a transfer syntax is stored, from its first element.
func (p *parser) guess(explicit bool) string {
	if p.pos+4 <= len(p.data) && binary.BigEndian.Uint16(p.data[p.pos:]) < 0x0100 {
		p.big = true
		return ExplicitVRBigEndian
	}
	if explicit {
		return ExplicitVRLittleEndian
	}
	return ImplicitVRLittleEndian
}

// start steps over the preamble (PS3.10 7.1), or makes sure that a file without one begins with an element.
func (p *parser) start(d *Dataset) error {
	if len(p.data) >= 132 && string(p.data[128:132]) == "DICM" {
		p.pos = 132
		return nil
	}
	if len(p.data) >= 4 && string(p.data[:4]) == "DICM" {
		p.pos = 4
		d.warn("no preamble")
		return nil
	}
	if len(p.data) < 16 {
		return fault(ErrNotDICOM, 0, "not a DICOM file: it has only %d bytes", len(p.data))
	}
	little, big := binary.LittleEndian.Uint16(p.data), binary.BigEndian.Uint16(p.data)
	length := binary.LittleEndian.Uint32(p.data[4:])
	switch {
	case (little == 0x0002 || little == 0x0008) && p.explicitAt(0):
	case big == 0x0008 && p.explicitAt(0):
	case little == 0x0008 && p.data[3] < 0x02 && length < 1024: // implicit: a short first element
	default:
		return fault(ErrNotDICOM, 0, "not a DICOM file: neither the mark DICM at byte 128 nor a data set at the start")
	}
	d.warn("no preamble")
	return nil
}

// meta reads the file meta information: always explicit little endian (PS3.10 7.1). Its end is where group 0002
// ends; the group length is often wrong.
func (p *parser) meta(d *Dataset) error {
	for p.pos+8 <= len(p.data) && p.u16(p.pos) == 0x0002 {
		if d.Meta == nil {
			d.Meta = &Dataset{}
		}
		start := p.pos
		h, err := p.readHeader(p.explicitAt(p.pos))
		if err != nil {
			return err
		}
		if h.length == undefined {
			return p.fail(ErrCorrupt, start, h.tag, "undefined length in the file meta information")
		}
		if err := p.need(int64(h.length), h.tag); err != nil {
			return err
		}
		if p.count++; p.count > p.lim.MaxElements {
			return p.fail(ErrLimit, start, h.tag, "more than %d elements", p.lim.MaxElements)
		}
		stop := p.pos + int(h.length)
		d.Meta.Elements = append(d.Meta.Elements, Element{Tag: h.tag, VR: h.vr, Value: p.data[p.pos:stop:stop], Offset: int64(start)})
		p.pos = stop
	}
	if p.more && p.pos+8 > len(p.data) {
		return errMore
	}
	if d.Meta == nil {
		d.warn("no file meta information")
		return nil
	}
	if d.Meta.sortElements() {
		d.warn("file meta information out of order or doubled")
	}
	d.TransferSyntax = strings.TrimSpace(d.Meta.String(TransferSyntaxUID))
	return nil
}

// deflated inflates the rest of the file (PS3.5 A.5) within bounds and reads it as explicit little endian.
func (p *parser) deflated(d *Dataset, opts Options) (*Dataset, error) {
	if p.more {
		return nil, errMore
	}
	most := int64(256 << 20)
	if opts.Limits.MaxBytes > 0 {
		most = opts.Limits.MaxBytes
	}
	out, err := inflate.Decode(p.data[p.pos:], int(most))
	switch {
	case errors.Is(err, codec.ErrLimit):
		return d, p.fail(ErrLimit, p.pos, 0, "the deflated data set has more than the %d bytes allowed", most)
	case errors.Is(err, codec.ErrTruncated):
		d.warn("the deflated data set ends early")
	case err != nil:
		return d, p.fail(ErrCorrupt, p.pos, 0, "the deflated data set cannot be inflated (%v); export the file again", err)
	}
	if len(out) == 0 {
		return d, p.fail(ErrTruncated, p.pos, 0, "the deflated data set is empty; fetch or export the file again")
	}
	q := &parser{data: out, size: int64(len(out)), stop: p.stop, count: p.count, lim: p.lim}
	return d, q.body(d)
}
