// Package jpeg decodes the JPEG processes of ITU-T T.81 that DICOM uses (PS3.5 A.4.1, annex F.1): baseline and extended
// sequential and progressive DCT with Huffman coding, of 8 and 12 bits, and lossless coding of 2 to 16 bits with all
// selection values. What a file says that it is (its transfer syntax) plays no part: the codestream decides.
//
// Colours stay as they are coded. Whether three components are RGB or YCbCr is told by the photometric interpretation
// of the data set (PS3.5 8.2.1), not by JFIF or Adobe markers, so these are skipped. Subsampled components are brought to
// full size.
//
// The inverse DCT and the interpolation of subsampled components give the samples of the Independent JPEG Group's
// library with its default settings (integer "islow" DCT, triangle filter), which DCMTK and GDCM use.
package jpeg

import (
	"encoding/binary"
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// Markers (T.81 table B.1).
const (
	markerSOF0 = 0xC0
	markerSOF1 = 0xC1
	markerSOF2 = 0xC2
	markerSOF3 = 0xC3
	markerDHT  = 0xC4
	markerRST0 = 0xD0
	markerRST7 = 0xD7
	markerSOI  = 0xD8
	markerEOI  = 0xD9
	markerSOS  = 0xDA
	markerDQT  = 0xDB
	markerDNL  = 0xDC
	markerDRI  = 0xDD
	markerTEM  = 0x01
)

// unsupported names the processes that are not decoded, by their SOF marker.
var unsupported = map[byte]string{
	0xC5: "differential sequential DCT (hierarchical, process 15 and others)",
	0xC6: "differential progressive DCT (hierarchical)",
	0xC7: "differential lossless (hierarchical)",
	0xC8: "an extension of JPEG",
	0xC9: "sequential DCT with arithmetic coding (processes 3 and 5)",
	0xCA: "progressive DCT with arithmetic coding (processes 11 and 13)",
	0xCB: "lossless with arithmetic coding (process 15)",
	0xCD: "differential sequential DCT with arithmetic coding (hierarchical)",
	0xCE: "differential progressive DCT with arithmetic coding (hierarchical)",
	0xCF: "differential lossless with arithmetic coding (hierarchical)",
	0xDE: "hierarchical progression",
	0xF7: "JPEG-LS",
}

// component is one of the frame header (T.81 B.2.2).
type component struct {
	id, h, v, quant byte
	// width and height are those of its own samples; blocksX and blocksY its blocks with those that fill up the last
	// MCUs.
	width, height    int
	blocksX, blocksY int
	scanned          bool
}

// scan is a scan header (T.81 B.2.3).
type scan struct {
	comps  []int // indices of the components
	dc, ac [4]byte
	// first and last are the band of coefficients; in lossless scans first is the selection value.
	first, last byte
	// high and low are the bits of the successive approximation; in lossless scans low is the point transform.
	high, low byte
}

// maxSamples is how many samples a frame may have. The largest pictures, of mammography and pathology, have a fifth of it.
const maxSamples = 1 << 27

type decoder struct {
	data    []byte
	pos     int // of the next byte to read
	want    codec.Want
	process byte // SOF marker
	bits    int  // precision
	width   int
	height  int
	maxH    int
	maxV    int
	comps   []component
	quant   [4]*[64]int32 // in zigzag order
	dc, ac  [4]*table
	restart int // MCUs between restart markers; 0: none
	ended   bool
	r       reader
}

// Decode decodes one frame. It refuses, with the errors of package codec, what is damaged or ends too early: no sample
// that it gives is a guess.
func Decode(frame []byte, want codec.Want) (codec.Image, error) {
	d := &decoder{data: frame, want: want}
	if err := d.header(); err != nil {
		return codec.Image{}, fmt.Errorf("JPEG: %w", err)
	}
	m := codec.Image{Width: d.width, Height: d.height, Components: len(d.comps), Bits: d.bits}
	var err error
	switch {
	case d.process == markerSOF3:
		m.Pix, err = decodeLossless(d)
	case d.bits == 8:
		m.Pix, err = decodeDCT[byte](d)
	default:
		m.Pix, err = decodeDCT[uint16](d)
	}
	if err != nil {
		return codec.Image{}, fmt.Errorf("JPEG, %s: %w", d.name(), err)
	}
	return m, nil
}

// name is the process in words.
func (d *decoder) name() string {
	switch d.process {
	case markerSOF0:
		return "baseline"
	case markerSOF1:
		return fmt.Sprintf("extended, %d bits", d.bits)
	case markerSOF2:
		return fmt.Sprintf("progressive, %d bits", d.bits)
	default:
		return fmt.Sprintf("lossless, %d bits", d.bits)
	}
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", codec.ErrCorrupt, fmt.Sprintf(format, args...))
}

func truncated(format string, args ...any) error {
	return fmt.Errorf("%w: %s", codec.ErrTruncated, fmt.Sprintf(format, args...))
}

// next finds the next marker and its segment's content, which markers without a segment lack. Bytes between segments
// are skipped: some encoders pad there. It returns 0 at the end of the data.
func (d *decoder) next() (byte, []byte, error) {
	for d.pos+1 < len(d.data) {
		m := d.data[d.pos+1]
		if d.data[d.pos] != 0xFF || m == 0 || m == 0xFF {
			d.pos++
			continue
		}
		d.pos += 2
		if m >= markerRST0 && m <= markerEOI || m == markerTEM {
			return m, nil, nil
		}
		if d.pos+2 > len(d.data) {
			return 0, nil, truncated("it ends in the header of segment FF%02X", m)
		}
		n := int(binary.BigEndian.Uint16(d.data[d.pos:]))
		if n < 2 {
			return 0, nil, corrupt("segment FF%02X has length %d", m, n)
		}
		if d.pos+n > len(d.data) {
			return 0, nil, truncated("segment FF%02X has %d bytes, %d are left", m, n, len(d.data)-d.pos)
		}
		body := d.data[d.pos+2 : d.pos+n]
		d.pos += n
		return m, body, nil
	}
	return 0, nil, nil
}

// header reads up to the frame header.
func (d *decoder) header() error {
	if len(d.data) < 2 || d.data[0] != 0xFF || d.data[1] != markerSOI {
		return corrupt("it does not begin with the marker of a JPEG image, FFD8")
	}
	d.pos = 2
	for {
		m, body, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case m >= markerSOF0 && m <= markerSOF3:
			return d.frame(m, body)
		case unsupported[m] != "":
			return fmt.Errorf("%w: %s cannot be decoded", codec.ErrUnsupported, unsupported[m])
		case m == 0 || m == markerEOI:
			return truncated("it ends before its frame header")
		case m == markerSOS:
			return corrupt("a scan begins before the frame header")
		}
		if err := d.tables(m, body); err != nil {
			return err
		}
	}
}

