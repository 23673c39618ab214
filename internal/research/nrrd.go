package research

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxNRRDHeader = 1 << 20 // bytes
	maxNRRDFiles  = 1 << 16
	maxNRRDDims   = 16
)

// nrrdFields is the header of an NRRD file: fields by their names in lower case, and the keys of "key:=value" lines.
type nrrdFields struct {
	fields, keys map[string]string
	list         []string // of "data file: LIST"
	length       int64    // of the header, with the blank line
}

var nrrdTypes = map[string]Type{
	"signed char": Int8, "int8": Int8, "int8_t": Int8,
	"uchar": Uint8, "unsigned char": Uint8, "uint8": Uint8, "uint8_t": Uint8,
	"short": Int16, "short int": Int16, "signed short": Int16, "signed short int": Int16, "int16": Int16, "int16_t": Int16,
	"ushort": Uint16, "unsigned short": Uint16, "unsigned short int": Uint16, "uint16": Uint16, "uint16_t": Uint16,
	"int": Int32, "signed int": Int32, "int32": Int32, "int32_t": Int32,
	"uint": Uint32, "unsigned int": Uint32, "uint32": Uint32, "uint32_t": Uint32,
	"longlong": Int64, "long long": Int64, "long long int": Int64, "signed long long": Int64, "signed long long int": Int64, "int64": Int64, "int64_t": Int64,
	"ulonglong": Uint64, "unsigned long long": Uint64, "unsigned long long int": Uint64, "uint64": Uint64, "uint64_t": Uint64,
	"float": Float32, "double": Float64,
}

// nrrdSpaces gives for each named space the signs that bring its axes to LPS.
var nrrdSpaces = map[string][3]float64{
	"right-anterior-superior": {-1, -1, 1}, "ras": {-1, -1, 1},
	"left-anterior-superior": {1, -1, 1}, "las": {1, -1, 1},
	"left-posterior-superior": {1, 1, 1}, "lps": {1, 1, 1},
	"right-anterior-superior-time": {-1, -1, 1}, "rast": {-1, -1, 1},
	"left-anterior-superior-time": {1, -1, 1}, "last": {1, -1, 1},
	"left-posterior-superior-time": {1, 1, 1}, "lpst": {1, 1, 1},
}

func openNRRD(files fs.FS, name string, in *bufio.Reader) (*Image, error) {
	h, err := readNRRDHeader(in)
	if err != nil {
		return nil, err
	}
	m := &Image{Format: "NRRD", Times: 1, Slope: 1, order: binary.LittleEndian, Description: text([]byte(h.fields["content"]))}
	if err := m.nrrdSizes(h); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	m.nrrdSegments(h)
	return m, m.nrrdData(files, name, h)
}

// readNRRDHeader reads up to the blank line before attached data, or to the end of a detached header.
func readNRRDHeader(in *bufio.Reader) (*nrrdFields, error) {
	h := &nrrdFields{fields: map[string]string{}, keys: map[string]string{}}
	listing := false
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, damaged("a line of its header is longer than %d bytes", in.Size())
		}
		if h.length += int64(len(line)); h.length > maxNRRDHeader {
			return nil, fmt.Errorf("%w: its header is longer than %d bytes", ErrLimit, maxNRRDHeader)
		}
		s := strings.TrimRight(string(line), "\r\n")
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, damaged("%v", err)
		case err == nil && s == "", err != nil && s == "":
			return h, nil
		case first:
			if len(s) != 8 || !strings.HasPrefix(s, "NRRD000") || s[7] < '1' || s[7] > '5' {
				return nil, unsupported("it begins with %.10q; versions NRRD0001 to NRRD0005 are read", s)
			}
		case listing:
			if h.list = append(h.list, s); len(h.list) > maxNRRDFiles {
				return nil, fmt.Errorf("%w: it names more than %d data files", ErrLimit, maxNRRDFiles)
			}
		case strings.HasPrefix(s, "#"):
		default:
			if key, value, ok := strings.Cut(s, ":="); ok {
				h.keys[key] = value
			} else if field, value, ok := strings.Cut(s, ": "); ok {
				field = strings.ToLower(strings.TrimSpace(field))
				h.fields[field] = strings.TrimSpace(value)
				listing = (field == "data file" || field == "datafile") && strings.HasPrefix(strings.TrimSpace(value), "LIST")
			} else {
				return nil, damaged("the line %.60q of its header is neither a field nor a key", s)
			}
		}
		if err != nil {
			return h, nil
		}
	}
}

