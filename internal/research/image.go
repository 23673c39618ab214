// Package research reads the volume formats of research: NIfTI-1 and NIfTI-2 (the NIfTI-1 and -2 data format
// definitions, nifti.nimh.nih.gov) and NRRD (teem.sourceforge.net/nrrd/format.html). Both put a grid of samples into
// patient space by an affine transform, which comes out in DICOM's coordinates (LPS, millimetres).
//
// Input is not trusted: sizes are checked before memory is reserved, no more bytes are unpacked than the header's
// sizes need, and data files that a header names must lie beside it.
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
	"path"
	"strings"

	"github.com/tomocast/tomocast/internal/pages"
)

// What a caller decides on.
var (
	// ErrFormat: neither NIfTI nor NRRD.
	ErrFormat = errors.New("neither a NIfTI nor an NRRD file")
	// ErrCorrupt: the header contradicts itself or the format, or the data is damaged.
	ErrCorrupt = errors.New("file is damaged")
	// ErrTruncated: there is less data than the header says.
	ErrTruncated = errors.New("file is truncated")
	// ErrUnsupported: a part of the format that is not read, such as colours or complex numbers.
	ErrUnsupported = errors.New("kind of image is not supported")
	// ErrLimit: the image is larger than allowed.
	ErrLimit = errors.New("limit exceeded")
)

// Type is how a sample is stored.
type Type uint8

// The sample types.
const (
	Int8 Type = iota
	Uint8
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float32
	Float64
)

var typeBytes = [...]int{1, 1, 2, 2, 4, 4, 8, 8, 4, 8}

// Bytes is the size of a sample.
func (t Type) Bytes() int { return typeBytes[t] }

func (t Type) String() string {
	return [...]string{"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"}[t]
}

// Image is a grid of samples: its header, and where its data is.
type Image struct {
	// Format is "NIfTI-1", "NIfTI-2" or "NRRD".
	Format string
	// Size is the number of samples along the three spatial axes i, j, k, in the order of the file; Times the number
	// of time points, 1 for 3D.
	Size  [3]int
	Times int
	// StepMs is the time from one time point to the next, milliseconds; 0 where the file does not say.
	StepMs float64
	// Origin is the centre of sample (0,0,0), Axes are the steps along i, j, k: LPS, millimetres.
	Origin [3]float64
	Axes   [3][3]float64
	// Placed says that the file tells where in the patient the grid lies. Otherwise Axes hold spacings alone, and
	// nobody knows left from right.
	Placed bool
	// Type is how samples are stored; the value of one is stored*Slope + Intercept.
	Type             Type
	Slope, Intercept float64
	// Labels says that samples are numbers of segments, Segments what is known of them.
	Labels   bool
	Segments []Segment
	// Description is free text of the header.
	Description string
	// Warnings are what people should know about it.
	Warnings []string

	order  binary.ByteOrder
	layout layout
	data   func() (io.ReadCloser, error) // the samples, unpacked, from the first one on
	ascii  bool
}

// Segment is a label of a label map.
type Segment struct {
	// Value marks it in the samples of a layer; Layer is which of the time points holds it where segments overlap.
	Value, Layer int
	Name, ID     string
	Color        [3]float64 // 0 to 1
}

// layout is the order of the samples in the file: the axis of each of its dimensions, the fastest first. Axes 0 to 2
// are spatial, 3 is time.
type layout struct {
	axes  []int
	sizes []int
}

// inOrder says whether samples come plane by plane, time point by time point.
func (l layout) inOrder() bool {
	for i, a := range l.axes {
		if a != i {
			return false
		}
	}
	return true
}

// MaxSide bounds each side of an image, samples.
const MaxSide = 1 << 16

// MaxSamples bounds the samples of an image, all time points together.
const MaxSamples = 1 << 33

// Samples is the number of samples of one time point.
func (m *Image) Samples() int { return m.Size[0] * m.Size[1] * m.Size[2] }

