package picture

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/internal/dicom"
	dicompicture "github.com/tomocast/tomocast/internal/dicom/picture"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

// thumbnailQualities are those of the JPEG encoder that are tried until the bytes are few enough.
var thumbnailQualities = []int{88, 70, 45}

// Thumbnail makes a small picture of a series, at most side pixels wide and high: of the image in its middle, which is
// the only one that is fetched, through the file's own window. Its error says why there is none.
func Thumbnail(ctx context.Context, series source.Series, side int) (signaling.Thumbnail, error) {
	var none signaling.Thumbnail
	if side < 1 || side > signaling.MaxThumbnailSide {
		return none, fmt.Errorf("a thumbnail of %d pixels: 1 to %d can be made", side, signaling.MaxThumbnailSide)
	}
	all, err := series.Instances(ctx)
	if err != nil {
		return none, err
	}
	middle, err := middleImage(all)
	if err != nil {
		return none, err
	}
	var m *dicompicture.Image
	err = series.Fetch(ctx, 1, []string{middle.SOPInstanceUID}, func(o source.Object) error {
		d, err := dicom.Parse(o.Data, dicom.Options{})
		if err != nil {
			return err
		}
		m, err = dicompicture.Decode(d, max(d.Frames()-1, 0)/2)
		return err
	})
	if err == nil && m == nil {
		err = source.ErrNotFound
	}
	if err != nil {
		return none, fmt.Errorf("make a thumbnail of the series: %w", err)
	}
	return small(m, side)
}

// middleImage is the image in the middle of a listing, which is in the order of instance numbers.
func middleImage(all []source.Instance) (*source.Instance, error) {
	var images []*source.Instance
	for i := range all {
		if all[i].IsImage() && all[i].Media == "" {
			images = append(images, &all[i])
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("the series has no images: %w", source.ErrNotFound)
	}
	return images[len(images)/2], nil
}

// small encodes an image that fits into a square.
func small(m *dicompicture.Image, side int) (signaling.Thumbnail, error) {
	px, py := Pitch(m)
	width, height := float64(m.Width)*px, float64(m.Height)*py
	each := max(width, height) / float64(side)
	w, h := max(int(width/each+0.5), 1), max(int(height/each+0.5), 1)
	camera := Camera(m, float64(w)/float64(h))
	var p Painter
	var out render.Image
	if err := p.Draw(m, camera, nil, &out, w, h); err != nil {
		return signaling.Thumbnail{}, err
	}
	var picture image.Image = &image.RGBA{Pix: out.Pix, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	if m.Gray != nil {
		gray := image.NewGray(image.Rect(0, 0, w, h))
		for i := range gray.Pix {
			gray.Pix[i] = out.Pix[4*i]
		}
		picture = gray
	}
	for _, quality := range thumbnailQualities {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality}); err != nil {
			return signaling.Thumbnail{}, fmt.Errorf("encode thumbnail: %w", err)
		}
		if b.Len() <= signaling.MaxThumbnail {
			return signaling.Thumbnail{Format: "image/jpeg", Data: b.Bytes()}, nil
		}
	}
	return signaling.Thumbnail{}, fmt.Errorf("the thumbnail has more than %d bytes", signaling.MaxThumbnail)
}
