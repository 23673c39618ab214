package catalog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/archive"
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
	odd      bool   // see File.Odd
}

// headerLimits bounds the header of a file. Enhanced multi-frame objects have megabytes of it.
var headerLimits = dicom.Limits{MaxBytes: 64 << 20, MaxValue: 16 << 20}

// mediaStorageDirectory is the SOP class of a DICOMDIR (PS3.4 annex I).
const mediaStorageDirectory = "1.2.840.10008.1.3.10"

// Read reads a file's attributes up to its pixel data and fills in what the catalog keeps of it. f has its path and
// size. A damaged file of which it is certain where it belongs gets a problem, so that its series is known not to be
// whole, and its instance too. Of a zip archive only the kind is found out.
func Read(r io.Reader, f *File) {
	in := readers.Get().(*bufio.Reader)
	in.Reset(r)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	head, _ := in.Peek(32 << 10) // what is wrong with it, dicom.Read says
	var h *header
	switch base := strings.ToUpper(path.Base(f.Path)); {
	case archive.Sniff(head) && !marked(head):
		f.Kind, f.Problem = KindArchive, "It is an archive, whose files are listed by themselves."
		return
	default:
		if m := sniffMedia(f.Path, head); m != nil {
			h, f.Kind, f.Problem = mediaHeader(m, f)
			break
		}
		h, f.Kind, f.Problem = readHeader(in, bytes.Clone(head[:min(len(head), preambleLength+4)]), f)
		if f.Kind == KindNotDICOM && base == "DICOMDIR" {
			f.Kind, f.Problem = KindDirectory, "It is a DICOMDIR, which lists other files."
		}
	}
	if h != nil {
		f.Study, f.Series, f.Instance, f.Preamble, f.Odd = &h.study, &h.series, &h.instance, h.preamble, h.odd
	}
}

// readers are the buffers of files that are being read.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// marked says whether a file has the mark of PS3.10 7.1, whatever its preamble looks like.
func marked(head []byte) bool {
	return len(head) >= preambleLength+4 && string(head[preambleLength:preambleLength+4]) == "DICM"
}

// readHeader reads a DICOM file.
func readHeader(in io.Reader, head []byte, f *File) (h *header, kind Kind, problem string) {
	d, err := dicom.Read(in, dicom.Options{StopAtPixelData: true, Limits: headerLimits})
	if err != nil {
		kind, problem = classify(err)
	}
	if d == nil {
		return nil, kind, problem
	}
	if isDirectory(d) {
		directoryNames(d, f)
		return nil, KindDirectory, "It is a DICOMDIR, which lists other files."
	}
	h, err = newHeader(d)
	if err == nil {
		h.preamble, err = preambleFor(head, d, &h.instance)
	}
	if err != nil {
		if problem == "" {
			kind, problem = KindDamaged, Sentence(err.Error())
		}
		return nil, kind, problem
	}
	if problem == "" {
		if problem = lacking(d, &h.instance, f.Size); problem != "" {
			kind = KindDamaged
		}
	}
	h.odd = odd(d, &h.instance)
	return h, kind, problem
}

// isDirectory says whether a data set is a DICOMDIR (PS3.3 annex F).
func isDirectory(d *dicom.Dataset) bool {
	return d.Meta.String(dicom.MediaStorageSOPClassUID) == mediaStorageDirectory || d.Has(dicom.DirectoryRecordSequence)
}

// classify says what kind of problem an error of dicom.Read is. It was not given a path, so none is in it.
func classify(err error) (Kind, string) {
	var de *dicom.Error
	switch {
	case !errors.As(err, &de):
		return KindUnreadable, Sentence(Reason(err).Error())
	case errors.Is(err, dicom.ErrNotDICOM):
		return KindNotDICOM, Sentence(de.Error())
	default:
		return KindDamaged, Sentence(de.Error())
	}
}

// Sentence makes a sentence of an error's text.
func Sentence(s string) string {
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
			IssuerOfPatientID:  text(d, dicom.IssuerOfPatientID),
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
	i.Groups = d.Has(dicom.PerFrameFunctionalGroupsSequence)
	i.FrameOfReferenceUID = text(d, dicom.FrameOfReferenceUID)
	i.ContentTime = text(d, dicom.ContentTime)
	i.EchoNumber = number(d, dicom.EchoNumbers)
	i.EchoTime, i.InversionTime = real(d, dicom.EchoTime), real(d, dicom.InversionTime)
	i.TriggerTime, i.BValue = real(d, dicom.TriggerTime), real(d, dicom.DiffusionBValue)
}

// real is a number where the data set has it.
func real(d *dicom.Dataset, t dicom.Tag) *float64 {
	f, ok := d.Float(t)
	if !ok {
		return nil
	}
	return &f
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

// Reason is the innermost cause of an error of the file system, without the path that it concerns.
func Reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