// Open reads the header of an image. files holds it and the files that it names, name is its path there. The error
// wraps one of those above.
func Open(files fs.FS, name string) (*Image, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the image: %w", err)
	}
	defer f.Close()
	in, packed, err := unpacked(f)
	if err != nil {
		return nil, err
	}
	start, err := in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, damaged("%v", err)
	}
	if bytes.HasPrefix(start, []byte("NRRD")) {
		if packed {
			return nil, unsupported("the NRRD file as a whole is gzipped: unpack it")
		}
		return openNRRD(files, name, in)
	}
	if len(start) >= 4 && niftiHeader(start) > 0 {
		return openNIfTI(files, name, in)
	}
	return nil, fmt.Errorf("%w", ErrFormat)
}

// Recognise says by the first bytes of a file, unpacked if they were gzipped, which format it is: "NIfTI", "NRRD" or
// nothing.
func Recognise(start []byte) string {
	switch {
	case bytes.HasPrefix(start, []byte("NRRD0")):
		return "NRRD"
	case len(start) >= 4 && niftiHeader(start) > 0:
		return "NIfTI"
	}
	return ""
}

// Read calls fn for each plane of constant k and time point t with its samples, width times height of them, as they
// are stored: little endian, Type.Bytes() each. plane is valid only until fn returns. Planes come in order where the
// file has them so, else when all samples have been read.
func (m *Image) Read(fn func(t, k int, plane []byte) error) error {
	r, err := m.data()
	if err != nil {
		return err
	}
	defer r.Close()
	var samples io.Reader = r
	if m.ascii {
		samples = newASCIIReader(r, m.Type)
	}
	size := m.Size[0] * m.Size[1] * m.Type.Bytes()
	if !m.layout.inOrder() {
		return m.readScattered(samples, size, fn)
	}
	plane := make([]byte, size)
	for t := range m.Times {
		for k := range m.Size[2] {
			if _, err := io.ReadFull(samples, plane); err != nil {
				return m.short(err)
			}
			m.swap(plane)
			if err := fn(t, k, plane); err != nil {
				return err
			}
		}
	}
	return nil
}

// readScattered reads a file whose dimensions are in another order than planes need.
func (m *Image) readScattered(samples io.Reader, size int, fn func(t, k int, plane []byte) error) error {
	b := m.Type.Bytes()
	var memory pages.Buffer
	defer memory.Free()
	all, err := memory.Take(size * m.Size[2] * m.Times)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLimit, err)
	}
	of := [4]int{b, b * m.Size[0], size, size * m.Size[2]} // bytes from one sample to the next along each axis
	row := make([]byte, b*m.layout.sizes[0])
	at := make([]int, len(m.layout.sizes))
	step := of[m.layout.axes[0]]
	for {
		if _, err := io.ReadFull(samples, row); err != nil {
			return m.short(err)
		}
		m.swap(row)
		to := 0
		for d := 1; d < len(at); d++ {
			to += at[d] * of[m.layout.axes[d]]
		}
		for i := 0; i < len(row); i += b {
			copy(all[to:to+b], row[i:i+b])
			to += step
		}
		d := 1
		for ; d < len(at); d++ {
			if at[d]++; at[d] < m.layout.sizes[d] {
				break
			}
			at[d] = 0
		}
		if d == len(at) {
			break
		}
	}
	for t := range m.Times {
		for k := range m.Size[2] {
			plane := all[(t*m.Size[2]+k)*size:][:size:size]
			if err := fn(t, k, plane); err != nil {
				return err
			}
			memory.Discard(plane)
		}
	}
	return nil
}

func (m *Image) short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %dx%dx%d samples of %s for %d time points were announced, and there are fewer",
			ErrTruncated, m.Size[0], m.Size[1], m.Size[2], m.Type, m.Times)
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTruncated) {
		return err
	}
	return damaged("its data cannot be unpacked: %v", err)
}

// swap brings samples into little endian.
func (m *Image) swap(p []byte) {
	if m.order != binary.BigEndian {
		return
	}
	switch m.Type.Bytes() {
	case 2:
		for i := 0; i+1 < len(p); i += 2 {
			p[i], p[i+1] = p[i+1], p[i]
		}
	case 4:
		for i := 0; i+3 < len(p); i += 4 {
			binary.LittleEndian.PutUint32(p[i:], binary.BigEndian.Uint32(p[i:]))
		}
	case 8:
		for i := 0; i+7 < len(p); i += 8 {
			binary.LittleEndian.PutUint64(p[i:], binary.BigEndian.Uint64(p[i:]))
		}
	}
}

