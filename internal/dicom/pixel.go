package dicom

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// PixelFormat says how the samples of an image are stored (PS3.3 C.7.6.3).
type PixelFormat struct {
	Rows, Columns   int
	Frames          int
	SamplesPerPixel int
	// BitsAllocated is the size of a sample, BitsStored how many of its bits count, HighBit the topmost of them.
	BitsAllocated, BitsStored, HighBit int
	// Signed: samples are two's complement of BitsStored bits.
	Signed bool
	// Float: samples are IEEE numbers of BitsAllocated bits (Float and Double Float Pixel Data).
	Float bool
	// Planar: the samples of a colour image lie plane by plane.
	Planar bool
	// Photometric is the photometric interpretation, MONOCHROME2 for most.
	Photometric string
}

// FrameSamples is the number of samples of one frame.
func (f PixelFormat) FrameSamples() int { return f.Rows * f.Columns * f.SamplesPerPixel }

// FrameBytes is the length of one uncompressed frame.
func (f PixelFormat) FrameBytes() int { return (f.FrameSamples()*f.BitsAllocated + 7) / 8 }

// PixelFormat reads and checks the description of the pixel data; the pixel data itself may be absent, as it is in
// metadata. It returns ErrNoPixelData where there is no image (a report, a presentation state), and ErrCorrupt
// where the description contradicts itself.
func (d *Dataset) PixelFormat() (PixelFormat, error) {
	f := PixelFormat{Frames: 1, SamplesPerPixel: 1, Photometric: d.String(PhotometricInterpretation)}
	switch {
	case d.Has(PixelData):
	case d.Has(FloatPixelData), d.Has(DoubleFloatPixelData):
		f.Float = true
	case !d.Has(Rows) && !d.Has(Columns):
		return f, fault(ErrNoPixelData, 0, "there is no pixel data in it")
	}
	for _, v := range []struct {
		tag      Tag
		to       *int
		required bool
		lo, hi   int
	}{
		{Rows, &f.Rows, true, 1, 65535},
		{Columns, &f.Columns, true, 1, 65535},
		{BitsAllocated, &f.BitsAllocated, true, 1, 64},
		{SamplesPerPixel, &f.SamplesPerPixel, false, 1, 4},
		{NumberOfFrames, &f.Frames, false, 1, 1 << 20},
	} {
		n, ok := d.Int(v.tag)
		if !ok && (v.required || len(d.Bytes(v.tag)) > 0) {
			return f, fault(ErrCorrupt, v.tag, "it is missing or no number, so the image cannot be read")
		}
		if !ok {
			continue
		}
		if n < v.lo || n > v.hi {
			return f, fault(ErrCorrupt, v.tag, "its value %d is not within %d to %d", n, v.lo, v.hi)
		}
		*v.to = n
	}
	switch f.BitsAllocated {
	case 1, 8, 16, 32, 64:
	default:
		return f, fault(ErrCorrupt, BitsAllocated, "%d bits per sample; 1, 8, 16, 32 and 64 can be read", f.BitsAllocated)
	}
	f.BitsStored, f.HighBit = f.BitsAllocated, f.BitsAllocated-1
	if n, ok := d.Int(BitsStored); ok && !f.Float {
		f.BitsStored, f.HighBit = n, n-1
	}
	if n, ok := d.Int(HighBit); ok && !f.Float {
		f.HighBit = n
	}
	if f.BitsStored < 1 || f.HighBit >= f.BitsAllocated || f.HighBit < f.BitsStored-1 {
		return f, fault(ErrCorrupt, BitsStored, "%d bits stored up to bit %d do not fit in %d bits allocated", f.BitsStored, f.HighBit, f.BitsAllocated)
	}
	if n, ok := d.Int(PixelRepresentation); ok {
		f.Signed = n == 1
	}
	if n, ok := d.Int(PlanarConfiguration); ok && f.SamplesPerPixel > 1 {
		f.Planar = n == 1
	}
	return f, nil
}

