package catalog

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// pixelHeader is the shortest header of the element with the pixel data: tag and length, in implicit VR (PS3.5 7.1.3).
const pixelHeader = 8

// syntaxRoot begins the UIDs of the standard's transfer syntaxes (PS3.5 annex A).
const syntaxRoot = "1.2.840.10008.1.2"

// lacking says in a sentence what a file of size bytes lacks of the pixel data that its header announces; nothing where
// it has all of it, or where that can't be told from the header: compressed data says its length only in itself.
func lacking(d *dicom.Dataset, i *source.Instance, size int64) string {
	need, ok := nativeBytes(i)
	e := pixels(d)
	if !ok || e == nil || size <= 0 {
		return ""
	}
	if have := max(size-e.Offset-pixelHeader, 0); float64(have) < need {
		return fmt.Sprintf("The file is truncated: its images need %.0f bytes, and it has %d behind its header; fetch or export it again.", need, have)
	}
	return ""
}

// pixels is the element with the pixel data; nil where there is none.
func pixels(d *dicom.Dataset) *dicom.Element {
	for _, t := range []dicom.Tag{dicom.PixelData, dicom.FloatPixelData, dicom.DoubleFloatPixelData} {
		if e := d.Get(t); e != nil {
			return e
		}
	}
	return nil
}

// nativeBytes is how long the pixel data of an instance is at least where it is stored as it is. It is a float64 since
// what damaged headers say may be more than an integer holds.
func nativeBytes(i *source.Instance) (float64, bool) {
	switch i.TransferSyntaxUID {
	case dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian:
	default:
		return 0, false
	}
	if !i.IsImage() || i.BitsAllocated <= 0 {
		return 0, false
	}
	samples := float64(max(i.Samples, 1))
	if i.Photometric == "YBR_FULL_422" || i.Photometric == "YBR_PARTIAL_422" {
		samples = 2 // pairs of pixels may share their colour (PS3.3 C.7.6.3.1.2)
	}
	return float64(i.Rows) * float64(i.Columns) * float64(i.Frames) * samples * float64(i.BitsAllocated) / 8, true
}

// odd says that a file can be read, but not quite as it should be: it deviates from the standard, has an image's
// attributes and no pixel data, or a transfer syntax that is not the standard's. A damaged copy is often so.
func odd(d *dicom.Dataset, i *source.Instance) bool {
	return len(d.Warnings) > 0 || i.IsImage() && (pixels(d) == nil || i.BitsAllocated <= 0) || !strings.HasPrefix(i.TransferSyntaxUID, syntaxRoot)
}

// better orders copies of an instance, the one to serve first: whole ones before damaged ones, those that are as they
// should be before odd ones, those whose image has a place, the longer ones, since what was cut behind its header
// may show in nothing else, and then by path.
func better(a, b *File) int {
	return cmp.Or(
		first(a.Problem == "", b.Problem == ""),
		first(!a.Odd, !b.Odd),
		first(a.Instance.IsImage(), b.Instance.IsImage()),
		first(a.Instance.Placed(), b.Instance.Placed()),
		cmp.Compare(b.Size, a.Size),
		cmp.Compare(a.Path, b.Path))
}

// first orders what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
