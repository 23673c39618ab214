package research

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
)

// niftiHeader is the length of a NIfTI header that begins with these bytes, negative for big endian; 0 where it is
// none.
func niftiHeader(start []byte) int {
	for _, n := range []int{348, 540} {
		if int(int32(binary.LittleEndian.Uint32(start))) == n {
			return n
		}
		if int(int32(binary.BigEndian.Uint32(start))) == n {
			return n
		}
	}
	return 0
}

// niftiFields is what both versions of the header have in common.
type niftiFields struct {
	dim              [8]int64
	pixdim           [8]float64
	datatype         int16
	offset           int64
	slope, intercept float64
	units            byte
	intent           int32
	qform, sform     int32
	quatern, qoffset [3]float64
	srow             [3][4]float64
	description      string
	magic            string
}

const intentLabel = 1002 // NIFTI_INTENT_LABEL

var niftiTypes = map[int16]Type{2: Uint8, 4: Int16, 8: Int32, 16: Float32, 64: Float64, 256: Int8, 512: Uint16, 768: Uint32, 1024: Int64, 1280: Uint64}

var niftiRefused = map[int16]string{1: "single bits", 32: "complex numbers", 128: "colours (RGB)", 1536: "numbers of 128 bits",
	1792: "complex numbers", 2048: "complex numbers", 2304: "colours (RGBA)"}

func openNIfTI(files fs.FS, name string, in *bufio.Reader) (*Image, error) {
	start, err := in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: it ends within its header", ErrTruncated)
	}
	length := niftiHeader(start)
	var order binary.ByteOrder = binary.LittleEndian
	if int(int32(order.Uint32(start))) != length {
		order = binary.BigEndian
	}
	raw := make([]byte, length)
	if _, err := io.ReadFull(in, raw); err != nil {
		return nil, fmt.Errorf("%w: it ends within its header of %d bytes", ErrTruncated, length)
	}
	var h niftiFields
	if length == 348 {
		h = nifti1(raw, order)
	} else {
		h = nifti2(raw, order)
	}
	m := &Image{Format: "NIfTI-1", order: order, Times: 1, Description: h.description}
	if length == 540 {
		m.Format = "NIfTI-2"
	}
	pair := false
	switch {
	case strings.HasPrefix(h.magic, "n+"):
	case strings.HasPrefix(h.magic, "ni"):
		pair = true
	case length == 348 && strings.Trim(h.magic, "\x00") == "":
		return nil, unsupported("it is an Analyze 7.5 image, which does not say where left and right are; convert it to NIfTI")
	default:
		return nil, damaged("its magic is %.8q", h.magic)
	}
	if err := m.niftiSizes(&h); err != nil {
		return nil, err
	}
	m.niftiPlace(&h)
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, m.niftiData(files, name, &h, pair, length)
}

func nifti1(b []byte, o binary.ByteOrder) (h niftiFields) {
	f := func(at int) float64 { return float64(math.Float32frombits(o.Uint32(b[at:]))) }
	for i := range h.dim {
		h.dim[i] = int64(int16(o.Uint16(b[40+2*i:])))
		h.pixdim[i] = f(76 + 4*i)
	}
	h.intent, h.datatype = int32(int16(o.Uint16(b[68:]))), int16(o.Uint16(b[70:]))
	h.offset = whole(f(108))
	h.slope, h.intercept, h.units = f(112), f(116), b[123]
	h.description = text(b[148:228])
	h.qform, h.sform = int32(int16(o.Uint16(b[252:]))), int32(int16(o.Uint16(b[254:])))
	for i := range 3 {
		h.quatern[i], h.qoffset[i] = f(256+4*i), f(268+4*i)
		for j := range 4 {
			h.srow[i][j] = f(280 + 16*i + 4*j)
		}
	}
	h.magic = string(b[344:348])
	return h
}

func nifti2(b []byte, o binary.ByteOrder) (h niftiFields) {
	f := func(at int) float64 { return math.Float64frombits(o.Uint64(b[at:])) }
	for i := range h.dim {
		h.dim[i] = int64(o.Uint64(b[16+8*i:]))
		h.pixdim[i] = f(104 + 8*i)
	}
	h.datatype, h.offset = int16(o.Uint16(b[12:])), int64(o.Uint64(b[168:]))
	h.slope, h.intercept = f(176), f(184)
	h.description = text(b[240:320])
	h.qform, h.sform = int32(o.Uint32(b[344:])), int32(o.Uint32(b[348:]))
	for i := range 3 {
		h.quatern[i], h.qoffset[i] = f(352+8*i), f(376+8*i)
		for j := range 4 {
			h.srow[i][j] = f(400 + 32*i + 8*j)
		}
	}
	h.units, h.intent = byte(o.Uint32(b[500:])), int32(o.Uint32(b[504:]))
	h.magic = string(b[4:12])
	return h
}

// whole is a length that is stored as a floating point number; -1 where it is none.
func whole(f float64) int64 {
	if !(f >= 0 && f < 1<<40) {
		return -1
	}
	return int64(f)
}

// text is a field of bytes up to its first zero, without control characters.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7F || r == '\uFFFD' {
			return -1
		}
		return r
	}, string(b)))
}

