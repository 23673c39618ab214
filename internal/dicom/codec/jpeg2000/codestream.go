package jpeg2000

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tomocast/tomocast/internal/dicom/codec"
)

// The markers that are looked at (T.800 table A.2).
const (
	markSOC = 0xff4f // start of codestream
	markSIZ = 0xff51 // image and tile size
	markCOD = 0xff52 // coding style
	markSOT = 0xff90 // start of tile-part
	markEOC = 0xffd9 // end of codestream
)

// MaxBits is the highest precision of a sample that OpenJPEG decodes; the standard allows 38.
const MaxBits = 31

// header is what SIZ says of the image (T.800 A.5.1).
type header struct {
	width, height, components int
	bits                      int // of each component
	signed                    bool
	tiles                     int
}

// The bits of a code block's style (T.800 table A.19, T.814 table A.4).
const (
	styleBypass = 1 << iota
	styleReset
	styleTermination
	styleCausal
	stylePredictable
	styleSymbols
	styleHT
)

// be is a reader of big-endian numbers; beyond the end it gives zeros and remembers that.
type be struct {
	b     []byte
	short bool
}

func (r *be) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.short = nil, true
		return make([]byte, n)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *be) u8() int    { return int(r.take(1)[0]) }
func (r *be) u16() int   { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *be) u32() int64 { return int64(binary.BigEndian.Uint32(r.take(4))) }

// readHeader reads SIZ, which follows SOC at once, and refuses what has no picture in DICOM: components of different
// size or precision.
func readHeader(stream []byte) (header, error) {
	var h header
	r := be{b: stream}
	if first, second := r.u16(), r.u16(); first != markSOC || second != markSIZ {
		if r.short {
			return h, fmt.Errorf("%w: its header is cut", codec.ErrTruncated)
		}
		return h, fmt.Errorf("%w: a JPEG 2000 codestream starts with SOC and SIZ (ff4f ff51), not with %04x %04x", codec.ErrCorrupt, first, second)
	}
	length := r.u16() // it counts itself
	r.b = r.b[:max(0, min(len(r.b), length-2))]
	r.take(2) // Rsiz, capabilities
	x1, y1, x0, y0 := r.u32(), r.u32(), r.u32(), r.u32()
	tx, ty, tx0, ty0 := r.u32(), r.u32(), r.u32(), r.u32()
	h.components = r.u16()
	if r.short {
		return h, fmt.Errorf("%w: its SIZ marker is cut", codec.ErrTruncated)
	}
	// T.800 B.2, B.3
	if x0 >= x1 || y0 >= y1 || tx == 0 || ty == 0 || tx0 > x0 || ty0 > y0 || tx0+tx <= x0 || ty0+ty <= y0 || h.components == 0 {
		return h, fmt.Errorf("%w: the sizes of image and tiles in its SIZ marker contradict each other", codec.ErrCorrupt)
	}
	if x1-x0 > 65535 || y1-y0 > 65535 {
		return h, fmt.Errorf("%w: it is %dx%d, an image in DICOM has at most 65535x65535", codec.ErrMismatch, x1-x0, y1-y0)
	}
	h.width, h.height = int(x1-x0), int(y1-y0)
	tiles := ((x1 - tx0 + tx - 1) / tx) * ((y1 - ty0 + ty - 1) / ty)
	if tiles > 65535 {
		return h, fmt.Errorf("%w: it has %d tiles, there are at most 65535", codec.ErrCorrupt, tiles)
	}
	h.tiles = int(tiles)
	for c := range h.components {
		depth, dx, dy := r.u8(), r.u8(), r.u8()
		if r.short {
			return h, fmt.Errorf("%w: its SIZ marker describes %d of %d components", codec.ErrTruncated, c, h.components)
		}
		bits, signed := depth&0x7f+1, depth&0x80 != 0
		switch {
		case c == 0:
			h.bits, h.signed = bits, signed
		case h.bits != bits || h.signed != signed:
			return h, fmt.Errorf("%w: its components differ in precision or sign", codec.ErrUnsupported)
		}
		if dx != 1 || dy != 1 {
			return h, fmt.Errorf("%w: component %d is subsampled %dx%d", codec.ErrUnsupported, c+1, dx, dy)
		}
	}
	if h.bits > MaxBits {
		return h, fmt.Errorf("%w: its samples have %d bits, at most %d can be read", codec.ErrUnsupported, h.bits, MaxBits)
	}
	return h, nil
}

// prepared is the codestream, whose last tile-part ends at end, as OpenJPEG gets it: with the mark of the end, which
// some writers forget, nothing behind it, and the style bit by which OpenJPEG compares, at the end of each code
// block, how much the arithmetic decoder has read with how much there is. The bit has no other effect on decoding.
// There is no check sum in JPEG 2000, so this is what shows that the data of a code block has been damaged. The styles
// in which a block has several codewords, or another coder, stay as they are.
func prepared(stream []byte, end int) []byte {
	stream = append(bytes.Clone(stream[:end]), markEOC>>8, markEOC&0xff)
	const offset = 12 // of the style in COD (T.800 A.6.1)
	for at := 2; at+offset < len(stream); {
		r := be{b: stream[at:]}
		mark, length := r.u16(), r.u16()
		switch {
		case mark == markCOD && stream[at+offset]&(styleBypass|styleTermination|styleHT) == 0:
			stream[at+offset] |= stylePredictable
			return stream
		case mark == markCOD, mark == markSOT, length < 2:
			return stream
		}
		at += 2 + length
	}
	return stream
}

