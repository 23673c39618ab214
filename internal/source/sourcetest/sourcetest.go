// Package sourcetest makes small DICOM files for the tests of sources.
package sourcetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
)

// Old is a modification time well in the past, so that a file written a moment later differs in it.
var Old = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// CTImageStorage is the SOP class of the slices (PS3.4 B.5).
const CTImageStorage = "1.2.840.10008.5.1.4.1.1.2"

// Slice is an axial CT slice of 8x8 voxels. It is a data set that may be changed before it is written.
func Slice(study, series string, number int) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.SetString(dicom.SOPClassUID, dicom.UI, CTImageStorage)
	d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("%s.%d", series, number))
	d.SetString(dicom.StudyDate, dicom.DA, "20240131")
	d.SetString(dicom.StudyTime, dicom.TM, "101500")
	d.SetString(dicom.AccessionNumber, dicom.SH, "A1")
	d.SetString(dicom.Modality, dicom.CS, "CT")
	d.SetString(dicom.StudyDescription, dicom.LO, "Chest")
	d.SetString(dicom.SeriesDescription, dicom.LO, "Axial")
	d.SetString(dicom.PatientName, dicom.PN, "Müller^Änne")
	d.SetString(dicom.PatientID, dicom.LO, "P-1")
	d.SetString(dicom.PatientBirthDate, dicom.DA, "19600229")
	d.SetString(dicom.PatientSex, dicom.CS, "F")
	d.SetString(dicom.StudyInstanceUID, dicom.UI, study)
	d.SetString(dicom.SeriesInstanceUID, dicom.UI, series)
	d.SetInts(dicom.SeriesNumber, dicom.IS, 3)
	d.SetInts(dicom.InstanceNumber, dicom.IS, number)
	d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -12.5, 3, float64(number)*2.5)
	d.SetFloats(dicom.ImageOrientationPatient, dicom.DS, 1, 0, 0, 0, 1, 0)
	d.SetInts(dicom.SamplesPerPixel, dicom.US, 1)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME2")
	d.SetInts(dicom.Rows, dicom.US, 8)
	d.SetInts(dicom.Columns, dicom.US, 8)
	d.SetFloats(dicom.PixelSpacing, dicom.DS, 0.75, 0.5)
	d.SetInts(dicom.BitsAllocated, dicom.US, 16)
	d.SetInts(dicom.BitsStored, dicom.US, 12)
	d.SetInts(dicom.HighBit, dicom.US, 11)
	d.SetInts(dicom.PixelRepresentation, dicom.US, 0)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, -1024)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 1)
	d.SetBytes(dicom.PixelData, dicom.OW, bytes.Repeat([]byte{byte(number), 1}, 64))
	return d
}

// Write writes a data set as a file with an old modification time, and the directories above it.
func Write(t testing.TB, path string, d *dicom.Dataset) {
	t.Helper()
	WriteBytes(t, path, Encode(t, d))
}

// Encode is a data set as a file.
func Encode(t testing.TB, d *dicom.Dataset) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dicom.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// WriteBytes writes a file with an old modification time, and the directories above it.
func WriteBytes(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, Old, Old); err != nil {
		t.Fatal(err)
	}
}

// WriteSeries writes n slices, numbered from 1, into dir, under names that say nothing of their order.
func WriteSeries(t testing.TB, dir, study, series string, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		Write(t, filepath.Join(dir, fmt.Sprintf("f%03d", (i*37)%101)), Slice(study, series, i))
	}
}

// Studies is a folder of the real studies that tests are run with; the test is skipped where it is missing.
func Studies(t testing.TB, name string) string {
	t.Helper()
	return Data(t, "studies", name)
}

// Data is a file or folder of the data that tests are run with; the test is skipped where it is missing.
// TOMOCAST_TESTDATA names the directory above it, else shared/data beside one of the directories above this one is
// taken.
func Data(t testing.TB, name ...string) string {
	t.Helper()
	var candidates []string
	if root := os.Getenv("TOMOCAST_TESTDATA"); root != "" {
		candidates = []string{root}
	} else if dir, err := os.Getwd(); err == nil {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			candidates = append(candidates, filepath.Join(dir, "shared", "data"))
		}
	}
	for _, c := range candidates {
		path := filepath.Join(append([]string{c}, name...)...)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skipf("the test data %s are not here: set TOMOCAST_TESTDATA", filepath.Join(name...))
	return ""
}