// niftiSizes reads dimensions, sample type and scaling.
func (m *Image) niftiSizes(h *niftiFields) error {
	n := h.dim[0]
	if n < 1 || n > 7 {
		return damaged("it has %d dimensions: 1 to 7", n)
	}
	m.Size = [3]int{1, 1, 1}
	for i := int64(1); i <= n; i++ {
		d := h.dim[i]
		if d < 1 || d > 1<<31 {
			return damaged("dimension %d has %d samples", i, d)
		}
		switch {
		case i <= 3:
			m.Size[i-1] = int(d)
		case i == 4:
			m.Times = int(d)
		case d > 1:
			return unsupported("it has %d values for each voxel (dimension %d), such as vectors or tensors", d, i)
		}
	}
	t, ok := niftiTypes[h.datatype]
	if !ok {
		if what := niftiRefused[h.datatype]; what != "" {
			return unsupported("its samples are %s", what)
		}
		return damaged("its samples are of the unknown type %d", h.datatype)
	}
	m.Type, m.Slope, m.Intercept = t, 1, 0
	if h.slope != 0 && finite(h.slope) { // 0 is no scaling
		m.Slope = h.slope
		if m.Intercept = h.intercept; !finite(h.intercept) {
			return damaged("its values are shifted by %g", h.intercept)
		}
	}
	m.Labels = h.intent == intentLabel
	m.layout = layout{axes: []int{0, 1, 2, 3}, sizes: []int{m.Size[0], m.Size[1], m.Size[2], m.Times}}
	if m.Times > 1 {
		perMs := map[byte]float64{8: 1000, 16: 1, 24: 0.001}[h.units&0x38]
		if step := h.pixdim[4] * perMs; finite(step) && step > 0 {
			m.StepMs = step
		}
	}
	return nil
}

// niftiPlace finds the affine transform: the sform where there is one, else the qform, and brings it from RAS to LPS.
func (m *Image) niftiPlace(h *niftiFields) {
	scale := map[byte]float64{1: 1000, 3: 0.001}[h.units&7] // metres, micrometres
	if scale == 0 {
		scale = 1
	}
	var affine [3][4]float64 // RAS, rows
	m.Placed = true
	spacing := [3]float64{1, 1, 1}
	for i := range 3 {
		if d := math.Abs(h.pixdim[i+1]); d > 0 && finite(d) {
			spacing[i] = d
		}
	}
	switch {
	case h.sform > 0:
		affine = h.srow
	case h.qform > 0:
		b, c, d := h.quatern[0], h.quatern[1], h.quatern[2]
		a := math.Sqrt(max(0, 1-b*b-c*c-d*d))
		if n := b*b + c*c + d*d; n > 1 { // rounding
			n = math.Sqrt(n)
			b, c, d = b/n, c/n, d/n
		}
		r := [3][3]float64{
			{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
			{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
			{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - b*b - c*c},
		}
		z := spacing[2]
		if h.pixdim[0] < 0 { // qfac
			z = -z
		}
		for i := range 3 {
			affine[i] = [4]float64{r[i][0] * spacing[0], r[i][1] * spacing[1], r[i][2] * z, h.qoffset[i]}
		}
	default:
		m.Placed = false
		for i := range 3 {
			affine[i][i] = spacing[i]
			affine[i][3] = -spacing[i] * float64(m.Size[i]-1) / 2
		}
		m.Warnings = append(m.Warnings, "the file does not say how it lies in the patient (no qform, no sform): left and right, front and back are not known")
	}
	for i := range 3 {
		s := scale
		if i < 2 {
			s = -scale // RAS to LPS
		}
		for a := range 3 {
			m.Axes[a][i] = affine[i][a] * s
		}
		m.Origin[i] = affine[i][3] * s
	}
}

// niftiData says where the samples are: behind the header, or in the other file of a pair.
func (m *Image) niftiData(files fs.FS, name string, h *niftiFields, pair bool, length int) error {
	if h.offset < 0 || h.offset > 1<<40 || !pair && h.offset != 0 && h.offset < int64(length) {
		return damaged("its samples begin at byte %d, within its header", h.offset)
	}
	skip := h.offset
	if !pair && skip == 0 {
		skip = int64(length) + 4
	}
	from := []string{name}
	if pair {
		base := name
		for _, ext := range []string{".gz", ".hdr", ".GZ", ".HDR"} {
			base = strings.TrimSuffix(base, ext)
		}
		from = []string{base + ".img", base + ".img.gz", base + ".IMG"}
	}
	m.data = func() (io.ReadCloser, error) {
		var f fs.File
		var err error
		for _, p := range from {
			if f, err = files.Open(p); err == nil || !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
		if err != nil {
			return nil, fmt.Errorf("open the samples of the pair (%s): %w", from[0], err)
		}
		in, _, err := unpacked(f)
		if err == nil {
			_, err = io.CopyN(io.Discard, in, skip)
		}
		if err != nil {
			f.Close()
			return nil, m.short(err)
		}
		return readCloser{in, f}, nil
	}
	return nil
}

// readCloser reads through one thing and closes another.
type readCloser struct {
	io.Reader
	io.Closer
}
