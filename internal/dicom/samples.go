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
	default:
		f.words(dst, raw)
	}
	return true
}

// words decodes samples of 16 bits, four at a time where the host has their byte order.
func (f PixelFormat) words(dst []int16, raw []byte) {
	shift := f.HighBit + 1 - f.BitsStored
	mask, sign := uint16(1<<f.BitsStored-1), uint16(0)
	switch {
	case f.Signed:
		sign = 1 << (f.BitsStored - 1)
	case f.BitsStored == 16:
		sign = 0x8000 // Bias
	}
	n := 0
	if littleEndianHost && len(dst) >= 4 {
		n = len(dst) &^ 3
		fours(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 2*n), raw[:2*n], shift, uint64(mask)*ones, uint64(sign)*ones)
	}
	for i := n; i < len(dst); i++ {
		v := binary.LittleEndian.Uint16(raw[2*i:]) >> shift & mask
		dst[i] = int16(v ^ sign - sign)
		if !f.Signed {
			dst[i] = int16(v ^ sign)
		}
	}
}

// ones is 1 in each of four words, tops the uppermost bit of each.
const (
	ones = 0x0001_0001_0001_0001
	tops = 0x8000 * ones
)

// fours decodes four words at a time. What shifting brings in from the word above, the mask takes away. A sign of less
// than 16 bits is extended by flipping and subtracting it; the uppermost bits keep borrows within their words.
func fours(dst, raw []byte, shift int, mask, sign uint64) {
	if sign == 0 || sign == tops {
		for len(raw) >= 8 && len(dst) >= 8 {
			binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(raw)>>shift&mask^sign)
			raw, dst = raw[8:], dst[8:]
		}
		return
	}
	for len(raw) >= 8 && len(dst) >= 8 {
		v := binary.LittleEndian.Uint64(raw)>>shift&mask ^ sign
		binary.LittleEndian.PutUint64(dst, (v|tops)-sign^tops)
		raw, dst = raw[8:], dst[8:]
	}
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