// Pixels is pixel data as it is stored.
type Pixels struct {
	// Native is the uncompressed samples of all frames; nil where the data is encapsulated.
	Native []byte
	// Fragments is the encapsulated data, the basic offset table first; nil where the data is native.
	Fragments [][]byte
}

// PixelData is the stored pixel data; ErrNoPixelData where there is none or where it was left unread.
func (d *Dataset) PixelData() (Pixels, error) {
	for _, t := range []Tag{PixelData, FloatPixelData, DoubleFloatPixelData} {
		e := d.Get(t)
		switch {
		case e == nil:
		case e.Fragments != nil:
			return Pixels{Fragments: e.Fragments}, nil
		case e.Value != nil:
			return Pixels{Native: e.Value}, nil
		default:
			return Pixels{}, fault(ErrNoPixelData, t, "the pixel data was not read, or is empty")
		}
	}
	return Pixels{}, fault(ErrNoPixelData, 0, "there is no pixel data in it")
}

// Frame is the uncompressed samples of frame n (from 0), little endian, as PixelFormat describes them. Native data
// is not copied. It returns ErrUnsupportedTransferSyntax, with the name and UID of the syntax, where this build
// cannot decode the data, and ErrTruncated where there is less of it than the image needs.
func (d *Dataset) Frame(n int) ([]byte, error) {
	raw, _, err := d.DecodeFrame(n)
	return raw, err
}

// DecodeFrame is Frame with the layout that the samples have now: compressed frames come out interleaved, and in RGB
// where the codestream has undone its own colour transform, whatever the data set says.
func (d *Dataset) DecodeFrame(n int) ([]byte, PixelFormat, error) {
	f, err := d.PixelFormat()
	if err != nil {
		return nil, f, err
	}
	if n < 0 || n >= f.Frames {
		return nil, f, fault(ErrCorrupt, NumberOfFrames, "frame %d was asked for, there are %d", n+1, f.Frames)
	}
	if d.under != nil {
		at := d.frame + n
		for d.under != nil {
			d = d.under
		}
		return d.DecodeFrame(at)
	}
	px, err := d.PixelData()
	if err != nil {
		return nil, f, err
	}
	size := f.FrameBytes()
	if px.Fragments == nil {
		if !native(d.root().TransferSyntax) {
			return nil, f, fault(ErrCorrupt, PixelData, "the transfer syntax is %s, but the pixel data is not encapsulated", SyntaxName(d.root().TransferSyntax))
		}
		if f.BitsAllocated == 1 && f.FrameSamples()%8 != 0 && f.Frames > 1 {
			return nil, f, fault(ErrCorrupt, BitsAllocated, "frames of 1 bit samples that share bytes cannot be read")
		}
		if have := len(px.Native); have/size <= n { // by division: it cannot overflow
			return nil, f, fault(ErrTruncated, PixelData, "%dx%d pixels of %d bits need %d bytes per frame, frame %d ends beyond the %d there are; export the file again",
				f.Columns, f.Rows, f.BitsAllocated*f.SamplesPerPixel, size, n+1, have)
		}
		return px.Native[n*size : (n+1)*size : (n+1)*size], f, nil
	}
	uid := d.root().TransferSyntax
	decode := decoderFor(uid)
	if decode == nil {
		return nil, f, UnsupportedSyntax(uid)
	}
	frame, err := frameFragments(px.Fragments, f.Frames, n)
	if err != nil {
		return nil, f, err
	}
	return decode(frame, f)
}

