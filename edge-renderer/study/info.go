package study

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/internal/dicom"
)

// Identity says whose and which series it is. Text is UTF-8 as it stands in the file: names with their components
// separated by ^, dates as YYYYMMDD.
type Identity struct {
	PatientName       string `json:"patientName"`
	PatientID         string `json:"patientID"`
	PatientBirthDate  string `json:"patientBirthDate"`
	PatientSex        string `json:"patientSex"`
	StudyInstanceUID  string `json:"studyInstanceUID"`
	StudyDate         string `json:"studyDate"`
	StudyDescription  string `json:"studyDescription"`
	AccessionNumber   string `json:"accessionNumber"`
	SeriesInstanceUID string `json:"seriesInstanceUID"`
	SeriesDescription string `json:"seriesDescription"`
	SeriesNumber      int    `json:"seriesNumber"`
	Modality          string `json:"modality"`
	BodyPart          string `json:"bodyPart"`
	PatientPosition   string `json:"patientPosition"`
}

// SliceInfo is a slice, a DICOM frame, without its pixels.
type SliceInfo struct {
	// Name is the file or the instance's UID, for messages.
	Name           string
	SOPInstanceUID string
	// Frame counts from 0.
	Frame               int
	FrameOfReferenceUID string
	TransferSyntax      string
	Identity            Identity
	Format              dicom.PixelFormat
	// Position is the centre of the first voxel, LPS millimetres.
	Position geom.Vec
	// Row is the direction in which the column index grows, Column the one in which the row index grows; unit
	// vectors, at right angles.
	Row, Column geom.Vec
	// Spacing is the distance between columns (along Row) and between rows (along Column), millimetres.
	Spacing [2]float64
	// Thickness is SliceThickness in millimetres, 0 where there is none. Geometry never rests on it.
	Thickness float64
	// Slope and Intercept are the modality transform: value = stored*Slope + Intercept (PS3.3 C.11.1); LUT stands
	// instead of them where it is not nil.
	Slope, Intercept float64
	LUT              *dicom.LUT
	// Units is what values are in after the modality transform (HU, BQML); empty where the file does not say.
	Units string
	// Padding is the stored value that marks pixels outside the image; nil where there is none.
	Padding *int
	// Lossy: the pixels were compressed with loss at some time.
	Lossy bool
	// Deviations are what the parser read in spite of the standard.
	Deviations []string

	// What tells slices of a series apart.
	Number, Acquisition int      // InstanceNumber and AcquisitionNumber; 0 where there is none
	Stack               string   // StackID of enhanced objects
	ImageType           []string // of the frame where it has one of its own
	EchoNumber          int
	Echo, Inversion     *float64 // milliseconds
	BValue              *float64 // s/mm2
	Temporal            int      // TemporalPositionIdentifier; 0 where there is none
	Trigger, Reference  *float64 // TriggerTime and FrameReferenceTime, milliseconds
	Acquired, Content   *float64 // when, in milliseconds of a clock that all slices share; nil where unknown
}

const (
	tagComplexImageComponent dicom.Tag = 0x00089208
	tagDoseUnits             dicom.Tag = 0x30040002
)

// InfoOf reads and checks what a data set, of a single-frame image or of one frame (dicom.Dataset.FrameDataset), says
// about its slice. The error, an *Error, says why it is no slice of a volume.
func InfoOf(name string, d *dicom.Dataset) (SliceInfo, error) {
	s := SliceInfo{
		Name:                name,
		SOPInstanceUID:      d.String(dicom.SOPInstanceUID),
		FrameOfReferenceUID: d.String(dicom.FrameOfReferenceUID),
		TransferSyntax:      d.TransferSyntax,
		Identity:            identityOf(d),
		Lossy:               d.String(dicom.LossyImageCompression) == "01" || lossySyntax(d.TransferSyntax),
		Deviations:          d.Warnings,
	}
	s.apart(d)
	f, err := d.PixelFormat()
	s.Format = f
	if err != nil {
		if errors.Is(err, dicom.ErrNoPixelData) {
			return s, noImage(name, d.Kind())
		}
		return s, readError(name, err)
	}
	switch {
	case f.Frames > 1:
		return s, refuse(Multiframe, name, "%s has %d frames that were not taken apart", d.Kind(), f.Frames)
	case f.SamplesPerPixel > 1 || f.Photometric == "PALETTE COLOR":
		return s, colour(name)
	case f.BitsAllocated < 8:
		return s, refuse(Unsupported, name, "%s has %d bit pixels, which cannot be shown as a volume", d.Kind(), f.BitsAllocated)
	}
	if err := s.place(d); err != nil {
		return s, err
	}
	return s, s.values(d)
}

