// Package still makes the lossless still: the picture that the page shows when the hand has stopped, whose
// pixels are the renderer's.
//
// It is a PNG (W3C PNG, third edition) written by all processors at once. The picture is cut into strips of
// rows; each is filtered and deflated by itself and becomes an IDAT chunk. Every strip but the last ends with
// an empty stored block, which brings its deflate stream to a byte boundary (RFC 1951, 3.2.4), so the chunks
// put together are one zlib stream; its checksum is combined from those of the strips. The cuts depend on the
// size alone, so the same picture is the same bytes on every machine.
package still

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"
)

// MaxSide is the longest side of a still in pixels.
const MaxSide = 16384

// stripBytes is about how much a strip holds before it is deflated: some strips for each processor, so that
// they end together, and each many times deflate's window of 32 KiB.
const stripBytes = 192 << 10

// level is flate's. Against its fastest, renderings of CT at 1024x768 are a tenth smaller, 270 KiB for 295, and
// take 4 ms more on two processors; that is even at 50 Mbit/s. The next level takes twice the time for 2 %.
const level = 4

// Still is a lossless picture.
type Still struct {
	Width, Height int
	PNG           []byte // 8 bit RGB
	SHA256        string // of PNG, in hexadecimal
}

// Make encodes an image of R, G, B, A bytes without padding, rows from top to bottom, and hashes the result.
// Alpha is dropped: what is rendered is opaque.
func Make(pix []byte, width, height int) (Still, error) {
	png, err := Encode(pix, width, height)
	if err != nil {
		return Still{}, err
	}
	sum := sha256.Sum256(png)
	return Still{Width: width, Height: height, PNG: png, SHA256: hex.EncodeToString(sum[:])}, nil
}

// Encode is Make without the hash.
func Encode(pix []byte, width, height int) ([]byte, error) {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide {
		return nil, fmt.Errorf("make a still of %dx%d pixels: both sides must be from 1 to %d", width, height, MaxSide)
	}
	if len(pix) != width*height*4 {
		return nil, fmt.Errorf("make a still of %dx%d pixels: RGBA takes %d bytes, %d were given", width, height, width*height*4, len(pix))
	}
	rows := max(1, stripBytes/(1+3*width))
	strips := make([]strip, (height+rows-1)/rows)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(strips), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			w := writers.Get().(*writer)
			defer writers.Put(w)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(strips) {
					return
				}
				strips[i] = w.deflate(pix, width, i*rows, min((i+1)*rows, height), i == len(strips)-1)
			}
		})
	}
	workers.Wait()
	return join(strips, width, height)
}

// strip is some rows, deflated.
type strip struct {
	data   []byte
	adler  uint32 // of the filtered rows
	length int    // of the filtered rows, bytes
	err    error
}

// writer is what one worker needs; they are kept, as a deflate writer is large.
type writer struct {
	flate    *flate.Writer
	filtered []byte
}

var writers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // the level is a constant
	}
	return &writer{flate: w}
}}

// deflate filters and deflates the rows from top to bottom.
func (w *writer) deflate(pix []byte, width, top, bottom int, last bool) strip {
	line := 1 + 3*width
	if need := line * (bottom - top); cap(w.filtered) < need {
		w.filtered = make([]byte, need)
	}
	w.filtered = w.filtered[:line*(bottom-top)]
	for y := top; y < bottom; y++ {
		filter(w.filtered[(y-top)*line:(y-top+1)*line], pix, width, y)
	}
	s := strip{adler: adler32.Checksum(w.filtered), length: len(w.filtered)}
	var out bytes.Buffer
	out.Grow(len(w.filtered)/3 + 64)
	w.flate.Reset(&out)
	if _, s.err = w.flate.Write(w.filtered); s.err == nil {
		if last {
			s.err = w.flate.Close()
		} else {
			s.err = w.flate.Flush()
		}
	}
	s.data = out.Bytes()
	return s
}

// The filter types of PNG, clause 9.2.
const (
	filterSub = 1
	filterUp  = 2
)

// filter writes row y of the image as a filtered line: its filter type, then R, G, B. Up is as good on
// renderings as the best of all filters row by row, which takes longer than deflating; Sub is for the first
// row, which has none above.
func filter(line, pix []byte, width, y int) {
	row := pix[y*width*4 : (y+1)*width*4]
	out := line[1:]
	if y == 0 {
		line[0] = filterSub
		var r, g, b uint8
		for x := range width {
			p, o := row[x*4:x*4+4:x*4+4], out[x*3:x*3+3:x*3+3]
			o[0], o[1], o[2] = p[0]-r, p[1]-g, p[2]-b
			r, g, b = p[0], p[1], p[2]
		}
		return
	}
	line[0] = filterUp
	above := pix[(y-1)*width*4 : y*width*4]
	for x := range width {
		p, a, o := row[x*4:x*4+4:x*4+4], above[x*4:x*4+4:x*4+4], out[x*3:x*3+3:x*3+3]
		o[0], o[1], o[2] = p[0]-a[0], p[1]-a[1], p[2]-a[2]
	}
}

// join puts the strips together as a file.
func join(strips []strip, width, height int) ([]byte, error) {
	size := 8 + 25 + 12 + len(strips)*12 + 2 + 4
	for _, s := range strips {
		if s.err != nil {
			return nil, fmt.Errorf("make a still of %dx%d pixels: deflate: %w", width, height, s.err)
		}
		size += len(s.data)
	}
	out := append(make([]byte, 0, size), "\x89PNG\r\n\x1a\n"...)
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = binary.BigEndian.AppendUint32(header, uint32(height))
	out = chunk(out, "IHDR", append(header, 8, 2, 0, 0, 0)) // 8 bits, truecolour, deflate, adaptive filters, not interlaced
	adler := uint32(1)
	for i, s := range strips {
		var head, tail []byte
		adler = combine(adler, s.adler, s.length)
		if i == 0 {
			head = []byte{0x78, 0x5e} // zlib (RFC 1950, 2.2): deflate, 32 KiB window, a fast level
		}
		if i == len(strips)-1 {
			tail = binary.BigEndian.AppendUint32(nil, adler)
		}
		out = chunk(out, "IDAT", head, s.data, tail)
	}
	return chunk(out, "IEND"), nil
}

// chunk appends one chunk (PNG, clause 5.3): length, type, data, CRC.
func chunk(out []byte, kind string, data ...[]byte) []byte {
	length := 0
	for _, d := range data {
		length += len(d)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(length))
	start := len(out)
	out = append(out, kind...)
	for _, d := range data {
		out = append(out, d...)
	}
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
}

// combine is the Adler-32 of two runs of bytes one after the other (RFC 1950, 8.2), the second of which is
// length bytes long.
func combine(first, second uint32, length int) uint32 {
	const mod = 65521
	n := uint64(length % mod)
	a1, b1 := uint64(first&0xffff), uint64(first>>16)
	a2, b2 := uint64(second&0xffff), uint64(second>>16)
	a := (a1 + a2 + mod - 1) % mod
	b := (b1 + b2 + n*(a1+mod-1)) % mod
	return uint32(b<<16 | a)
}
