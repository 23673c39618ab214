package dicom

import (
	"fmt"
	"strings"
)

// storageClass is what the UIDs of storage SOP classes begin with (PS3.4 B.5).
const storageClass = "1.2.840.10008.5.1.4.1.1."

// kinds is what objects are called in words for people, by the rest of their SOP class.
var kinds = map[string]string{
	"1":                    "a computed radiograph",
	"1.1":                  "an X-ray image",
	"1.1.1":                "an X-ray image",
	"1.2":                  "a mammogram",
	"1.2.1":                "a mammogram",
	"1.3":                  "a dental X-ray image",
	"1.3.1":                "a dental X-ray image",
	"2":                    "a CT image",
	"2.1":                  "an enhanced CT image",
	"2.2":                  "a converted enhanced CT image",
	"3":                    "an ultrasound clip",
	"3.1":                  "an ultrasound clip",
	"4":                    "an MR image",
	"4.1":                  "an enhanced MR image",
	"4.2":                  "an MR spectrum",
	"4.3":                  "an enhanced colour MR image",
	"4.4":                  "a converted enhanced MR image",
	"6":                    "an ultrasound image",
	"6.1":                  "an ultrasound image",
	"6.2":                  "an ultrasound volume",
	"7":                    "a secondary capture",
	"7.1":                  "a secondary capture in black and white",
	"7.2":                  "a grey secondary capture",
	"7.3":                  "a grey secondary capture",
	"7.4":                  "a colour secondary capture",
	"9.1.1":                "an electrocardiogram",
	"9.1.2":                "an electrocardiogram",
	"9.1.3":                "an electrocardiogram",
	"9.2.1":                "a haemodynamic waveform",
	"9.4.1":                "a voice recording",
	"11.1":                 "a presentation state",
	"11.2":                 "a presentation state",
	"11.3":                 "a presentation state",
	"11.4":                 "a presentation state",
	"11.8":                 "a presentation state",
	"12.1":                 "an X-ray angiogram",
	"12.1.1":               "an enhanced X-ray angiogram",
	"12.2":                 "a fluoroscopy",
	"12.2.1":               "an enhanced fluoroscopy",
	"13.1.1":               "a three-dimensional X-ray angiogram",
	"13.1.2":               "a three-dimensional X-ray image of head or teeth",
	"13.1.3":               "a breast tomosynthesis",
	"14.1":                 "an intravascular tomogram",
	"14.2":                 "an intravascular tomogram",
	"20":                   "a nuclear medicine image",
	"30":                   "a parametric map",
	"66":                   "raw data",
	"66.1":                 "a spatial registration",
	"66.2":                 "a spatial fiducials object",
	"66.3":                 "a deformable registration",
	"66.4":                 "a segmentation",
	"66.5":                 "a surface segmentation",
	"66.6":                 "a tractography result",
	"67":                   "a real world value mapping",
	"68.1":                 "a surface scan mesh",
	"77.1.1":               "an endoscopy image",
	"77.1.1.1":             "an endoscopy video",
	"77.1.2":               "a microscopy image",
	"77.1.2.1":             "a microscopy video",
	"77.1.3":               "a slide image",
	"77.1.4":               "a photograph",
	"77.1.4.1":             "a video",
	"77.1.5.1":             "an ophthalmic photograph",
	"77.1.5.2":             "an ophthalmic photograph",
	"77.1.5.4":             "an ophthalmic tomogram",
	"77.1.6":               "a slide image",
	"88.11":                "a structured report",
	"88.22":                "a structured report",
	"88.33":                "a structured report",
	"88.34":                "a structured report",
	"88.40":                "a procedure log",
	"88.50":                "a mammography report of computer-aided detection",
	"88.59":                "a key object selection",
	"88.65":                "a chest report of computer-aided detection",
	"88.67":                "a radiation dose report",
	"88.68":                "a radiation dose report",
	"104.1":                "a PDF document",
	"104.2":                "a CDA document",
	"104.3":                "a surface model (STL)",
	"104.4":                "a surface model (OBJ)",
	"128":                  "a PET image",
	"128.1":                "a converted enhanced PET image",
	"130":                  "an enhanced PET image",
	"481.1":                "a radiotherapy image",
	"481.2":                "a radiotherapy dose",
	"481.3":                "a radiotherapy structure set",
	"481.4":                "a radiotherapy treatment record",
	"481.5":                "a radiotherapy plan",
	"481.8":                "a radiotherapy plan",
	"501.3":                "a tomogram of security screening",
	"1.2.840.10008.1.3.10": "a DICOM directory",
}

// Kind says in words, with an article, what a data set is: "a CT image", "a PDF document", "a structured report". It
// goes by the SOP class and, where that is unknown, by the modality.
func (d *Dataset) Kind() string {
	class := d.String(SOPClassUID)
	if class == "" {
		class = d.Meta.String(MediaStorageSOPClassUID)
	}
	if k, ok := kinds[strings.TrimPrefix(class, storageClass)]; ok {
		return k
	}
	switch m := d.String(Modality); m {
	case "":
		return "an object without modality"
	case "SR":
		return "a structured report"
	default:
		return fmt.Sprintf("an object of modality %.16s", m)
	}
}