// The reasons of what is whole, but no volume. People read them beside the image itself.
func noImage(name, kind string) *Error {
	if strings.HasSuffix(kind, "image") {
		kind += " without pixel data"
	}
	return refuse(NotVolume, name, "it is %s", kind)
}
func colour(name string) *Error { return refuse(Colour, name, "it is a colour image") }
func unplaced(name string) *Error {
	return refuse(NotVolume, name, "it is a single image, without a place in the patient")
}
func clip(name string, frames int) *Error {
	return refuse(Multiframe, name, "it is a clip of %d images without places in the patient", frames)
}

// lossySyntax says whether a transfer syntax (PS3.5 annex A.4) always loses something. Those that may keep everything,
// as JPEG 2000 does, are taken at the file's word.
func lossySyntax(uid string) bool {
	switch uid {
	case "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.81":
		return true
	}
	return false
}

// place reads where the slice lies (PS3.3 C.7.6.2).
func (s *SliceInfo) place(d *dicom.Dataset) error {
	p, okP := d.Floats(dicom.ImagePositionPatient)
	o, okO := d.Floats(dicom.ImageOrientationPatient)
	if !okP || len(p) != 3 || !okO || len(o) != 6 {
		return unplaced(s.Name)
	}
	sp, ok := d.Floats(dicom.PixelSpacing)
	if !ok || len(sp) != 2 {
		return refuse(BadGeometry, s.Name, "PixelSpacing is missing or no pair of numbers, so the size of the image is unknown; export the series again with it")
	}
	s.Thickness, _ = d.Float(dicom.SliceThickness)
	// PixelSpacing gives the distance between rows first (PS3.3 10.7.1.3).
	return s.setPlace(geom.Vec{p[0], p[1], p[2]}, [6]float64(o), [2]float64{sp[1], sp[0]})
}

func (s *SliceInfo) setPlace(p geom.Vec, o [6]float64, spacing [2]float64) error {
	row, col := geom.Vec{o[0], o[1], o[2]}, geom.Vec{o[3], o[4], o[5]}
	if !row.Finite() || !col.Finite() || math.Abs(row.Norm()-1) > 1e-2 || math.Abs(col.Norm()-1) > 1e-2 || math.Abs(row.Dot(col)) > 1e-2 {
		return refuse(BadGeometry, s.Name, "ImageOrientationPatient %v is no pair of directions at right angles; export the series again", o)
	}
	for _, v := range spacing {
		if !(v > 1e-6 && v < 1e4) {
			return refuse(BadGeometry, s.Name, "PixelSpacing of %g mm is not possible; export the series again", v)
		}
	}
	if !p.Finite() || p.Norm() > 1e6 {
		return refuse(BadGeometry, s.Name, "ImagePositionPatient %v is not possible; export the series again", p)
	}
	s.Position, s.Row, s.Column, s.Spacing = p, row.Unit(), col.Unit(), spacing
	return nil
}