// checkTiles walks over the tile-parts (T.800 A.4.2) and says whether all of them are there in full, and where the last
// one ends. The caller has read the header.
func checkTiles(stream []byte, tiles int) (end int, err error) {
	at := 2 // behind SOC
	cut := func(what string) (int, error) {
		return 0, fmt.Errorf("%w: it ends in %s, after %d bytes; export the image again", codec.ErrTruncated, what, len(stream))
	}
	for { // the main header
		r := be{b: stream[min(at, len(stream)):]}
		mark, length := r.u16(), r.u16()
		if r.short {
			return cut("its main header")
		}
		if mark == markSOT {
			break
		}
		if mark < 0xff01 || length < 2 {
			return 0, fmt.Errorf("%w: there is no marker at byte %d of its main header", codec.ErrCorrupt, at)
		}
		at += 2 + length
	}
	seen := make([]bool, tiles)
	missing := tiles
	for {
		r := be{b: stream[min(at, len(stream)):]}
		mark := r.u16()
		switch {
		case mark == markSOT && !r.short:
		case missing > 0 && (r.short || mark == markEOC):
			return 0, fmt.Errorf("%w: %d of its %d tiles are missing; export the image again", codec.ErrTruncated, missing, tiles)
		case missing > 0:
			return 0, fmt.Errorf("%w: there is no tile-part at byte %d", codec.ErrCorrupt, at)
		default:
			return at, nil // EOC, or the padding where it should be
		}
		r.take(2) // Lsot
		tile, length := r.u16(), r.u32()
		r.take(2) // TPsot, TNsot
		if r.short {
			return cut("the header of a tile-part")
		}
		if tile >= tiles {
			return 0, fmt.Errorf("%w: a tile-part belongs to tile %d of %d", codec.ErrCorrupt, tile+1, tiles)
		}
		if !seen[tile] {
			seen[tile] = true
			missing--
		}
		if length == 0 { // up to EOC
			all, found := bytes.CutSuffix(bytes.TrimRight(stream, "\x00"), []byte{markEOC >> 8, markEOC & 0xff})
			if !found {
				return cut("its last tile")
			}
			if missing > 0 {
				return 0, fmt.Errorf("%w: %d of its %d tiles are missing; export the image again", codec.ErrTruncated, missing, tiles)
			}
			return len(all), nil
		}
		if length < 14 {
			return 0, fmt.Errorf("%w: a tile-part claims %d bytes, its header alone has 14", codec.ErrCorrupt, length)
		}
		if int64(len(stream)-at) < length {
			return cut("a tile-part")
		}
		at += int(length)
	}
}

// jp2Signature is the first box of a JP2 file (T.800 I.5.1).
var jp2Signature = []byte("\x00\x00\x00\x0cjP  \r\n\x87\n")

// unwrap finds the codestream in a JP2 file, which DICOM forbids (PS3.5 8.2.4) and some programs write. The data set
// and not the JP2 header says what the components mean, so a header that changes them is refused.
func unwrap(frame []byte) ([]byte, error) {
	if !bytes.HasPrefix(frame, jp2Signature) {
		return frame, nil
	}
	rest := frame
	for len(rest) > 0 {
		kind, body, after, err := box(rest)
		if err != nil {
			return nil, err
		}
		switch kind {
		case "jp2c":
			return body, nil
		case "jp2h":
			for len(body) > 0 {
				kind, _, next, err := box(body)
				if err != nil {
					return nil, err
				}
				if kind == "pclr" || kind == "cmap" {
					return nil, fmt.Errorf("%w: it is a JP2 file with a palette of its own", codec.ErrUnsupported)
				}
				body = next
			}
		}
		rest = after
	}
	return nil, fmt.Errorf("%w: it is a JP2 file without a codestream", codec.ErrTruncated)
}

// box takes the first box off b (T.800 I.4).
func box(b []byte) (kind string, body, after []byte, err error) {
	r := be{b: b}
	length, head := r.u32(), int64(8)
	kind = string(r.take(4))
	if length == 1 {
		high, low := r.u32(), r.u32()
		length, head = high<<32|low, 16
	}
	if length == 0 || kind == "jp2c" && length > int64(len(b)) {
		length = int64(len(b)) // to the end; what a codestream lacks, it says better itself
	}
	if r.short || length > int64(len(b)) {
		return "", nil, nil, fmt.Errorf("%w: a box of its JP2 header is cut", codec.ErrTruncated)
	}
	if length < head {
		return "", nil, nil, fmt.Errorf("%w: a box of its JP2 header has a length of %d", codec.ErrCorrupt, length)
	}
	return kind, b[head:length], b[length:], nil
}