// frameFragments joins the fragments of one frame (PS3.5 A.4): all of them where there is one frame, one where
// there are as many as frames, else those that the basic offset table gives it.
func frameFragments(fragments [][]byte, frames, n int) ([]byte, error) {
	if len(fragments) < 2 {
		return nil, fault(ErrTruncated, PixelData, "the encapsulated pixel data has no fragments")
	}
	table, data := fragments[0], fragments[1:]
	switch {
	case len(data) == 1 && frames == 1:
		return data[0], nil
	case frames == 1:
		return join(data), nil
	case len(data) == frames:
		return data[n], nil
	case len(table) < 4*frames:
		return nil, fault(ErrCorrupt, PixelData, "%d fragments hold %d frames and no offset table says which", len(data), frames)
	}
	from, to := int64(binary.LittleEndian.Uint32(table[4*n:])), int64(math.MaxInt64)
	if n+1 < frames {
		to = int64(binary.LittleEndian.Uint32(table[4*n+4:]))
	}
	var at int64
	first, last := -1, -1
	for i, b := range data {
		if at >= from && at < to {
			if first < 0 {
				first = i
			}
			last = i
		}
		at += 8 + int64(len(b))
	}
	if first < 0 {
		return nil, fault(ErrCorrupt, PixelData, "the offset table places frame %d where no fragment is", n+1)
	}
	return join(data[first : last+1]), nil
}

func join(parts [][]byte) []byte {
	n := 0
	for _, b := range parts {
		n += len(b)
	}
	out := make([]byte, 0, n)
	for _, b := range parts {
		out = append(out, b...)
	}
	return out
}

// Bias is what Int16s takes from every sample so that it fits: 32768 for unsigned samples of 16 bits, else 0.
func (f PixelFormat) Bias() int {
	if !f.Signed && f.BitsStored > 15 {
		return 32768
	}
	return 0
}

// Int16s decodes a frame of 8 or 16 bit samples: bits that are not stored are masked, the sign is extended, and
// Bias is subtracted. It returns false where the samples are not of these sizes or raw and dst differ in length.
func (f PixelFormat) Int16s(dst []int16, raw []byte) bool {
	if f.Float || len(raw) != len(dst)*f.BitsAllocated/8 {
		return false
	}
	shift := f.HighBit + 1 - f.BitsStored
	switch {
	case f.BitsAllocated == 8 && f.Signed:
		up, down := 8-f.BitsStored-shift, 8-f.BitsStored
		for i, b := range raw {
			dst[i] = int16(int8(b<<up) >> down)
		}
	case f.BitsAllocated == 8:
		mask := byte(1<<f.BitsStored - 1)
		for i, b := range raw {
			dst[i] = int16(b >> shift & mask)
		}
	case f.BitsAllocated != 16:
		return false
	case f.BitsStored == 16 && f.Signed && littleEndianHost:
		copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 2*len(dst)), raw)
	case f.Signed:
		up, down := 16-f.BitsStored-shift, 16-f.BitsStored
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:])<<up) >> down
		}
	case f.BitsStored == 16:
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]) ^ 0x8000) // minus 32768
		}
	default:
		mask := uint16(1<<f.BitsStored - 1)
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]) >> shift & mask)
		}
	}
	return true
}

var littleEndianHost = func() bool {
	n := uint16(1)
	return *(*byte)(unsafe.Pointer(&n)) == 1
}()

// Float64s decodes a frame of samples of any size but 1 bit, before the modality transform. Whole numbers of 64
// bits lose what a float64 cannot hold. It returns false where the size is another or raw and dst differ in
// length.
func (f PixelFormat) Float64s(dst []float64, raw []byte) bool {
	if len(raw) != len(dst)*f.BitsAllocated/8 || f.BitsAllocated < 8 {
		return false
	}
	size := f.BitsAllocated / 8
	up, down := 64-f.HighBit-1, 64-f.BitsStored
	for i := range dst {
		var u uint64
		switch v := raw[i*size:]; size {
		case 1:
			u = uint64(v[0])
		case 2:
			u = uint64(binary.LittleEndian.Uint16(v))
		case 4:
			u = uint64(binary.LittleEndian.Uint32(v))
		default:
			u = binary.LittleEndian.Uint64(v)
		}
		switch {
		case f.Float && size == 4:
			dst[i] = float64(math.Float32frombits(uint32(u)))
		case f.Float && size == 8:
			dst[i] = math.Float64frombits(u)
		case f.Float:
			return false
		case f.Signed:
			dst[i] = float64(int64(u<<up) >> down)
		default:
			dst[i] = float64(u << up >> down)
		}
	}
	return true
}