// values reads the modality transform and the padding.
func (s *SliceInfo) values(d *dicom.Dataset) error {
	s.Slope, s.Intercept, s.Units = 1, 0, d.String(dicom.Units)
	var err error
	if s.LUT, err = d.ModalityLUT(); err != nil {
		return readError(s.Name, err)
	}
	slope := dicom.RescaleSlope
	if s.Identity.Modality == "RTDOSE" { // PS3.3 C.8.8.3
		slope, s.Units = dicom.DoseGridScaling, d.String(tagDoseUnits)
	}
	for _, v := range []struct {
		tag dicom.Tag
		to  *float64
	}{{slope, &s.Slope}, {dicom.RescaleIntercept, &s.Intercept}} {
		f, ok := d.Float(v.tag)
		switch {
		case ok:
			*v.to = f
		case strings.TrimSpace(d.String(v.tag)) != "":
			return refuse(Unreadable, s.Name, "rescale value %v is no number, so the values of the image are unknown; export the series again", v.tag)
		}
	}
	if s.Slope == 0 {
		return refuse(Unreadable, s.Name, "its rescale slope is 0, which would make every voxel the same; export the series again")
	}
	if most := 1e30; math.Abs(s.Slope) > most || math.Abs(s.Intercept) > most {
		return refuse(Unreadable, s.Name, "rescale slope %g and intercept %g give values beyond all measure; export the series again", s.Slope, s.Intercept)
	}
	if s.LUT != nil {
		if s.Format.Float || s.Format.BitsAllocated > 16 {
			return refuse(Unsupported, s.Name, "a modality look-up table for pixels of %d bits cannot be applied; re-export the series with rescale slope and intercept", s.Format.BitsAllocated)
		}
		s.Slope, s.Intercept = 1, 0 // the table stands instead of them (PS3.3 C.11.1)
	}
	if s.Units == "" {
		s.Units = d.String(dicom.RescaleType)
	}
	switch {
	case s.Units == "US": // unspecified (PS3.3 C.11.1.1.2)
		s.Units = ""
	case s.Units == "" && s.Identity.Modality == "CT":
		s.Units = "HU"
	}
	if n, ok := d.Int(dicom.PixelPaddingValue); ok {
		// US or SS, as PixelRepresentation has it; implicit files do not say.
		if s.Format.Signed && n > math.MaxInt16 && n <= math.MaxUint16 {
			n -= 1 << 16
		} else if !s.Format.Signed && n < 0 {
			n += 1 << 16
		}
		s.Padding = &n
	}
	return nil
}

// apart reads what may tell the slice from others at its place.
func (s *SliceInfo) apart(d *dicom.Dataset) {
	s.Number, _ = d.Int(dicom.InstanceNumber)
	s.Acquisition, _ = d.Int(dicom.AcquisitionNumber)
	s.EchoNumber, _ = d.Int(dicom.EchoNumbers)
	s.Temporal, _ = d.Int(dicom.TemporalPositionID)
	s.Stack = d.String(dicom.StackID)
	if s.ImageType = d.Strings(dicom.FrameType); s.ImageType == nil {
		s.ImageType = d.Strings(dicom.ImageType)
	}
	if c := d.String(tagComplexImageComponent); c != "" && c != "MIXED" {
		s.ImageType = append(s.ImageType[:len(s.ImageType):len(s.ImageType)], c)
	}
	for _, v := range []struct {
		tag dicom.Tag
		to  **float64
	}{
		{dicom.EchoTime, &s.Echo}, {dicom.InversionTime, &s.Inversion}, {dicom.DiffusionBValue, &s.BValue},
		{dicom.TriggerTime, &s.Trigger}, {dicom.FrameReferenceTime, &s.Reference},
	} {
		if f, ok := d.Float(v.tag); ok {
			*v.to = &f
		}
	}
	s.Acquired = clock(d.String(dicom.AcquisitionDate), d.String(dicom.AcquisitionTime))
	s.Content = clock(d.String(dicom.ContentDate), d.String(dicom.ContentTime))
}

// clock is a date (YYYYMMDD, may be empty) and a time (HHMMSS.FFFFFF, or the old HH:MM:SS) in milliseconds, nil where
// there is no time. Only differences mean anything.
func clock(date, at string) *float64 {
	at = strings.ReplaceAll(at, ":", "")
	if len(at) < 4 {
		return nil
	}
	hhmm, err := strconv.Atoi(at[:4])
	seconds := 0.0
	if err == nil && len(at) > 4 {
		seconds, err = strconv.ParseFloat(at[4:], 64)
	}
	if err != nil || hhmm < 0 || !(seconds >= 0 && seconds < 100) {
		return nil
	}
	ms := float64(hhmm/100*60+hhmm%100)*60_000 + seconds*1000
	if day, err := time.Parse("20060102", date); err == nil {
		ms += float64(day.UnixMilli())
	}
	return &ms
}

