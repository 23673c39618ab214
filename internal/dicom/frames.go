package dicom

import (
	"bytes"
	"math"
)

// Frames is the number of DICOM frames of an image, 1 for most; 0 where the data set is no image or its description
// cannot be read (PixelFormat says why).
func (d *Dataset) Frames() int {
	f, err := d.PixelFormat()
	if err != nil {
		return 0
	}
	return f.Frames
}

// FrameDataset is the flat data set of DICOM frame n, counted from 0: what the functional groups of the frame say of
// it (PS3.3 C.7.6.16) stands over what the shared groups say, and that over the data set itself, as if the frame were
// an image of its own. Get and everything that reads through it sees the whole; Elements holds only what is the
// frame's own. NumberOfFrames is 1 in it, and its frame 0 is frame n of d.
//
// Beside the attributes of the groups it has those of classic images that mean the same, where the groups say them
// under another name: EchoTime, InversionTime, TriggerTime, AcquisitionNumber, AcquisitionDate, AcquisitionTime and
// TemporalPositionIdentifier. The positions of a dose grid's frames (PS3.3 C.8.8.3.2) are given as
// ImagePositionPatient.
//
// A data set without frames to tell apart is returned itself. It costs little: nothing of the pixels or of what the
// frames share is copied. The data set must not be changed while its frames are in use. It is an error (ErrCorrupt)
// where there is no such frame, or where groups are there but none for the frame.
func (d *Dataset) FrameDataset(n int) (*Dataset, error) {
	if d.under != nil && n == 0 {
		return d, nil
	}
	frames := 1
	if v, ok := d.Int(NumberOfFrames); ok {
		frames = v
	}
	if n < 0 || n >= max(frames, 1) {
		return nil, fault(ErrCorrupt, NumberOfFrames, "frame %d was asked for, there are %d", n+1, frames)
	}
	own := d.Sequence(PerFrameFunctionalGroupsSequence)
	common := d.Sequence(SharedFunctionalGroupsSequence)
	if frames <= 1 && len(own) == 0 && len(common) == 0 {
		return d, nil
	}
	if len(own) > 0 && n >= len(own) {
		return nil, fault(ErrCorrupt, PerFrameFunctionalGroupsSequence, "there are functional groups for %d frames, none for frame %d of %d; export the file again", len(own), n+1, frames)
	}
	f := &Dataset{TransferSyntax: d.TransferSyntax, Meta: d.Meta, Warnings: d.Warnings, under: d.sharedGroups(), frame: d.frame + n}
	if len(own) > 0 {
		f.raise(own[n])
	} else {
		d.doseFrame(f, n)
	}
	f.Elements = append(f.Elements, Element{Tag: NumberOfFrames, VR: IS, Value: []byte("1")})
	f.sortElements()
	return f, nil
}

// sharedGroups is the data set under its shared functional groups, made once.
func (d *Dataset) sharedGroups() *Dataset {
	common := d.Sequence(SharedFunctionalGroupsSequence)
	if len(common) == 0 {
		return d
	}
	if s := d.shared.Load(); s != nil {
		return s
	}
	s := &Dataset{TransferSyntax: d.TransferSyntax, under: d}
	s.raise(common[0])
	s.sortElements()
	d.shared.Store(s)
	return s
}

// raise puts the attributes of each functional group of an item at the top level. A group that has one item is a
// macro of attributes; one that lists references or several items stays the sequence that it is. What identifies the
// object or describes its pixels is the data set's own and cannot be said in a group.
func (d *Dataset) raise(groups *Dataset) {
	n := len(groups.Elements)
	for i := range groups.Elements {
		if e := &groups.Elements[i]; len(e.Items) == 1 {
			n += len(e.Items[0].Elements)
		}
	}
	d.Elements = make([]Element, 0, n+len(classic)+3) // and the date, the time and the number of frames
	for i := range groups.Elements {
		e := &groups.Elements[i]
		if e.Tag.Private() || !perFrame(e.Tag) {
			continue
		}
		d.Elements = append(d.Elements, *e)
		if len(e.Items) != 1 || lists(e.Tag) {
			continue
		}
		for j := range e.Items[0].Elements {
			if in := &e.Items[0].Elements[j]; !in.Tag.Private() && perFrame(in.Tag) {
				d.Elements = append(d.Elements, *in)
			}
		}
	}
	d.sortElements()
	d.classicNames()
}

