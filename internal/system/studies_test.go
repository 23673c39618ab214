package system

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
	"github.com/tomocast/tomocast/signaling"
)

// The studies of the tests.
const (
	studyUID   = "1.2.826.0.1.3680043.10.1417.31"
	seriesUID  = studyUID + ".1"
	badUID     = "1.2.826.0.1.3680043.10.1417.32" // of the study whose series cannot be shown
	unknownUID = "1.2.826.0.1.3680043.10.1417.33"

	patientName = "Geheim^Gesine"
	patientID   = "PAT-90210-X"
	accession   = "ACC-77123"
	birthDate   = "19470328"
)

// patientData must not be logged: names, numbers, and UIDs, which all begin alike here.
var patientData = []string{"Geheim", "Gesine", patientID, accession, birthDate, "1.2.826.0.1.3680043.10.1417"}

// chest is the series that most tests show.
var chest = signaling.SeriesRef{StudyInstanceUID: studyUID, SeriesInstanceUID: seriesUID}

// size is columns, rows and slices.
type size [3]int

var small = size{48, 40, 24}

// value is what a voxel holds, in HU: a skull with something in it, different in all six directions.
func (n size) value(x, y, z int) int {
	at := func(i, n int) float64 { return 2*float64(i)/float64(n-1) - 1 }
	fx, fy, fz := at(x, n[0]), at(y, n[1]), at(z, n[2])
	r := fx*fx + fy*fy + fz*fz
	lx, ly, lz := fx-0.3, fy+0.2, fz-0.35
	switch {
	case lx*lx+ly*ly+lz*lz < 0.04:
		return 300
	case r < 0.55:
		return 40
	case r < 0.8:
		return 1100
	}
	return -1000
}

// slice is one slice of a series; k counts from 0 at the feet.
func slice(study, series string, n size, k int) *dicom.Dataset {
	d := sourcetest.Slice(study, series, k+1)
	d.SetString(dicom.PatientName, dicom.PN, patientName)
	d.SetString(dicom.PatientID, dicom.LO, patientID)
	d.SetString(dicom.PatientBirthDate, dicom.DA, birthDate)
	d.SetString(dicom.AccessionNumber, dicom.SH, accession)
	d.SetInts(dicom.Columns, dicom.US, n[0])
	d.SetInts(dicom.Rows, dicom.US, n[1])
	d.SetFloats(dicom.PixelSpacing, dicom.DS, 2, 2)
	d.SetFloats(dicom.ImagePositionPatient, dicom.DS, -float64(n[0]), -float64(n[1]), 3*float64(k))
	pixels := make([]byte, 0, 2*n[0]*n[1])
	for y := range n[1] {
		for x := range n[0] {
			pixels = binary.LittleEndian.AppendUint16(pixels, uint16(n.value(x, y, k)+1024))
		}
	}
	d.SetBytes(dicom.PixelData, dicom.OW, pixels)
	return d
}

// writeSeries writes a series into a folder, each slice as change leaves it; a slice that it returns nil for is left out.
func writeSeries(t testing.TB, dir, study, series string, n size, change func(k int, d *dicom.Dataset) *dicom.Dataset) {
	t.Helper()
	for k := range n[2] {
		d := slice(study, series, n, k)
		if change != nil {
			d = change(k, d)
		}
		if d != nil {
			sourcetest.Write(t, sliceFile(dir, k), d)
		}
	}
}

// sliceFile is the file of a slice. Names go backwards, so that nothing can rely on their order.
func sliceFile(dir string, k int) string {
	return filepath.Join(dir, fmt.Sprintf("image-%04d", 9999-k))
}

// studies writes a folder with the study that most tests show, in the folder "chest" below it.
func studies(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	writeSeries(t, filepath.Join(dir, "chest"), studyUID, seriesUID, small, nil)
	return dir
}