// timeOfDay is a clock's time as HH:MM:SS.
func timeOfDay(ms float64) string {
	s := int64(math.Floor(ms/1000)) % (24 * 3600)
	if s < 0 {
		s += 24 * 3600
	}
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func identityOf(d *dicom.Dataset) Identity {
	number, _ := d.Int(dicom.SeriesNumber)
	return Identity{
		PatientName:       d.String(dicom.PatientName),
		PatientID:         d.String(dicom.PatientID),
		PatientBirthDate:  d.String(dicom.PatientBirthDate),
		PatientSex:        d.String(dicom.PatientSex),
		StudyInstanceUID:  d.String(dicom.StudyInstanceUID),
		StudyDate:         d.String(dicom.StudyDate),
		StudyDescription:  d.String(dicom.StudyDescription),
		AccessionNumber:   d.String(dicom.AccessionNumber),
		SeriesInstanceUID: d.String(dicom.SeriesInstanceUID),
		SeriesDescription: d.String(dicom.SeriesDescription),
		SeriesNumber:      number,
		Modality:          d.String(dicom.Modality),
		BodyPart:          d.String(dicom.BodyPartExamined),
		PatientPosition:   d.String(dicom.PatientPosition),
	}
}

// readError says what is wrong with a file, from the parser's error.
func readError(name string, err error) *Error {
	e := &Error{Code: Unreadable, Name: name, Reason: err.Error(), Err: err}
	var f *dicom.Error
	if errors.As(err, &f) {
		bare := *f
		bare.Path = "" // name says it
		e.Reason = bare.Error()
	}
	switch {
	case errors.Is(err, dicom.ErrNotDICOM):
		e.Code = NotDICOM
	case errors.Is(err, dicom.ErrTruncated):
		e.Code = Truncated
	case errors.Is(err, dicom.ErrUnsupportedTransferSyntax):
		e.Code = Compressed
	}
	return e
}

// maxFrames is how many DICOM frames of one object are taken for slices.
const maxFrames = 1 << 16

// object is a file that is no slice: an image without a place, or no image at all.
type object struct {
	name, uid, kind string
	number          int
	frames          int // 0: no image
	identity        Identity
	reason          *Error
}

// slicesOf takes a data set apart into the slices of its frames. Frames that are no slices make an object; the error,
// an *Error, is of a file that cannot be read.
func slicesOf(name string, d *dicom.Dataset) ([]SliceInfo, *object, error) {
	o := &object{name: name, uid: d.String(dicom.SOPInstanceUID), kind: d.Kind(), identity: identityOf(d)}
	o.number, _ = d.Int(dicom.InstanceNumber)
	f, err := d.PixelFormat()
	if errors.Is(err, dicom.ErrNoPixelData) {
		_, err := InfoOf(name, d)
		errors.As(err, &o.reason)
		return nil, o, nil
	}
	if err != nil {
		return nil, nil, readError(name, err)
	}
	o.frames = f.Frames
	if IsSegmentation(d) {
		o.reason = refuse(NotVolume, name, "a segmentation (%s) is no volume of its own; it is laid over the series that it was made of", plural(len(d.Sequence(tagSegmentSequence)), "segment", "segments"))
		return nil, o, nil
	}
	own, offsets := len(d.Sequence(dicom.PerFrameFunctionalGroupsSequence)), d.Has(dicom.GridFrameOffsetVector)
	if f.Frames > 1 && own == 0 && !offsets || f.Frames > maxFrames {
		o.reason = clip(name, f.Frames)
		if own > 0 || offsets {
			o.reason = refuse(TooLarge, name, "%s has %d frames, more than the %d that a volume may be made of", o.kind, f.Frames, maxFrames)
		}
		return nil, o, nil
	}
	infos := make([]SliceInfo, 0, f.Frames)
	for n := range f.Frames {
		frame, err := d.FrameDataset(n)
		if err != nil {
			return nil, nil, readError(name, err)
		}
		s, err := InfoOf(name, frame)
		if err == nil {
			s.Frame = n
			infos = append(infos, s)
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code == Unreadable || e.Code == Truncated || e.Code == Compressed {
			return nil, nil, err
		}
		if f.Frames > 1 && e.Code == NotVolume {
			e = clip(name, f.Frames)
		}
		o.reason = e
		return nil, o, nil
	}
	return infos, nil, nil
}