// frame reads a frame header (T.81 B.2.2) and compares it with what the data set says, before any memory is reserved.
func (d *decoder) frame(process byte, body []byte) error {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return corrupt("its frame header has %d bytes", len(body))
	}
	d.process, d.bits = process, int(body[0])
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	n := int(body[5])
	if d.height == 0 {
		d.height = d.want.Height // told by a DNL segment behind the first scan (T.81 B.2.5), which is compared there
	}
	if err := d.want.Check(d.width, d.height, n); err != nil {
		return err
	}
	if d.width < 1 || d.height < 1 || n < 1 || n > 4 {
		return corrupt("its frame header has %dx%d pixels of %d components", d.width, d.height, n)
	}
	switch { // some encoders call 12 bits baseline
	case process != markerSOF3 && (d.bits == 8 || d.bits == 12):
	case process == markerSOF3 && d.bits >= 2 && d.bits <= 16:
	default:
		return corrupt("process FF%02X has no precision of %d bits", process, d.bits)
	}
	d.comps = make([]component, n)
	for i := range d.comps {
		b := body[6+3*i:]
		c := component{id: b[0], h: b[1] >> 4, v: b[1] & 15, quant: b[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 && process != markerSOF3 {
			return corrupt("component %d has sampling factors %d and %d and quantization table %d", i+1, c.h, c.v, c.quant)
		}
		if n == 1 { // its blocks lie in rows whatever the factors (T.81 A.2.2)
			c.h, c.v = 1, 1
		}
		d.comps[i] = c
		d.maxH, d.maxV = max(d.maxH, int(c.h)), max(d.maxV, int(c.v))
	}
	blocks := 0
	for i := range d.comps {
		c := &d.comps[i]
		c.width, c.height = ceil(d.width*int(c.h), d.maxH), ceil(d.height*int(c.v), d.maxV)
		c.blocksX = ceil(d.width, 8*d.maxH) * int(c.h)
		c.blocksY = ceil(d.height, 8*d.maxV) * int(c.v)
		if process == markerSOF3 {
			if int(c.h) != d.maxH || int(c.v) != d.maxV {
				return fmt.Errorf("%w: lossless coding of subsampled components cannot be decoded", codec.ErrUnsupported)
			}
			blocks += d.width * d.height
		} else {
			blocks += c.blocksX * c.blocksY
		}
	}
	samples := d.width * d.height * n
	if process != markerSOF3 {
		samples = 64 * blocks
	}
	if samples > maxSamples {
		return fmt.Errorf("%w: %dx%d pixels of %d components are more than the %d samples allowed", codec.ErrLimit, d.width, d.height, n, maxSamples)
	}
	// Every block, or sample in lossless coding, takes a bit or more, so a short frame cannot ask for much memory. (The
	// blocks that only fill up an MCU may be missing, which matters to the smallest pictures alone.)
	if rest := len(d.data) - d.pos; blocks > 8*rest+64 {
		return truncated("%d bytes cannot hold %dx%d pixels", rest, d.width, d.height)
	}
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

// tables reads a segment that may stand before any scan.
func (d *decoder) tables(m byte, body []byte) error {
	switch m {
	case markerDHT:
		return d.huffmanTables(body)
	case markerDQT:
		return d.quantTables(body)
	case markerDRI:
		if len(body) < 2 {
			return corrupt("its restart interval is missing")
		}
		d.restart = int(binary.BigEndian.Uint16(body))
	case markerDNL:
		if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != d.height {
			return corrupt("its number of lines is another than %d", d.height)
		}
	}
	return nil // application data, comments
}

// quantTables reads a DQT segment (T.81 B.2.4.1).
func (d *decoder) quantTables(body []byte) error {
	for len(body) > 0 {
		size, id := int(body[0]>>4), body[0]&15
		body = body[1:]
		if size > 1 || id > 3 || len(body) < 64*(1+size) {
			return corrupt("quantization table %d is not complete", id)
		}
		q := new([64]int32)
		for i := range q {
			if size == 0 {
				q[i] = int32(body[i])
			} else {
				q[i] = int32(binary.BigEndian.Uint16(body[2*i:]))
			}
		}
		d.quant[id] = q
		body = body[64*(1+size):]
	}
	return nil
}

// huffmanTables reads a DHT segment (T.81 B.2.4.2).
func (d *decoder) huffmanTables(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 || body[0]&15 > 3 || body[0]>>4 > 1 {
			return corrupt("a Huffman table is not complete")
		}
		class, id := body[0]>>4, body[0]&15
		counts := body[1:17]
		n := 0
		for _, c := range counts {
			n += int(c)
		}
		if n > 256 || len(body) < 17+n {
			return corrupt("Huffman table %d has %d codes in %d bytes", id, n, len(body)-17)
		}
		t := &table{}
		if err := t.build(counts, body[17:17+n], class == 0); err != nil {
			return err
		}
		if class == 0 {
			d.dc[id] = t
		} else {
			d.ac[id] = t
		}
		body = body[17+n:]
	}
	return nil
}

// nextScan reads up to the data of the next scan. It returns false where there is none.
func (d *decoder) nextScan() (scan, bool, error) {
	for !d.ended {
		m, body, err := d.next()
		if err != nil {
			return scan{}, false, err
		}
		switch {
		case m == 0:
			return scan{}, false, nil
		case m == markerEOI:
			d.ended = true
			return scan{}, false, nil
		case m >= markerSOF0 && m <= markerSOF3 || unsupported[m] != "":
			return scan{}, false, corrupt("it has a second frame header, FF%02X", m)
		case m == markerSOS:
			s, err := d.scanHeader(body)
			return s, err == nil, err
		}
		if err := d.tables(m, body); err != nil {
			return scan{}, false, err
		}
	}
	return scan{}, false, nil
}

// scanHeader reads a scan header.
func (d *decoder) scanHeader(body []byte) (scan, error) {
	var s scan
	if len(body) < 1 || body[0] < 1 || int(body[0]) > len(d.comps) || len(body) < 4+2*int(body[0]) {
		return s, corrupt("a scan header has %d bytes", len(body))
	}
	n := int(body[0])
	for i := range n {
		id, tables := body[1+2*i], body[2+2*i]
		at := -1
		for k := range d.comps {
			if d.comps[k].id == id && !contains(s.comps, k) {
				at = k
				break
			}
		}
		if at < 0 || tables>>4 > 3 {
			return s, corrupt("a scan is of component %d with tables %d and %d", id, tables>>4, tables&15)
		}
		if i > 0 && at < s.comps[i-1] {
			return s, corrupt("a scan has its components out of order")
		}
		s.comps = append(s.comps, at)
		s.dc[i], s.ac[i] = tables>>4, tables&3 // the second plays no part in lossless coding, and may be anything there
	}
	p := body[1+2*n:]
	s.first, s.last, s.high, s.low = p[0], p[1], p[2]>>4, p[2]&15
	return s, nil
}

func contains(list []int, k int) bool {
	for _, v := range list {
		if v == k {
			return true
		}
	}
	return false
}

// once says that the components of a scan had none before: sequential and lossless coding have one each.
func (d *decoder) once(s scan) error {
	for _, i := range s.comps {
		if d.comps[i].scanned {
			return corrupt("component %d is in two scans", i+1)
		}
		d.comps[i].scanned = true
	}
	return nil
}

// complete says that every component had a scan.
func (d *decoder) complete() error {
	for i := range d.comps {
		if !d.comps[i].scanned {
			return truncated("it ends before the scan of component %d of %d", i+1, len(d.comps))
		}
	}
	return nil
}
