package dicom

import "fmt"

// Tag names an element: the group in the upper 16 bits, the element number in the lower.
type Tag uint32

// The tags that this project uses, by their PS3.6 keywords.
const (
	FileMetaInformationGroupLength Tag = 0x00020000
	FileMetaInformationVersion     Tag = 0x00020001
	MediaStorageSOPClassUID        Tag = 0x00020002
	MediaStorageSOPInstanceUID     Tag = 0x00020003
	TransferSyntaxUID              Tag = 0x00020010
	ImplementationClassUID         Tag = 0x00020012
	ImplementationVersionName      Tag = 0x00020013

	firstRootRecord          Tag = 0x00041200
	DirectoryRecordSequence  Tag = 0x00041220
	nextRecord               Tag = 0x00041400
	recordInUse              Tag = 0x00041410
	lowerRecord              Tag = 0x00041420
	directoryRecordType      Tag = 0x00041430
	ReferencedFileID         Tag = 0x00041500
	referencedClassInFile    Tag = 0x00041510
	referencedInstanceInFile Tag = 0x00041511
	referencedSyntaxInFile   Tag = 0x00041512

	SpecificCharacterSet           Tag = 0x00080005
	ImageType                      Tag = 0x00080008
	InstanceCreationDate           Tag = 0x00080012
	InstanceCreationTime           Tag = 0x00080013
	SOPClassUID                    Tag = 0x00080016
	SOPInstanceUID                 Tag = 0x00080018
	StudyDate                      Tag = 0x00080020
	SeriesDate                     Tag = 0x00080021
	AcquisitionDate                Tag = 0x00080022
	ContentDate                    Tag = 0x00080023
	StudyTime                      Tag = 0x00080030
	SeriesTime                     Tag = 0x00080031
	AcquisitionTime                Tag = 0x00080032
	ContentTime                    Tag = 0x00080033
	AccessionNumber                Tag = 0x00080050
	QueryRetrieveLevel             Tag = 0x00080052
	RetrieveAETitle                Tag = 0x00080054
	InstanceAvailability           Tag = 0x00080056
	Modality                       Tag = 0x00080060
	ModalitiesInStudy              Tag = 0x00080061
	ConversionType                 Tag = 0x00080064
	Manufacturer                   Tag = 0x00080070
	InstitutionName                Tag = 0x00080080
	ReferringPhysicianName         Tag = 0x00080090
	TimezoneOffsetFromUTC          Tag = 0x00080201
	StudyDescription               Tag = 0x00081030
	SeriesDescription              Tag = 0x0008103E
	ManufacturerModelName          Tag = 0x00081090
	referencedImageSequence        Tag = 0x00081140
	referencedInstanceSequence     Tag = 0x0008114A
	ReferencedSOPClassUID          Tag = 0x00081150
	ReferencedSOPInstanceUID       Tag = 0x00081155
	RetrieveURL                    Tag = 0x00081190
	DerivationDescription          Tag = 0x00082111
	sourceImageSequence            Tag = 0x00082112
	FrameType                      Tag = 0x00089007
	derivationImageSequence        Tag = 0x00089124
	PatientName                    Tag = 0x00100010
	PatientID                      Tag = 0x00100020
	IssuerOfPatientID              Tag = 0x00100021
	PatientBirthDate               Tag = 0x00100030
	PatientSex                     Tag = 0x00100040
	PatientAge                     Tag = 0x00101010
	BodyPartExamined               Tag = 0x00180015
	SliceThickness                 Tag = 0x00180050
	KVP                            Tag = 0x00180060
	RepetitionTime                 Tag = 0x00180080
	EchoTime                       Tag = 0x00180081
	InversionTime                  Tag = 0x00180082
	EchoNumbers                    Tag = 0x00180086
	SpacingBetweenSlices           Tag = 0x00180088
	ProtocolName                   Tag = 0x00181030
	TriggerTime                    Tag = 0x00181060
	ReconstructionDiameter         Tag = 0x00181100
	GantryDetectorTilt             Tag = 0x00181120
	ImagerPixelSpacing             Tag = 0x00181164
	ConvolutionKernel              Tag = 0x00181210
	NominalScannedPixelSpacing     Tag = 0x00182010
	PatientPosition                Tag = 0x00185100
	FrameAcquisitionDateTime       Tag = 0x00189074
	InversionTimes                 Tag = 0x00189079
	EffectiveEchoTime              Tag = 0x00189082
	DiffusionBValue                Tag = 0x00189087
	DiffusionGradientOrientation   Tag = 0x00189089
	FrameReferenceDateTime         Tag = 0x00189151
	StudyInstanceUID               Tag = 0x0020000D
	SeriesInstanceUID              Tag = 0x0020000E
	StudyID                        Tag = 0x00200010
	SeriesNumber                   Tag = 0x00200011
	AcquisitionNumber              Tag = 0x00200012
	InstanceNumber                 Tag = 0x00200013
	ImagePositionPatient           Tag = 0x00200032
	ImageOrientationPatient        Tag = 0x00200037
	FrameOfReferenceUID            Tag = 0x00200052
	Laterality                     Tag = 0x00200060
	TemporalPositionID             Tag = 0x00200100
	PositionReferenceIndicator     Tag = 0x00201040
	SliceLocation                  Tag = 0x00201041
	NumberOfPatientRelatedStudies  Tag = 0x00201200
	NumberOfStudyRelatedSeries     Tag = 0x00201206
	NumberOfStudyRelatedInstances  Tag = 0x00201208
	NumberOfSeriesRelatedInstances Tag = 0x00201209
	StackID                        Tag = 0x00209056
	InStackPositionNumber          Tag = 0x00209057
	TemporalPositionIndex          Tag = 0x00209128
	NominalCardiacTriggerDelayTime Tag = 0x00209153
	FrameAcquisitionNumber         Tag = 0x00209156
	DimensionIndexValues           Tag = 0x00209157

	SamplesPerPixel                   Tag = 0x00280002
	PhotometricInterpretation         Tag = 0x00280004
	PlanarConfiguration               Tag = 0x00280006
	NumberOfFrames                    Tag = 0x00280008
	Rows                              Tag = 0x00280010
	Columns                           Tag = 0x00280011
	PixelSpacing                      Tag = 0x00280030
	PixelAspectRatio                  Tag = 0x00280034
	BitsAllocated                     Tag = 0x00280100
	BitsStored                        Tag = 0x00280101
	HighBit                           Tag = 0x00280102
	PixelRepresentation               Tag = 0x00280103
	SmallestImagePixelValue           Tag = 0x00280106
	LargestImagePixelValue            Tag = 0x00280107
	PixelPaddingValue                 Tag = 0x00280120
	PixelPaddingRangeLimit            Tag = 0x00280121
	FloatPixelPaddingValue            Tag = 0x00280122
	DoubleFloatPixelPaddingValue      Tag = 0x00280123
	FloatPixelPaddingRangeLimit       Tag = 0x00280124
	DoubleFloatPixelPaddingRangeLimit Tag = 0x00280125
	BurnedInAnnotation                Tag = 0x00280301
	WindowCenter                      Tag = 0x00281050
	WindowWidth                       Tag = 0x00281051
	RescaleIntercept                  Tag = 0x00281052
	RescaleSlope                      Tag = 0x00281053
	RescaleType                       Tag = 0x00281054
	WindowCenterWidthExplanation      Tag = 0x00281055
	VOILUTFunction                    Tag = 0x00281056
	RedPaletteDescriptor              Tag = 0x00281101
	RedPaletteData                    Tag = 0x00281201
	SegmentedRedPaletteData           Tag = 0x00281221
	LossyImageCompression             Tag = 0x00282110
	LossyImageCompressionRatio        Tag = 0x00282112
	ModalityLUTSequence               Tag = 0x00283000
	LUTDescriptor                     Tag = 0x00283002
	LUTExplanation                    Tag = 0x00283003
	LUTData                           Tag = 0x00283006
	VOILUTSequence                    Tag = 0x00283010
	RealWorldValueMappingSequence     Tag = 0x00409096
	Units                             Tag = 0x00541001
	FrameReferenceTime                Tag = 0x00541300
	PresentationLUTShape              Tag = 0x20500020
	GridFrameOffsetVector             Tag = 0x3004000C
	DoseGridScaling                   Tag = 0x3004000E
	SegmentSequence                   Tag = 0x00620002
	ReferencedSegmentNumber           Tag = 0x0062000B
	SharedFunctionalGroupsSequence    Tag = 0x52009229
	PerFrameFunctionalGroupsSequence  Tag = 0x52009230
	OverlayBitPosition                Tag = 0x60000102
	ExtendedOffsetTable               Tag = 0x7FE00001
	ExtendedOffsetTableLengths        Tag = 0x7FE00002
	FloatPixelData                    Tag = 0x7FE00008
	DoubleFloatPixelData              Tag = 0x7FE00009
	PixelData                         Tag = 0x7FE00010
	DataSetTrailingPadding            Tag = 0xFFFCFFFC
	tagItem                           Tag = 0xFFFEE000
	tagItemDelimitation               Tag = 0xFFFEE00D
	tagSequenceDelimitation           Tag = 0xFFFEE0DD
)

// Group is the upper half of the tag.
func (t Tag) Group() uint16 { return uint16(t >> 16) }

// Element is the lower half of the tag.
func (t Tag) Element() uint16 { return uint16(t) }

// Private says whether the tag belongs to a manufacturer (odd group, PS3.5 7.8).
func (t Tag) Private() bool { return t>>16&1 == 1 }

// String is the tag as the standard prints it, "(0010,0010)".
func (t Tag) String() string { return fmt.Sprintf("(%04X,%04X)", t.Group(), t.Element()) }
