package study

import (
	"fmt"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// storageClass is what the UIDs of storage SOP classes begin with (PS3.4 B.5).
const storageClass = "1.2.840.10008.5.1.4.1.1."

// listed is what a listing says of a series, where it is enough to plan with.
type listed struct {
	infos   []SliceInfo
	objects []object
}

// listing reads a listing; ok is false where it says too little: then the files decide.
func listing(list []source.Instance) (l listed, ok bool) {
	seen := make(map[string]bool)
	unsure := false
	for i := range list {
		in := &list[i]
		if in.SOPInstanceUID == "" {
			return l, false
		}
		if seen[in.SOPInstanceUID] {
			continue
		}
		seen[in.SOPInstanceUID] = true
		s, placed, err := infoOfInstance(in)
		switch {
		case err != nil:
			return l, false
		case placed:
			l.infos = append(l.infos, s)
		case in.IsImage() && !coloured(in) && !neverPlaced(in.SOPClassUID) && (in.Frames > 1 || in.Placed() || alwaysPlaced(in.SOPClassUID)):
			return l, false
		default:
			unsure = unsure || in.IsImage() && !coloured(in) && !neverPlaced(in.SOPClassUID)
			l.objects = append(l.objects, objectOf(in))
		}
	}
	// Where no image has a place, perhaps the source leaves places out; where others have one, it does not.
	return l, len(list) > 0 && (len(l.infos) > 0 || !unsure)
}

// called is what people call an instance of a listing, which has no file names.
func called(i *source.Instance) string {
	if i.Name != "" {
		return i.Name
	}
	return numberedOr(i.SOPInstanceUID, i.Number)
}

// calledIn is what people call a data set whose source calls it name, which may be a UID.
func calledIn(name string, d *dicom.Dataset) string {
	if name == "" || name != d.String(dicom.SOPInstanceUID) {
		return name
	}
	number, _ := d.Int(dicom.InstanceNumber)
	return numberedOr(name, number)
}

func numberedOr(uid string, number int) string {
	if number > 0 {
		return fmt.Sprintf("image %d", number)
	}
	return uid
}

func coloured(i *source.Instance) bool { return i.Samples > 1 || i.Photometric == "PALETTE COLOR" }

// infoOfInstance is as much of a slice as a listing says, enough to plan with: ok is false where that is too
// little.
func infoOfInstance(i *source.Instance) (s SliceInfo, ok bool, err error) {
	if !i.Placed() || i.Frames != 1 || i.BitsAllocated < 8 || coloured(i) {
		return s, false, nil
	}
	s = SliceInfo{
		Name: called(i), SOPInstanceUID: i.SOPInstanceUID, TransferSyntax: i.TransferSyntaxUID, FrameOfReferenceUID: i.FrameOfReferenceUID,
		Format: dicom.PixelFormat{Rows: i.Rows, Columns: i.Columns, Frames: 1, SamplesPerPixel: max(1, i.Samples),
			BitsAllocated: i.BitsAllocated, BitsStored: i.BitsStored, HighBit: i.BitsStored - 1, Signed: i.Signed, Photometric: i.Photometric},
		Slope: 1, Units: i.Units, Thickness: i.SliceThickness,
		Number: i.Number, Acquisition: i.AcquisitionNumber, EchoNumber: i.EchoNumber, Echo: i.EchoTime, Inversion: i.InversionTime,
		BValue: i.BValue, Temporal: i.TemporalPosition, Trigger: i.TriggerTime,
		Acquired: clock("", i.AcquisitionTime), Content: clock("", i.ContentTime),
	}
	if i.ImageType != "" {
		s.ImageType = strings.Split(i.ImageType, `\`)
	}
	if i.Rescale != nil {
		s.Slope, s.Intercept = i.Rescale[0], i.Rescale[1]
	}
	return s, true, s.setPlace(geom.Vec(*i.Position), *i.Orientation, [2]float64{i.Spacing[1], i.Spacing[0]})
}

// alwaysPlaced says whether images of an SOP class, single CT, MR and PET images, have a place in space; a listing that
// has none for one left it out.
func alwaysPlaced(class string) bool {
	switch strings.TrimPrefix(class, storageClass) {
	case "2", "4", "128":
		return true
	}
	return false
}

// neverPlaced says whether images of an SOP class (PS3.4 B.5) are pictures without a place in space.
func neverPlaced(class string) bool {
	class, ok := strings.CutPrefix(class, storageClass)
	if !ok {
		return false
	}
	switch class {
	case "1", "3", "3.1", "6", "6.1", "12.1", "12.2":
		return true
	}
	return strings.HasPrefix(class, "1.") || strings.HasPrefix(class, "77.1.")
}

// objectOf is an instance that is no slice.
func objectOf(i *source.Instance) object {
	d := &dicom.Dataset{}
	d.SetString(dicom.SOPClassUID, dicom.UI, i.SOPClassUID)
	o := object{name: called(i), uid: i.SOPInstanceUID, kind: d.Kind(), number: i.Number}
	if coloured(i) && i.IsImage() {
		o.frames = i.Frames
		o.reason = colour(called(i))
	} else if i.IsImage() {
		o.frames = i.Frames
		o.reason = unplaced(called(i))
	} else {
		o.reason = noImage(called(i), o.kind)
	}
	return o
}