// field is a field by any of its names.
func (h *nrrdFields) field(names ...string) string {
	for _, n := range names {
		if v := h.fields[n]; v != "" {
			return v
		}
	}
	return ""
}

// nrrdSizes reads type, sizes, the kinds of the axes, and where they lie.
func (m *Image) nrrdSizes(h *nrrdFields) error {
	kind := h.field("type")
	t, ok := nrrdTypes[strings.ToLower(kind)]
	if !ok {
		return unsupported("its samples are of type %.30q", kind)
	}
	m.Type = t
	dims, err := strconv.Atoi(h.field("dimension"))
	if err != nil || dims < 1 || dims > maxNRRDDims {
		return damaged("its dimension is %.20q: 1 to %d", h.field("dimension"), maxNRRDDims)
	}
	sizes := strings.Fields(h.field("sizes"))
	if len(sizes) != dims {
		return damaged("it has %d sizes for %d dimensions", len(sizes), dims)
	}
	kinds := strings.Fields(strings.ToLower(h.field("kinds")))
	vectors, err := spaceDirections(h.field("space directions"), dims)
	if err != nil {
		return err
	}
	var spatial [][]float64 // the direction of each spatial axis; nil where unknown
	var spacings []float64
	all := strings.Fields(h.field("spacings"))
	m.Size = [3]int{1, 1, 1}
	for d := range dims {
		n, err := strconv.Atoi(sizes[d])
		if err != nil || n < 1 || n > MaxSamples>>1 {
			return damaged("size %.20q of dimension %d", sizes[d], d+1)
		}
		axis := -1
		switch isSpace := vectors != nil && vectors[d] != nil || vectors == nil && (d >= len(kinds) || slices.Contains([]string{"domain", "space", "???", "none"}, kinds[d])); {
		case isSpace && len(spatial) < 3:
			axis = len(spatial)
			m.Size[axis] = n
			spacing := math.NaN()
			if d < len(all) {
				spacing, _ = strconv.ParseFloat(all[d], 64)
			}
			spacings = append(spacings, spacing)
			if vectors != nil {
				spatial = append(spatial, vectors[d])
			} else {
				spatial = append(spatial, nil)
			}
		case n == 1:
			continue
		case m.Times == 1 && (d >= len(kinds) || slices.Contains([]string{"time", "list", "domain", "space", "???", "none"}, kinds[d])):
			axis, m.Times = 3, n
		default:
			what := "another axis"
			if d < len(kinds) {
				what = "an axis of kind " + kinds[d]
			}
			return unsupported("its dimension %d of %d samples is %.40s: such as vectors, colours or tensors", d+1, n, what)
		}
		m.layout.axes = append(m.layout.axes, axis)
		m.layout.sizes = append(m.layout.sizes, n)
	}
	if len(spatial) == 0 {
		return unsupported("none of its axes is a direction in space")
	}
	return m.nrrdPlace(h, spatial, spacings)
}

// spaceDirections reads one vector, or nil for "none", for each dimension; nil where the field is missing.
func spaceDirections(s string, dims int) ([][]float64, error) {
	if s == "" {
		return nil, nil
	}
	out := make([][]float64, 0, dims)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if rest, ok := strings.CutPrefix(s, "none"); ok {
			out, s = append(out, nil), rest
			continue
		}
		v, rest, err := vector(s)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(v[0]) {
			v = nil
		}
		out, s = append(out, v), rest
	}
	if len(out) != dims {
		return nil, damaged("it has %d space directions for %d dimensions", len(out), dims)
	}
	return out, nil
}

// vector reads "(a,b,c)" from the start of s.
func vector(s string) ([]float64, string, error) {
	end := strings.IndexByte(s, ')')
	if !strings.HasPrefix(s, "(") || end < 0 {
		return nil, "", damaged("%.40q is no vector", s)
	}
	parts := strings.Split(s[1:end], ",")
	if len(parts) < 2 || len(parts) > 4 {
		return nil, "", damaged("%.40q is no vector of space", s)
	}
	v := make([]float64, 3)
	for i, p := range parts {
		f, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil {
			return nil, "", damaged("%.40q is no vector", s)
		}
		if i < 3 { // a fourth is time
			v[i] = f
		}
	}
	return v, s[end+1:], nil
}