// Float64s turns samples of a plane into values before slope and intercept.
func (m *Image) Float64s(dst []float64, plane []byte) {
	le := binary.LittleEndian
	for i := range dst {
		switch m.Type {
		case Int8:
			dst[i] = float64(int8(plane[i]))
		case Uint8:
			dst[i] = float64(plane[i])
		case Int16:
			dst[i] = float64(int16(le.Uint16(plane[2*i:])))
		case Uint16:
			dst[i] = float64(le.Uint16(plane[2*i:]))
		case Int32:
			dst[i] = float64(int32(le.Uint32(plane[4*i:])))
		case Uint32:
			dst[i] = float64(le.Uint32(plane[4*i:]))
		case Int64:
			dst[i] = float64(int64(le.Uint64(plane[8*i:])))
		case Uint64:
			dst[i] = float64(le.Uint64(plane[8*i:]))
		case Float32:
			dst[i] = float64(math.Float32frombits(le.Uint32(plane[4*i:])))
		case Float64:
			dst[i] = math.Float64frombits(le.Uint64(plane[8*i:]))
		}
	}
}

// check refuses an image that cannot be, or is too large.
func (m *Image) check() error {
	total := int64(m.Times)
	for _, n := range m.Size {
		if n < 1 || n > MaxSide {
			return fmt.Errorf("%w: its size is %dx%dx%d: each side 1 to %d", ErrLimit, m.Size[0], m.Size[1], m.Size[2], MaxSide)
		}
		if total *= int64(n); total > MaxSamples {
			return fmt.Errorf("%w: it has more than %d samples", ErrLimit, int64(MaxSamples))
		}
	}
	if m.Times < 1 || m.Times > MaxSide {
		return fmt.Errorf("%w: it has %d time points: 1 to %d", ErrLimit, m.Times, MaxSide)
	}
	for a := range m.Axes {
		n := math.Sqrt(m.Axes[a][0]*m.Axes[a][0] + m.Axes[a][1]*m.Axes[a][1] + m.Axes[a][2]*m.Axes[a][2])
		if !(n > 1e-6 && n < 1e4) || math.Abs(m.Origin[a]) > 1e6 || math.IsNaN(m.Origin[a]) {
			return damaged("steps of %v mm from %v mm cannot be", m.Axes, m.Origin)
		}
	}
	a, b, c := m.Axes[0], m.Axes[1], m.Axes[2]
	det := a[0]*(b[1]*c[2]-b[2]*c[1]) - a[1]*(b[0]*c[2]-b[2]*c[0]) + a[2]*(b[0]*c[1]-b[1]*c[0])
	if math.Abs(det) < 1e-12 {
		return damaged("its axes %v do not span space", m.Axes)
	}
	if !finite(m.Slope, m.Intercept) || m.Slope == 0 {
		return damaged("its values are scaled by %g and %g", m.Slope, m.Intercept)
	}
	return nil
}

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// beside is the path of a file that a header names, which must lie in the header's own folder or below it.
func beside(header, named string) (string, error) {
	named = strings.ReplaceAll(strings.TrimSpace(named), `\`, "/")
	p := path.Join(path.Dir(header), named)
	if named == "" || path.IsAbs(named) || strings.Contains(named, ":") || strings.Contains("/"+named+"/", "/../") || !fs.ValidPath(p) {
		return "", damaged("it names the data file %.100q, which does not lie beside it", named)
	}
	return p, nil
}

// unpacked reads through gzip where a file is packed.
func unpacked(r io.Reader) (in *bufio.Reader, packed bool, err error) {
	in = bufio.NewReaderSize(r, 64<<10)
	if start, err := in.Peek(2); err != nil || start[0] != 0x1F || start[1] != 0x8B {
		return in, false, nil
	}
	z, err := newGzip(in)
	if err != nil {
		return nil, true, damaged("%v", err)
	}
	return bufio.NewReaderSize(z, 64<<10), true, nil
}
