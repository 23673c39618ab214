package dicomweb

import (
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// study puts the attributes of PS3.18 table 10.6.3-3.
func (d Dataset) study(s *source.Study) {
	d.text(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.text(dicom.StudyDate, dicom.DA, s.StudyDate)
	d.text(dicom.StudyTime, dicom.TM, s.StudyTime)
	d.text(dicom.AccessionNumber, dicom.SH, s.AccessionNumber)
	d.text(dicom.InstanceAvailability, dicom.CS, "ONLINE")
	modalities := make([]any, len(s.Modalities))
	for i, m := range s.Modalities {
		modalities[i] = m
	}
	d.set(dicom.ModalitiesInStudy, dicom.CS, modalities...)
	d.name(dicom.ReferringPhysicianName, s.ReferringPhysician)
	d.text(dicom.StudyDescription, dicom.LO, s.Description)
	d.name(dicom.PatientName, s.PatientName)
	d.text(dicom.PatientID, dicom.LO, s.PatientID)
	d.text(dicom.PatientBirthDate, dicom.DA, s.PatientBirthDate)
	d.text(dicom.PatientSex, dicom.CS, s.PatientSex)
	d.text(dicom.StudyInstanceUID, dicom.UI, s.StudyInstanceUID)
	d.text(dicom.StudyID, dicom.SH, s.StudyID)
	d.number(dicom.NumberOfStudyRelatedSeries, dicom.IS, s.SeriesCount)
	d.number(dicom.NumberOfStudyRelatedInstances, dicom.IS, s.InstanceCount)
}

// series puts the attributes of PS3.18 table 10.6.3-4.
func (d Dataset) series(f source.Stored) {
	s := f.Series
	d.text(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.text(dicom.Modality, dicom.CS, s.Modality)
	d.text(dicom.SeriesDescription, dicom.LO, s.Description)
	d.text(dicom.BodyPartExamined, dicom.CS, s.BodyPart)
	d.text(dicom.ProtocolName, dicom.LO, s.ProtocolName)
	d.text(dicom.PatientPosition, dicom.CS, s.PatientPosition)
	d.text(dicom.StudyInstanceUID, dicom.UI, f.Study.StudyInstanceUID)
	d.text(dicom.SeriesInstanceUID, dicom.UI, s.SeriesInstanceUID)
	d.text(dicom.FrameOfReferenceUID, dicom.UI, s.FrameOfReferenceUID)
	d.number(dicom.SeriesNumber, dicom.IS, s.Number)
	d.number(dicom.NumberOfSeriesRelatedInstances, dicom.IS, s.InstanceCount)
}

// instance puts the attributes of PS3.18 table 10.6.3-5, and those of the image that the index has.
func (d Dataset) instance(f source.Stored) {
	i := f.Instance
	d.text(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.text(dicom.SOPClassUID, dicom.UI, i.SOPClassUID)
	d.text(dicom.SOPInstanceUID, dicom.UI, i.SOPInstanceUID)
	d.text(dicom.InstanceAvailability, dicom.CS, "ONLINE")
	d.text(dicom.StudyInstanceUID, dicom.UI, f.Study.StudyInstanceUID)
	d.text(dicom.SeriesInstanceUID, dicom.UI, f.Series.SeriesInstanceUID)
	d.number(dicom.InstanceNumber, dicom.IS, i.Number)
	d.text(availableTransferSyntax, dicom.UI, i.TransferSyntaxUID)
	if !i.IsImage() {
		return
	}
	d.texts(dicom.ImageType, dicom.CS, i.ImageType)
	d.number(dicom.Rows, dicom.US, i.Rows)
	d.number(dicom.Columns, dicom.US, i.Columns)
	d.number(dicom.NumberOfFrames, dicom.IS, i.Frames)
	d.number(dicom.SamplesPerPixel, dicom.US, i.Samples)
	d.text(dicom.PhotometricInterpretation, dicom.CS, i.Photometric)
	d.number(dicom.BitsAllocated, dicom.US, i.BitsAllocated)
	d.number(dicom.BitsStored, dicom.US, i.BitsStored)
	signed := 0
	if i.Signed {
		signed = 1
	}
	d.number(dicom.PixelRepresentation, dicom.US, signed)
	if i.Position != nil {
		d.floats(dicom.ImagePositionPatient, i.Position[:]...)
	}
	if i.Orientation != nil {
		d.floats(dicom.ImageOrientationPatient, i.Orientation[:]...)
	}
	if i.Spacing != nil {
		d.floats(dicom.PixelSpacing, i.Spacing[:]...)
	}
	if i.Rescale != nil {
		d.floats(dicom.RescaleSlope, i.Rescale[0])
		d.floats(dicom.RescaleIntercept, i.Rescale[1])
	}
	if i.Window != nil {
		d.floats(dicom.WindowCenter, i.Window[0])
		d.floats(dicom.WindowWidth, i.Window[1])
	}
}
