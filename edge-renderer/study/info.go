package study

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
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

// SliceInfo is a slice without its pixels.
type SliceInfo struct {
	// Name is the file or the instance's UID, for messages.
	Name                string
	SOPInstanceUID      string
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
	// Slope and Intercept are the modality transform: value = stored*Slope + Intercept (PS3.3 C.11.1).
	Slope, Intercept float64
	// Units is what values are in after the modality transform (HU, BQML); empty where the file does not say.
	Units string
	// Padding is the stored value that marks pixels outside the image; nil where there is none.
	Padding *int
	// Lossy: the pixels were compressed with loss at some time.
	Lossy bool
	// Deviations are what the parser read in spite of the standard.
	Deviations []string
}

// InfoOf reads and checks what a data set says about its slice. The error, an *Error, says why it is no slice of
// a volume.
func InfoOf(name string, d *dicom.Dataset) (SliceInfo, error) {
	s := SliceInfo{
		Name:                name,
		SOPInstanceUID:      d.String(dicom.SOPInstanceUID),
		FrameOfReferenceUID: d.String(dicom.FrameOfReferenceUID),
		TransferSyntax:      d.TransferSyntax,
		Identity:            identityOf(d),
		Lossy:               d.String(dicom.LossyImageCompression) == "01",
		Deviations:          d.Warnings,
	}
	f, err := d.PixelFormat()
	s.Format = f
	if err != nil {
		if errors.Is(err, dicom.ErrNoPixelData) {
			return s, refuse(NotVolume, name, "%s without pixel data cannot be shown as a volume; choose a CT, MR or PET series", kindOf(d))
		}
		return s, &Error{Code: Unreadable, Name: name, Reason: err.Error(), Err: err}
	}
	switch {
	case f.Frames > 1:
		return s, refuse(Multiframe, name, "%s has %d frames in one file, which this build cannot show yet; re-export it as single-frame slices", kindOf(d), f.Frames)
	case f.SamplesPerPixel > 1 || f.Photometric == "PALETTE COLOR":
		return s, refuse(Colour, name, "%s is a colour image (%s), which cannot be shown as a volume; choose a CT, MR or PET series", kindOf(d), f.Photometric)
	case f.BitsAllocated < 8:
		return s, refuse(Unsupported, name, "%s has %d bit pixels, which cannot be shown as a volume", kindOf(d), f.BitsAllocated)
	case len(d.Sequence(dicom.ModalityLUTSequence)) > 0:
		return s, refuse(Unsupported, name, "its values go through a modality look-up table, which this build cannot apply yet; re-export the series with rescale slope and intercept")
	}
	if err := s.place(d); err != nil {
		return s, err
	}
	return s, s.values(d)
}

// place reads where the slice lies (PS3.3 C.7.6.2).
func (s *SliceInfo) place(d *dicom.Dataset) error {
	p, okP := d.Floats(dicom.ImagePositionPatient)
	o, okO := d.Floats(dicom.ImageOrientationPatient)
	if !okP || len(p) != 3 || !okO || len(o) != 6 {
		return refuse(NotVolume, s.Name, "%s does not say where in the patient it lies (ImagePositionPatient and ImageOrientationPatient are missing or no numbers), so it is no slice of a volume", kindOf(d))
	}
	sp, ok := d.Floats(dicom.PixelSpacing)
	if !ok || len(sp) != 2 {
		return refuse(BadGeometry, s.Name, "PixelSpacing is missing or no pair of numbers, so the size of the image is unknown; export the series again with it")
	}
	// PixelSpacing gives the distance between rows first (PS3.3 10.7.1.3).
	return s.setPlace(geom.Vec{p[0], p[1], p[2]}, [6]float64(o), [2]float64{sp[1], sp[0]})
}

func (s *SliceInfo) setPlace(p geom.Vec, o [6]float64, spacing [2]float64) error {
	row, col := geom.Vec{o[0], o[1], o[2]}, geom.Vec{o[3], o[4], o[5]}
	if math.Abs(row.Norm()-1) > 1e-2 || math.Abs(col.Norm()-1) > 1e-2 || math.Abs(row.Dot(col)) > 1e-2 {
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
	for _, v := range []struct {
		tag dicom.Tag
		to  *float64
	}{{dicom.RescaleSlope, &s.Slope}, {dicom.RescaleIntercept, &s.Intercept}} {
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
	if s.Units == "" {
		s.Units = d.String(dicom.RescaleType)
	}
	if s.Units == "" && s.Identity.Modality == "CT" {
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

// infoOfInstance is as much of a slice as a listing says, enough to plan with: ok is false where that is too
// little.
func infoOfInstance(i *source.Instance) (s SliceInfo, ok bool, err error) {
	if !i.Placed() || i.Frames != 1 || i.BitsAllocated == 0 {
		return s, false, nil
	}
	s = SliceInfo{
		Name: i.SOPInstanceUID, SOPInstanceUID: i.SOPInstanceUID, TransferSyntax: i.TransferSyntaxUID,
		Format: dicom.PixelFormat{Rows: i.Rows, Columns: i.Columns, Frames: 1, SamplesPerPixel: max(1, i.Samples),
			BitsAllocated: i.BitsAllocated, BitsStored: i.BitsStored, Signed: i.Signed, Photometric: i.Photometric},
		Slope: 1, Units: i.Units,
	}
	if i.Rescale != nil {
		s.Slope, s.Intercept = i.Rescale[0], i.Rescale[1]
	}
	return s, true, s.setPlace(geom.Vec(*i.Position), *i.Orientation, [2]float64{i.Spacing[1], i.Spacing[0]})
}

// kinds is what the objects are called that people try to open as volumes, by their SOP class (PS3.4 B.5), which
// is 1.2.840.10008.5.1.4.1.1 and this.
var kinds = map[string]string{
	"1":        "a computed radiograph",
	"1.1":      "an X-ray image",
	"1.1.1":    "an X-ray image",
	"1.2":      "a mammogram",
	"1.2.1":    "a mammogram",
	"2":        "a CT image",
	"2.1":      "an enhanced CT image",
	"3.1":      "an ultrasound clip",
	"4":        "an MR image",
	"4.1":      "an enhanced MR image",
	"6.1":      "an ultrasound image",
	"7":        "a secondary capture",
	"11.1":     "a presentation state",
	"12.1":     "an X-ray angiogram",
	"12.2":     "a fluoroscopy",
	"20":       "a nuclear medicine image",
	"30":       "a parametric map",
	"66.4":     "a segmentation",
	"88.11":    "a structured report",
	"88.22":    "a structured report",
	"88.33":    "a structured report",
	"88.34":    "a structured report",
	"88.59":    "a key object selection",
	"88.67":    "a radiation dose report",
	"104.1":    "a PDF document",
	"128":      "a PET image",
	"130":      "an enhanced PET image",
	"481.2":    "a radiotherapy dose",
	"481.3":    "a radiotherapy structure set",
	"481.5":    "a radiotherapy plan",
	"77.1.6":   "a slide image",
	"77.1.4.1": "a photograph",
	"13.1.3":   "a breast tomosynthesis",
}

// kindOf says in words what a data set is.
func kindOf(d *dicom.Dataset) string {
	if k, ok := kinds[strings.TrimPrefix(d.String(dicom.SOPClassUID), "1.2.840.10008.5.1.4.1.1.")]; ok {
		return k
	}
	switch m := d.String(dicom.Modality); m {
	case "":
		return "an object without modality"
	case "SR":
		return "a structured report"
	default:
		return fmt.Sprintf("an object of modality %.16s", m)
	}
}