// nrrdPlace finds the affine transform.
func (m *Image) nrrdPlace(h *nrrdFields, spatial [][]float64, spacings []float64) error {
	signs, named := nrrdSpaces[strings.ToLower(h.field("space"))]
	unit := 1.0
	switch u := strings.Trim(strings.Fields(h.field("space units") + " mm")[0], `"`); u {
	case "m":
		unit = 1000
	case "cm":
		unit = 10
	case "um", "µm":
		unit = 0.001
	}
	m.Placed = named && spatial[0] != nil
	if !m.Placed {
		m.Warnings = append(m.Warnings, "the file does not say how it lies in the patient (no space, or no space directions): left and right, front and back are not known")
		signs = [3]float64{1, 1, 1}
	}
	for a := range 3 {
		switch {
		case a < len(spatial) && spatial[a] != nil:
			for i := range 3 {
				m.Axes[a][i] = spatial[a][i] * signs[i] * unit
			}
		case a < len(spatial):
			m.Axes[a][a] = 1
			if s := math.Abs(spacings[a]); s > 0 && finite(s) {
				m.Axes[a][a] = s
			}
		default: // a plane: its slice has the normal's direction and no known thickness
			m.Axes[a] = cross(m.Axes[(a+1)%3], m.Axes[(a+2)%3])
		}
	}
	if o := h.field("space origin"); o != "" {
		v, _, err := vector(o)
		if err != nil {
			return err
		}
		for i := range 3 {
			m.Origin[i] = v[i] * signs[i] * unit
		}
	}
	for a := range m.Axes {
		for i := range 3 {
			m.Axes[a][i] += 0 // no negative zeros
		}
		m.Origin[a] += 0
	}
	return nil
}

