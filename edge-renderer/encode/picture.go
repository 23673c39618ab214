package encode

/*
#cgo LDFLAGS: -lyuv
#include <libyuv.h>
*/
import "C"

import "fmt"

// Picture is an image in I420: Y of Width x Height, then U and V of half the width and height each, without
// padding, BT.601 limited range (Y 16 to 235, U and V 16 to 240). The zero value is ready for Convert.
type Picture struct {
	Width, Height int    // pixels, both even
	Pix           []byte // length Width*Height*3/2
}

// NewPicture makes a picture of the given size in pixels with undefined contents.
func NewPicture(width, height int) (*Picture, error) {
	var p Picture
	if err := p.resize(width, height); err != nil {
		return nil, err
	}
	return &p, nil
}

// resize gives p the size, with the memory that it has where that is enough.
func (p *Picture) resize(width, height int) error {
	if err := CheckSize(width, height); err != nil {
		return err
	}
	n := width * height * 3 / 2
	if cap(p.Pix) < n {
		p.Pix = make([]byte, n)
	}
	p.Width, p.Height, p.Pix = width, height, p.Pix[:n]
	return nil
}

// Planes are the three planes. The stride of Y is Width, that of U and V is Width/2.
func (p *Picture) Planes() (y, u, v []byte) {
	n := p.Width * p.Height
	return p.Pix[:n], p.Pix[n : n+n/4], p.Pix[n+n/4:]
}

// Convert makes p the picture in rgba: R, G, B, A bytes, rows from top to bottom, stride bytes from one row
// to the next. Alpha is ignored. The memory of p is used again where it is large enough.
func (p *Picture) Convert(rgba []byte, stride, width, height int) error {
	if err := checkRGBA(rgba, stride, width, height); err != nil {
		return fmt.Errorf("convert to I420: %w", err)
	}
	if err := p.resize(width, height); err != nil {
		return fmt.Errorf("convert to I420: %w", err)
	}
	y, u, v := p.Planes()
	// libyuv names formats from the highest byte of a little-endian word, so its ABGR is R, G, B, A in memory.
	if rc := C.ABGRToI420(bytePtr(rgba), C.int(stride), bytePtr(y), C.int(width), bytePtr(u), C.int(width/2),
		bytePtr(v), C.int(width/2), C.int(width), C.int(height)); rc != 0 {
		return fmt.Errorf("convert to I420: libyuv refused %dx%d (%d)", width, height, int(rc))
	}
	return nil
}

// RGBA is the picture as opaque R, G, B, A bytes without padding, in dst where that is large enough.
func (p *Picture) RGBA(dst []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("convert to RGBA: %w", err)
	}
	n := p.Width * p.Height * 4
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	y, u, v := p.Planes()
	if rc := C.I420ToABGR(bytePtr(y), C.int(p.Width), bytePtr(u), C.int(p.Width/2), bytePtr(v), C.int(p.Width/2),
		bytePtr(dst), C.int(p.Width*4), C.int(p.Width), C.int(p.Height)); rc != 0 {
		return nil, fmt.Errorf("convert to RGBA: libyuv refused %dx%d (%d)", p.Width, p.Height, int(rc))
	}
	return dst, nil
}

// check says whether Pix has the length that the size asks for: the planes are read by C.
func (p *Picture) check() error {
	if p == nil {
		return fmt.Errorf("%w: there is no picture", ErrSize)
	}
	if err := CheckSize(p.Width, p.Height); err != nil {
		return err
	}
	if want := p.Width * p.Height * 3 / 2; len(p.Pix) != want {
		return fmt.Errorf("%w %dx%d: I420 takes %d bytes, not %d", ErrSize, p.Width, p.Height, want, len(p.Pix))
	}
	return nil
}

// checkFor says whether p can be encoded in a stream of c's size.
func (p *Picture) checkFor(c Config) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.Width != c.Width || p.Height != c.Height {
		return fmt.Errorf("%w %dx%d: the stream is %dx%d; another size needs a new encoder",
			ErrSize, p.Width, p.Height, c.Width, c.Height)
	}
	return nil
}

// checkRGBA says whether the bytes hold an image of this size.
func checkRGBA(rgba []byte, stride, width, height int) error {
	if width < 1 || height < 1 || width > MaxSide || height > MaxSide {
		return fmt.Errorf("%w %dx%d: both sides must be from 1 to %d pixels", ErrSize, width, height, MaxSide)
	}
	if stride < width*4 || stride > 1<<20 {
		return fmt.Errorf("%w %dx%d: a row takes %d bytes of RGBA, the stride is %d", ErrSize, width, height, width*4, stride)
	}
	if need := stride*(height-1) + width*4; len(rgba) < need {
		return fmt.Errorf("%w %dx%d: %d bytes of RGBA are needed, %d were given", ErrSize, width, height, need, len(rgba))
	}
	return nil
}

// Scale resizes an RGBA image (R, G, B, A bytes, no padding) from sw x sh to dw x dh pixels with bilinear
// interpolation: from the size at which a moving picture was rendered to that of the stream. libyuv rounds
// down twice, so values, alpha too, can come out up to 2 lower: enough for Convert, not for a still.
func Scale(dst []byte, dw, dh int, src []byte, sw, sh int) error {
	if err := checkRGBA(src, sw*4, sw, sh); err != nil {
		return fmt.Errorf("scale from: %w", err)
	}
	if err := checkRGBA(dst, dw*4, dw, dh); err != nil {
		return fmt.Errorf("scale to: %w", err)
	}
	// The order of the four channels makes no difference to libyuv here.
	if rc := C.ARGBScale(bytePtr(src), C.int(sw*4), C.int(sw), C.int(sh), bytePtr(dst), C.int(dw*4), C.int(dw), C.int(dh),
		C.kFilterBilinear); rc != 0 {
		return fmt.Errorf("scale from %dx%d to %dx%d: libyuv refused (%d)", sw, sh, dw, dh, int(rc))
	}
	return nil
}

// bytePtr is the first byte of a slice that is not empty.
func bytePtr(b []byte) *C.uint8_t { return (*C.uint8_t)(&b[0]) }
