package dicom

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Bias is what Int16s takes from every sample so that it fits: 32768 for unsigned samples of 16 bits, else 0.
func (f PixelFormat) Bias() int {
	if !f.Signed && f.BitsStored > 15 {
		return 32768
	}
	return 0
}

// Int16s decodes a frame of 1, 8 or 16 bit samples: bits that are not stored, overlays among them, are masked, the
// sign is extended, and Bias is subtracted. It returns false where the samples are not of these sizes or raw and dst
// differ in length.
func (f PixelFormat) Int16s(dst []int16, raw []byte) bool {
	if f.Float || len(raw) != (len(dst)*f.BitsAllocated+7)/8 {
		return false
	}
	if f.BitsAllocated == 1 {
		for i := range dst {
			dst[i] = int16(raw[i/8] >> (i % 8) & 1)
		}
		return true
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
			dst[i] = int16(b >> (shift & 7) & mask)
		}
	case f.BitsAllocated != 16:
		return false
	case f.BitsStored == 16 && f.Signed && littleEndianHost:
		copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 2*len(dst)), raw)
	case f.Signed:
		up, down := 16-f.BitsStored-shift, 16-f.BitsStored
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:])<<(up&15)) >> (down & 15)
		}
	case f.BitsStored == 16:
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]) ^ 0x8000) // minus 32768
		}
	default:
		mask := uint16(1<<f.BitsStored - 1)
		for i := range dst {
			dst[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]) >> (shift & 15) & mask)
		}
	}
	return true
}

var littleEndianHost = func() bool {
	n := uint16(1)
	return *(*byte)(unsafe.Pointer(&n)) == 1
}()

// Float64s decodes a frame of samples of any size, before the modality transform. Whole numbers of 64 bits lose what
// a float64 cannot hold. It returns false where raw and dst differ in length.
func (f PixelFormat) Float64s(dst []float64, raw []byte) bool {
	if len(raw) != (len(dst)*f.BitsAllocated+7)/8 {
		return false
	}
	if f.BitsAllocated == 1 {
		for i := range dst {
			dst[i] = float64(raw[i/8] >> (i % 8) & 1)
		}
		return true
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