// lists are the functional groups whose items are references and not attributes of the frame.
func lists(t Tag) bool {
	switch t {
	case referencedImageSequence, derivationImageSequence, sourceImageSequence, RealWorldValueMappingSequence, referencedInstanceSequence:
		return true
	}
	return false
}

// perFrame says whether a functional group may say an attribute: not the patient, the identity of the object or how
// its pixels are stored.
func perFrame(t Tag) bool {
	switch t {
	case SpecificCharacterSet, SOPClassUID, SOPInstanceUID, StudyInstanceUID, SeriesInstanceUID, Modality, NumberOfFrames,
		SharedFunctionalGroupsSequence, PerFrameFunctionalGroupsSequence, SamplesPerPixel, PhotometricInterpretation,
		PlanarConfiguration, Rows, Columns, BitsAllocated, BitsStored, HighBit, PixelRepresentation:
		return false
	}
	g := t.Group()
	return g != 0x0002 && g != 0x0010 && g != 0x7FE0
}

// classic are the attributes of single-frame images that enhanced ones have under another name.
var classic = [...]struct{ enhanced, single Tag }{
	{EffectiveEchoTime, EchoTime},
	{InversionTimes, InversionTime},
	{NominalCardiacTriggerDelayTime, TriggerTime},
	{FrameAcquisitionNumber, AcquisitionNumber},
	{TemporalPositionIndex, TemporalPositionID},
}

// classicNames adds what is said under the names of enhanced images under those of single ones.
func (d *Dataset) classicNames() {
	var room [len(classic) + 2]Element
	more := room[:0]
	for _, a := range classic {
		if e := d.own(a.enhanced); e != nil && d.own(a.single) == nil && len(e.Value) > 0 {
			more = append(more, Element{Tag: a.single, VR: e.VR, Value: e.Value, Offset: e.Offset})
		}
	}
	// A date and time is YYYYMMDDHHMMSS.FFFFFF&ZZXX, as much of it as is known (PS3.5 6.2).
	if e := d.own(FrameAcquisitionDateTime); e != nil {
		v := bytes.TrimRight(e.Value, " \x00")
		if i := bytes.IndexAny(v, "+-"); i >= 0 {
			v = v[:i]
		}
		if len(v) >= 8 && d.own(AcquisitionDate) == nil {
			more = append(more, Element{Tag: AcquisitionDate, VR: DA, Value: v[:8:8], Offset: e.Offset})
		}
		if len(v) > 8 && d.own(AcquisitionTime) == nil {
			more = append(more, Element{Tag: AcquisitionTime, VR: TM, Value: v[8:], Offset: e.Offset})
		}
	}
	d.Elements = append(d.Elements, more...)
	d.sortElements()
}

// doseFrame places a frame of a dose grid: its offset along the normal of the image, which begins with 0 where
// offsets count from the image position, and else is a coordinate of the patient (PS3.3 C.8.8.3.2).
func (d *Dataset) doseFrame(f *Dataset, n int) {
	e := d.Get(GridFrameOffsetVector)
	if e == nil {
		return
	}
	offsets, ok := d.Floats(GridFrameOffsetVector)
	p, okP := d.Floats(ImagePositionPatient)
	o, okO := d.Floats(ImageOrientationPatient)
	if !ok || n >= len(offsets) || !okP || len(p) != 3 || !okO || len(o) != 6 {
		return
	}
	normal := [3]float64{o[1]*o[5] - o[2]*o[4], o[2]*o[3] - o[0]*o[5], o[0]*o[4] - o[1]*o[3]}
	at := [3]float64{p[0], p[1], p[2]}
	if offsets[0] == 0 {
		for i := range at {
			at[i] += offsets[n] * normal[i]
		}
	} else if math.Abs(normal[2]) > 0.999 { // coordinates are allowed for transverse planes only
		at[2] = offsets[n]
	} else {
		return
	}
	f.SetFloats(ImagePositionPatient, FD, at[:]...)
}
