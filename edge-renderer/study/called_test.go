package study

import (
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// People are told of an image by its number where its source knows no file name.
func TestImagesAreCalledByTheirNumber(t *testing.T) {
	d := &dicom.Dataset{}
	d.SetString(dicom.SOPInstanceUID, dicom.UI, "1.2.3.7")
	d.SetInts(dicom.InstanceNumber, dicom.IS, 7)
	for _, c := range []struct{ name, want string }{{"1.2.3.7", "image 7"}, {"a/file.dcm", "a/file.dcm"}, {"", ""}} {
		if got := calledIn(c.name, d); got != c.want {
			t.Errorf("%q is called %q, want %q", c.name, got, c.want)
		}
	}
	for want, in := range map[string]source.Instance{"image 3": {SOPInstanceUID: "1.2", Number: 3}, "1.2": {SOPInstanceUID: "1.2"},
		"brain.nii": {SOPInstanceUID: "1.2", Number: 3, Name: "brain.nii"}} {
		if got := called(&in); got != want {
			t.Errorf("%+v is called %q, want %q", in, got, want)
		}
	}
}
