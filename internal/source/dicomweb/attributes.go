package dicomweb

import (
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// How a research file says what it is: as an encapsulated document does (PS3.3 C.24.2).
const (
	documentTitle dicom.Tag = 0x00420010
	mimeType      dicom.Tag = 0x00420012
)

// result is one result of a search.
func result() *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	return d
}

// setStudy puts the attributes of PS3.18 table 10.6.3-3.
func setStudy(d *dicom.Dataset, s *source.Study) {
	d.SetString(dicom.StudyDate, dicom.DA, s.StudyDate)
	d.SetString(dicom.StudyTime, dicom.TM, s.StudyTime)
	d.SetString(dicom.AccessionNumber, dicom.SH, s.AccessionNumber)
	d.SetString(dicom.InstanceAvailability, dicom.CS, "ONLINE")
	d.SetString(dicom.ModalitiesInStudy, dicom.CS, s.Modalities...)
	d.SetString(dicom.ReferringPhysicianName, dicom.PN, s.ReferringPhysician)
	d.SetString(dicom.StudyDescription, dicom.LO, s.Description)
	d.SetString(dicom.PatientName, dicom.PN, s.PatientName)
	d.SetString(dicom.PatientID, dicom.LO, s.PatientID)
	if s.IssuerOfPatientID != "" {
		d.SetString(dicom.IssuerOfPatientID, dicom.LO, s.IssuerOfPatientID)
	}
	d.SetString(dicom.PatientBirthDate, dicom.DA, s.PatientBirthDate)
	d.SetString(dicom.PatientSex, dicom.CS, s.PatientSex)
	d.SetString(dicom.StudyInstanceUID, dicom.UI, s.StudyInstanceUID)
	d.SetString(dicom.StudyID, dicom.SH, s.StudyID)
	d.SetInts(dicom.NumberOfStudyRelatedSeries, dicom.IS, s.SeriesCount)
	d.SetInts(dicom.NumberOfStudyRelatedInstances, dicom.IS, s.InstanceCount)
}

// setSeries puts the attributes of PS3.18 table 10.6.3-4.
func setSeries(d *dicom.Dataset, f source.Stored) {
	s := f.Series
	d.SetString(dicom.Modality, dicom.CS, s.Modality)
	d.SetString(dicom.SeriesDescription, dicom.LO, s.Description)
	d.SetString(dicom.BodyPartExamined, dicom.CS, s.BodyPart)
	d.SetString(dicom.ProtocolName, dicom.LO, s.ProtocolName)
	d.SetString(dicom.PatientPosition, dicom.CS, s.PatientPosition)
	d.SetString(dicom.StudyInstanceUID, dicom.UI, f.Study.StudyInstanceUID)
	d.SetString(dicom.SeriesInstanceUID, dicom.UI, s.SeriesInstanceUID)
	d.SetString(dicom.FrameOfReferenceUID, dicom.UI, s.FrameOfReferenceUID)
	d.SetInts(dicom.SeriesNumber, dicom.IS, s.Number)
	d.SetInts(dicom.NumberOfSeriesRelatedInstances, dicom.IS, s.InstanceCount)
	if s.Media != "" {
		d.SetString(mimeType, dicom.LO, s.Media)
	}
}

// setInstance puts the attributes of PS3.18 table 10.6.3-5, and those of the image that the index has.
func setInstance(d *dicom.Dataset, f source.Stored) {
	i := f.Instance
	d.SetString(dicom.SOPClassUID, dicom.UI, i.SOPClassUID)
	d.SetString(dicom.SOPInstanceUID, dicom.UI, i.SOPInstanceUID)
	d.SetString(dicom.InstanceAvailability, dicom.CS, "ONLINE")
	d.SetString(dicom.StudyInstanceUID, dicom.UI, f.Study.StudyInstanceUID)
	d.SetString(dicom.SeriesInstanceUID, dicom.UI, f.Series.SeriesInstanceUID)
	d.SetInts(dicom.InstanceNumber, dicom.IS, i.Number)
	d.SetString(availableTransferSyntax, dicom.UI, i.TransferSyntaxUID)
	if i.Media != "" {
		d.SetString(mimeType, dicom.LO, i.Media)
		d.SetString(documentTitle, dicom.ST, i.Name)
	}
	if !i.IsImage() {
		return
	}
	d.SetString(dicom.ImageType, dicom.CS, i.ImageType)
	d.SetInts(dicom.Rows, dicom.US, i.Rows)
	d.SetInts(dicom.Columns, dicom.US, i.Columns)
	d.SetInts(dicom.NumberOfFrames, dicom.IS, i.Frames)
	d.SetInts(dicom.SamplesPerPixel, dicom.US, i.Samples)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, i.Photometric)
	d.SetInts(dicom.BitsAllocated, dicom.US, i.BitsAllocated)
	d.SetInts(dicom.BitsStored, dicom.US, i.BitsStored)
	signed := 0
	if i.Signed {
		signed = 1
	}
	d.SetInts(dicom.PixelRepresentation, dicom.US, signed)
	if i.Position != nil {
		d.SetFloats(dicom.ImagePositionPatient, dicom.DS, i.Position[:]...)
	}
	if i.Orientation != nil {
		d.SetFloats(dicom.ImageOrientationPatient, dicom.DS, i.Orientation[:]...)
	}
	if i.Spacing != nil {
		d.SetFloats(dicom.PixelSpacing, dicom.DS, i.Spacing[:]...)
	}
	if i.Rescale != nil {
		d.SetFloats(dicom.RescaleSlope, dicom.DS, i.Rescale[0])
		d.SetFloats(dicom.RescaleIntercept, dicom.DS, i.Rescale[1])
	}
	if i.Window != nil {
		d.SetFloats(dicom.WindowCenter, dicom.DS, i.Window[0])
		d.SetFloats(dicom.WindowWidth, dicom.DS, i.Window[1])
	}
	if i.FrameOfReferenceUID != "" {
		d.SetString(dicom.FrameOfReferenceUID, dicom.UI, i.FrameOfReferenceUID)
	}
	if i.EchoNumber != 0 {
		d.SetInts(dicom.EchoNumbers, dicom.IS, i.EchoNumber)
	}
	for _, f := range []struct {
		tag   dicom.Tag
		vr    dicom.VR
		value *float64
	}{
		{dicom.EchoTime, dicom.DS, i.EchoTime}, {dicom.InversionTime, dicom.DS, i.InversionTime},
		{dicom.TriggerTime, dicom.DS, i.TriggerTime}, {dicom.DiffusionBValue, dicom.FD, i.BValue},
	} {
		if f.value != nil {
			d.SetFloats(f.tag, f.vr, *f.value)
		}
	}
}
