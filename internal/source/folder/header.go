package folder

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// maxText is the longest text that the index keeps of an attribute, bytes. The standard's limit for the texts
// kept here is 64 characters, or 64 per component group of a name.
const maxText = 1024

// header is what the index keeps of a file.
type header struct {
	study    source.StudyAttributes
	series   source.SeriesAttributes
	instance source.Instance
	preamble []byte // what the file lacks at its beginning
}

// headerLimits bounds the header of a file. Enhanced multi-frame objects have megabytes of it.
var headerLimits = dicom.Limits{MaxBytes: 64 << 20, MaxValue: 16 << 20}

// mediaStorageDirectory is the SOP class of a DICOMDIR (PS3.4 annex I).
const mediaStorageDirectory = "1.2.840.10008.1.3.10"

// readHeader reads a file's attributes up to its pixel data. A damaged file of which it is certain where it belongs
// comes back with a problem, so that its series is known not to be whole: h is then not nil.
func readHeader(r io.Reader) (h *header, kind Kind, problem string) {
	in := bufio.NewReaderSize(r, 32<<10)
	head, _ := in.Peek(preambleLength + 4) // what is wrong with it, Read says
	head = bytes.Clone(head)
	d, err := dicom.Read(in, dicom.Options{StopAtPixelData: true, Limits: headerLimits})
	if err != nil {
		kind, problem = classify(err)
	}
	if d == nil {
		return nil, kind, problem
	}
	if d.Meta.String(dicom.MediaStorageSOPClassUID) == mediaStorageDirectory || d.Has(dicom.DirectoryRecordSequence) {
		return nil, KindDirectory, "It is a DICOMDIR, which lists other files."
	}
	h, err = newHeader(d)
	if err == nil {
		h.preamble, err = preambleFor(head, d, &h.instance)
	}
	if err != nil {
		if problem == "" {
			kind, problem = KindDamaged, sentence(err.Error())
		}
		return nil, kind, problem
	}
	return h, kind, problem
}

// classify says what kind of problem an error of dicom.Read is. It was not given a path, so none is in it.
func classify(err error) (Kind, string) {
	var de *dicom.Error
	switch {
	case !errors.As(err, &de):
		return KindUnreadable, sentence(reason(err).Error())
	case errors.Is(err, dicom.ErrNotDICOM):
		return KindNotDICOM, sentence(de.Error())
	default:
		return KindDamaged, sentence(de.Error())
	}
}

// sentence makes a sentence of an error's text.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// newHeader takes from a data set what the index keeps. Its error says which UID is missing or none.
func newHeader(d *dicom.Dataset) (*header, error) {
	h := &header{
		study: source.StudyAttributes{
			StudyInstanceUID:   d.String(dicom.StudyInstanceUID),
			StudyDate:          text(d, dicom.StudyDate),
			StudyTime:          text(d, dicom.StudyTime),
			StudyID:            text(d, dicom.StudyID),
			Description:        text(d, dicom.StudyDescription),
			AccessionNumber:    text(d, dicom.AccessionNumber),
			ReferringPhysician: text(d, dicom.ReferringPhysicianName),
			PatientName:        text(d, dicom.PatientName),
			PatientID:          text(d, dicom.PatientID),
			PatientBirthDate:   text(d, dicom.PatientBirthDate),
			PatientSex:         text(d, dicom.PatientSex),
		},
		series: source.SeriesAttributes{
			SeriesInstanceUID:   d.String(dicom.SeriesInstanceUID),
			Modality:            text(d, dicom.Modality),
			Description:         text(d, dicom.SeriesDescription),
			BodyPart:            text(d, dicom.BodyPartExamined),
			ProtocolName:        text(d, dicom.ProtocolName),
			FrameOfReferenceUID: text(d, dicom.FrameOfReferenceUID),
			PatientPosition:     text(d, dicom.PatientPosition),
			Number:              number(d, dicom.SeriesNumber),
		},
		instance: source.Instance{
			SOPInstanceUID:    d.String(dicom.SOPInstanceUID),
			SOPClassUID:       text(d, dicom.SOPClassUID),
			TransferSyntaxUID: d.TransferSyntax,
		},
	}
	if h.instance.SOPInstanceUID == "" {
		h.instance.SOPInstanceUID = d.Meta.String(dicom.MediaStorageSOPInstanceUID)
	}
	if h.instance.SOPClassUID == "" {
		h.instance.SOPClassUID = text(d.Meta, dicom.MediaStorageSOPClassUID)
	}
	image(d, &h.instance)
	for _, u := range []struct{ what, uid string }{
		{"the Study Instance UID", h.study.StudyInstanceUID},
		{"the Series Instance UID", h.series.SeriesInstanceUID},
		{"the SOP Instance UID", h.instance.SOPInstanceUID},
	} {
		if err := source.CheckUID(u.what, u.uid); err != nil {
			return h, err
		}
	}
	return h, nil
}

// image takes the attributes of the image and its place.
func image(d *dicom.Dataset, i *source.Instance) {
	i.ImageType = text(d, dicom.ImageType)
	i.Photometric = text(d, dicom.PhotometricInterpretation)
	i.AcquisitionTime = text(d, dicom.AcquisitionTime)
	i.Number = number(d, dicom.InstanceNumber)
	i.AcquisitionNumber = number(d, dicom.AcquisitionNumber)
	i.TemporalPosition = number(d, dicom.TemporalPositionID)
	i.Rows, i.Columns = number(d, dicom.Rows), number(d, dicom.Columns)
	i.Frames = number(d, dicom.NumberOfFrames)
	if i.Frames <= 0 && i.Rows > 0 && i.Columns > 0 {
		i.Frames = 1
	}
	i.Samples = number(d, dicom.SamplesPerPixel)
	i.BitsAllocated, i.BitsStored = number(d, dicom.BitsAllocated), number(d, dicom.BitsStored)
	i.Signed = number(d, dicom.PixelRepresentation) == 1
	if f, ok := floats(d, dicom.ImagePositionPatient, 3); ok {
		i.Position = (*[3]float64)(f)
	}
	if f, ok := floats(d, dicom.ImageOrientationPatient, 6); ok {
		i.Orientation = (*[6]float64)(f)
	}
	if f, ok := floats(d, dicom.PixelSpacing, 2); ok {
		i.Spacing = (*[2]float64)(f)
	}
	i.Rescale = pair(d, dicom.RescaleSlope, dicom.RescaleIntercept)
	i.Window = pair(d, dicom.WindowCenter, dicom.WindowWidth)
	i.SliceThickness, _ = d.Float(dicom.SliceThickness)
	i.RescaleType = text(d, dicom.RescaleType)
	i.Units = text(d, dicom.Units)
}

// text is an attribute's text, cut to what the index keeps.
func text(d *dicom.Dataset, t dicom.Tag) string {
	s := strings.ToValidUTF8(d.String(t), string(utf8.RuneError))
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}

func number(d *dicom.Dataset, t dicom.Tag) int {
	n, _ := d.Int(t)
	return n
}

func floats(d *dicom.Dataset, t dicom.Tag, n int) ([]float64, bool) {
	f, ok := d.Floats(t)
	return f, ok && len(f) == n
}

func pair(d *dicom.Dataset, a, b dicom.Tag) *[2]float64 {
	x, okX := d.Float(a)
	y, okY := d.Float(b)
	if !okX || !okY {
		return nil
	}
	return &[2]float64{x, y}
}

// String is how a problem reads in a listing.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Path, p.Reason) }
