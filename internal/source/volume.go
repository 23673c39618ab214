package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/internal/dicom"
)

// minVolumeImages is the number of slices below which a series is shown as pictures, not as a volume.
const minVolumeImages = 2

// SOP classes (PS3.4 B.5) whose objects are volumes by themselves, or never are.
const (
	storageClass     = "1.2.840.10008.5.1.4.1.1."
	segmentation     = storageClass + "66.4"
	enhancedCT       = storageClass + "2.1"
	legacyEnhancedCT = storageClass + "2.2"
	enhancedMR       = storageClass + "4.1"
	legacyEnhancedMR = storageClass + "4.4"
	enhancedPET      = storageClass + "130"
	legacyEnhPET     = storageClass + "128.1"
	xray3DAngio      = storageClass + "13.1.1"
	xray3DCranio     = storageClass + "13.1.2"
	tomosynthesis    = storageClass + "13.1.3"
	rtDose           = storageClass + "481.2"
	parametricMap    = storageClass + "30"
	secondaryCapture = storageClass + "7"
)

// localizer is value 3 of ImageType (0008,0008) of an image that others are planned on (PS3.3 C.8.2.1.1.1).
const localizer = "LOCALIZER"

// slice says whether the instance may be one of the slices of a volume: a single grey image with a place in space that
// is no secondary capture and no localizer.
func (i *Instance) slice() bool {
	if i.Frames != 1 || !i.Placed() || i.Samples > 1 || i.Photometric == "PALETTE COLOR" {
		return false
	}
	if i.SOPClassUID == secondaryCapture || strings.HasPrefix(i.SOPClassUID, secondaryCapture+".") {
		return false
	}
	return !slices.Contains(strings.Split(i.ImageType, `\`), localizer)
}

// volumeClasses are the multi-frame classes whose frames have places in space.
var volumeClasses = map[string]bool{
	enhancedCT: true, legacyEnhancedCT: true, enhancedMR: true, legacyEnhancedMR: true, enhancedPET: true, legacyEnhPET: true,
	xray3DAngio: true, xray3DCranio: true, tomosynthesis: true, rtDose: true, parametricMap: true,
}

// KindOf says in words, with an article, what an instance is: "a CT image", "a PDF document", "a NIfTI file". modality
// is its series'.
func (i *Instance) KindOf(modality string) string {
	switch i.Media {
	case MediaNIfTI:
		return "a NIfTI file"
	case MediaNRRD:
		return "an NRRD file"
	}
	d := &dicom.Dataset{Meta: &dicom.Dataset{}}
	d.SetString(dicom.SOPClassUID, dicom.UI, i.SOPClassUID)
	d.SetString(dicom.Modality, dicom.CS, modality)
	return d.Kind()
}

// Whole says whether the instance may be a volume by itself: a research file, or a multi-frame object whose frames
// have places.
func (i *Instance) Whole() bool {
	if i.Media != "" {
		return true
	}
	return i.IsImage() && i.Frames > 1 && i.Samples <= 1 && i.SOPClassUID != segmentation && (i.Groups || volumeClasses[i.SOPClassUID])
}

// Describe fills in what a list says of a series from its instances, in their order: counts, the size of the first
// image, what it is and whether it looks like a volume.
func (s *SeriesInfo) Describe(instances []*Instance) {
	s.InstanceCount = len(instances)
	for n, i := range instances {
		if n == 0 {
			s.Kind, s.Media = i.KindOf(s.Modality), i.Media
		}
		if !i.IsImage() {
			continue
		}
		if s.Images == 0 {
			s.Rows, s.Columns = i.Rows, i.Columns
		}
		s.Images += i.Frames
		s.MultiFrame = s.MultiFrame || i.Frames > 1 && i.Media == ""
	}
	s.Reason = volumeReason(instances, s.Modality)
	s.Volume = s.Reason == ""
}

// sliceClasses are the classes whose objects are slices with places in space.
var sliceClasses = map[string]bool{storageClass + "2": true, storageClass + "4": true, storageClass + "128": true}

// Guess fills in what a list says of a series of which only the number of instances and one of them is known, as a server
// lists it: without its place in space. What looks like a volume may turn out to be none.
func (s *SeriesInfo) Guess(sample *Instance) {
	s.Kind, s.Media = sample.KindOf(s.Modality), sample.Media
	n := max(s.InstanceCount, 1)
	if sample.IsImage() {
		s.Rows, s.Columns = sample.Rows, sample.Columns
		s.Images = n * sample.Frames
		s.MultiFrame = sample.Frames > 1 && s.Media == ""
	}
	switch {
	case sample.Whole(), n >= minVolumeImages && sample.IsImage() && sample.Frames == 1 && sample.Samples <= 1 && sliceClasses[sample.SOPClassUID]:
		s.Volume, s.Reason = true, ""
	case n == 1 || sample.SOPClassUID == segmentation:
		s.Volume, s.Reason = false, volumeReason([]*Instance{sample}, s.Modality)
	case !sample.IsImage():
		s.Volume, s.Reason = false, fmt.Sprintf("The series has %d objects without images; the first is %s.", n, s.Kind)
	default:
		s.Volume, s.Reason = false, fmt.Sprintf("The series has %d images, the first of them %s, without places in space.", s.Images, s.Kind)
	}
}

// VolumeReason says why a series does not look like a volume, in a sentence for people, and nothing where it does: at
// least two single-frame grey images with a position, an orientation and a pixel spacing that are neither secondary
// captures nor localizers, a multi-frame object whose frames
// have them, or a research file. Whether a volume can be built of them (gaps, mixed orientations) is known only when
// that is tried.
func VolumeReason(instances []*Instance) string { return volumeReason(instances, "") }

// volumeReason is VolumeReason for a series of a modality, by which objects of unknown classes are named.
func volumeReason(instances []*Instance, modality string) string {
	var images, frames, placed, pictures int
	for _, i := range instances {
		switch {
		case i.Whole():
			return ""
		case i.IsImage():
			images++
			frames += i.Frames
			switch {
			case i.slice():
				placed++
			case i.Frames == 1 && i.Placed():
				pictures++
			}
		}
	}
	if placed >= minVolumeImages {
		return ""
	}
	if len(instances) == 0 {
		return "The series has no images."
	}
	kind := instances[0].KindOf(modality)
	switch {
	case instances[0].SOPClassUID == segmentation:
		return "The series is a segmentation, which belongs to the images that it was made of."
	case images == 0 && len(instances) == 1:
		return fmt.Sprintf("The series is %s, without images.", kind)
	case images == 0:
		return fmt.Sprintf("The series has %d objects without images; the first is %s.", len(instances), kind)
	case frames == 1:
		return fmt.Sprintf("The series is a single image: %s.", kind)
	case images == 1:
		return fmt.Sprintf("The series is %s of %d images without places in space.", kind, frames)
	case frames > images:
		return fmt.Sprintf("The series has %d images in %d objects, the first of them %s, without places in space.", frames, images, kind)
	case pictures > 0 && placed == 0:
		return fmt.Sprintf("The series has %d images which are no slices of a volume (colour images, secondary captures or localizers); the first is %s.", images, kind)
	case placed == 0:
		return fmt.Sprintf("None of the %d images says where in the patient it is (position, orientation, pixel spacing); the first is %s.", images, kind)
	default:
		return fmt.Sprintf("Only %d of %d images say where in the patient they are (position, orientation, pixel spacing); the first is %s.",
			placed, images, kind)
	}
}
