package render

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"slices"
)

// Resize makes the image width x height pixels, whose content is then undefined.
func (i *Image) Resize(width, height int) {
	i.Width, i.Height = width, height
	i.Pix = slices.Grow(i.Pix[:0], 4*width*height)[:4*width*height]
}

// NRGBA is the image for the standard library; it shares the pixels.
func (i *Image) NRGBA() *image.NRGBA {
	return &image.NRGBA{Pix: i.Pix, Stride: 4 * i.Width, Rect: image.Rect(0, 0, i.Width, i.Height)}
}

// WritePNG writes the image as PNG.
func (i *Image) WritePNG(w io.Writer) error {
	if err := png.Encode(w, i.NRGBA()); err != nil {
		return fmt.Errorf("write picture of %dx%d pixels as PNG: %w", i.Width, i.Height, err)
	}
	return nil
}