// cross is the unit vector at right angles to two.
func cross(a, b [3]float64) [3]float64 {
	c := [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	if n := math.Sqrt(c[0]*c[0] + c[1]*c[1] + c[2]*c[2]); n > 0 {
		return [3]float64{c[0] / n, c[1] / n, c[2] / n}
	}
	return [3]float64{0, 0, 1}
}

// nrrdSegments reads the keys by which 3D Slicer describes a segmentation.
func (m *Image) nrrdSegments(h *nrrdFields) {
	const most = 1024
	for i := range most {
		key := func(what string) string { return text([]byte(h.keys["Segment"+strconv.Itoa(i)+"_"+what])) }
		if _, ok := h.keys["Segment"+strconv.Itoa(i)+"_ID"]; !ok {
			break
		}
		s := Segment{Value: 1, ID: key("ID"), Name: key("Name")}
		if v, err := strconv.Atoi(key("LabelValue")); err == nil {
			s.Value = v
		}
		if v, err := strconv.Atoi(key("Layer")); err == nil {
			s.Layer = v
		}
		for c, f := range strings.Fields(key("Color")) {
			if v, err := strconv.ParseFloat(f, 64); err == nil && c < 3 && v >= 0 && v <= 1 {
				s.Color[c] = v
			}
		}
		m.Segments = append(m.Segments, s)
	}
	m.Labels = len(m.Segments) > 0
}

// nrrdData says where the samples are and how they are packed.
func (m *Image) nrrdData(files fs.FS, name string, h *nrrdFields) error {
	encoding := strings.ToLower(h.field("encoding"))
	switch encoding {
	case "ascii", "text", "txt":
		m.ascii = true
	case "raw", "gzip", "gz", "bzip2", "bz2", "hex":
		switch e := strings.ToLower(h.field("endian")); {
		case e == "big":
			m.order = binary.BigEndian
		case e == "little", m.Type.Bytes() == 1:
		default:
			return damaged("it does not say its byte order (endian is %.20q)", e)
		}
	default:
		return unsupported("its encoding is %.30q: raw, gzip, bzip2, hex and ascii are read", encoding)
	}
	lineSkip, errL := integer(h.field("line skip", "lineskip"))
	byteSkip, errB := integer(h.field("byte skip", "byteskip"))
	if errL != nil || errB != nil || lineSkip < 0 || byteSkip < -1 || lineSkip > 1<<20 {
		return damaged("line skip %.20q and byte skip %.20q", h.field("line skip", "lineskip"), h.field("byte skip", "byteskip"))
	}
	if byteSkip == -1 && encoding != "raw" {
		return damaged("a byte skip of -1 is for raw data")
	}
	paths, err := h.dataFiles(name)
	if err != nil {
		return err
	}
	total := int64(m.Samples()) * int64(m.Times) * int64(m.Type.Bytes())
	p := &parts{files: files, paths: paths, each: total / int64(max(1, len(paths))), encoding: encoding, lines: lineSkip, bytes: byteSkip}
	if len(paths) == 0 {
		p.paths, p.each, p.header = []string{name}, total, h.length
	}
	m.data = func() (io.ReadCloser, error) {
		q := *p
		return &q, nil
	}
	return nil
}

func integer(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// dataFiles are the paths of detached data; none where it is attached.
func (h *nrrdFields) dataFiles(name string) ([]string, error) {
	named := h.list
	if s := h.field("data file", "datafile"); s != "" && named == nil {
		if f := strings.Fields(s); len(f) >= 4 && strings.Contains(f[0], "%") {
			lo, err1 := strconv.Atoi(f[1])
			hi, err2 := strconv.Atoi(f[2])
			step, err3 := strconv.Atoi(f[3])
			if errors.Join(err1, err2, err3) != nil || step == 0 || (hi-lo)/step < 0 || (hi-lo)/step > maxNRRDFiles {
				return nil, damaged("it names data files by the pattern %.60q", s)
			}
			for i := range (hi-lo)/step + 1 {
				one, err := numbered(f[0], lo+i*step)
				if err != nil {
					return nil, err
				}
				named = append(named, one)
			}
		} else {
			named = []string{s}
		}
	}
	var out []string
	for _, n := range named {
		p, err := beside(name, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// numbered puts a number in the place of the one verb %d, %03d of a pattern.
func numbered(pattern string, n int) (string, error) {
	before, verb, _ := strings.Cut(pattern, "%")
	width, after, ok := strings.Cut(verb, "d")
	w := 0
	if width != "" {
		var err error
		if w, err = strconv.Atoi(width); err != nil || w < 0 || w > 20 {
			ok = false
		}
	}
	if !ok || strings.Contains(after, "%") {
		return "", damaged("it names data files by the pattern %.60q", pattern)
	}
	s := strconv.Itoa(n)
	if strings.HasPrefix(width, "0") && len(s) < w {
		s = strings.Repeat("0", w-len(s)) + s
	}
	return before + s + after, nil
}

// parts reads the data files one after the other, unpacked.
type parts struct {
	files        fs.FS
	paths        []string
	each         int64 // bytes of samples in each
	encoding     string
	lines, bytes int64 // to skip
	header       int64 // bytes before attached data

	now  io.Reader
	file fs.File
}

func (p *parts) Read(b []byte) (int, error) {
	for {
		if p.now == nil {
			if len(p.paths) == 0 {
				return 0, io.EOF
			}
			if err := p.open(); err != nil {
				return 0, err
			}
		}
		n, err := p.now.Read(b)
		if n > 0 || err == nil {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return 0, err
		}
		p.file.Close()
		p.now, p.file = nil, nil
	}
}

func (p *parts) open() error {
	f, err := p.files.Open(p.paths[0])
	if err != nil {
		return fmt.Errorf("open the data file %s: %w", p.paths[0], err)
	}
	p.paths, p.file = p.paths[1:], f
	in := bufio.NewReaderSize(f, 64<<10)
	if _, err := io.CopyN(io.Discard, in, p.header); err != nil {
		return fmt.Errorf("%w: its data begins beyond its end", ErrTruncated)
	}
	for range p.lines {
		for more := true; more; {
			_, err := in.ReadSlice('\n')
			if more = errors.Is(err, bufio.ErrBufferFull); err != nil && !more {
				return fmt.Errorf("%w: it has fewer than %d lines to skip", ErrTruncated, p.lines)
			}
		}
	}
	var r io.Reader = in
	skip := p.bytes
	switch p.encoding {
	case "gzip", "gz":
		if r, err = newGzip(in); err != nil {
			return damaged("its data is not gzipped: %v", err)
		}
	case "bzip2", "bz2":
		r = bzip2.NewReader(in)
	case "hex":
		r = hex.NewDecoder(&spaceless{in})
	}
	if skip == -1 { // the samples are what the file ends with
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if skip = st.Size() - p.header - p.each; skip < 0 {
			return fmt.Errorf("%w: %d bytes of samples are needed, the file has %d", ErrTruncated, p.each, st.Size())
		}
	}
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return fmt.Errorf("%w: it has fewer than %d bytes to skip", ErrTruncated, skip)
	}
	if p.encoding != "ascii" && p.encoding != "text" && p.encoding != "txt" {
		r = io.LimitReader(r, p.each)
	}
	p.now = r
	return nil
}

func (p *parts) Close() error {
	p.paths = nil
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// spaceless leaves out white space.
type spaceless struct{ in io.Reader }

func (s *spaceless) Read(b []byte) (int, error) {
	for {
		n, err := s.in.Read(b)
		k := 0
		for _, c := range b[:n] {
			if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				b[k] = c
				k++
			}
		}
		if k > 0 || err != nil {
			return k, err
		}
	}
}
