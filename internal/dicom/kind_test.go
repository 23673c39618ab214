package dicom_test

import (
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
)

func TestKind(t *testing.T) {
	for _, c := range []struct{ class, modality, want string }{
		{"1.2.840.10008.5.1.4.1.1.2", "CT", "a CT image"},
		{"1.2.840.10008.5.1.4.1.1.4.1", "MR", "an enhanced MR image"},
		{"1.2.840.10008.5.1.4.1.1.104.1", "DOC", "a PDF document"},
		{"1.2.840.10008.5.1.4.1.1.88.59", "KO", "a key object selection"},
		{"1.2.840.10008.5.1.4.1.1.11.1", "PR", "a presentation state"},
		{"1.2.840.10008.5.1.4.1.1.66.4", "SEG", "a segmentation"},
		{"1.2.840.10008.1.3.10", "", "a DICOM directory"},
		{"1.2.3", "XY", "an object of modality XY"},
		{"1.2.3", "SR", "a structured report"},
		{"", "", "an object without modality"},
	} {
		d := &dicom.Dataset{}
		d.SetString(dicom.SOPClassUID, dicom.UI, c.class)
		d.SetString(dicom.Modality, dicom.CS, c.modality)
		if got := d.Kind(); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.class, c.modality, got, c.want)
		}
	}
	d := &dicom.Dataset{Meta: &dicom.Dataset{}}
	d.Meta.SetString(dicom.MediaStorageSOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.128")
	if got := d.Kind(); got != "a PET image" {
		t.Errorf("by its meta information: %q", got)
	}
}
