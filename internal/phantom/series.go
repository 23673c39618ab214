package phantom

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/tomocast/tomocast/internal/dicom"
)

// Identifiers of the demo study. They are under the root for UUIDs (PS3.5 B.2) and always the same.
const (
	StudyInstanceUID  = "2.25.223519473120912738187613291747164121001"
	SeriesInstanceUID = "2.25.223519473120912738187613291747164121002"
	frameOfReference  = "2.25.223519473120912738187613291747164121003"
	instanceRoot      = "2.25.22351947312091273818761329174716412"
)

// Options says how fine the series is. The zero value is the demo study.
type Options struct {
	Columns, Rows, Slices int     // 0: 256, 256, 256
	Spacing               float64 // millimetres between voxels along all axes; 0: what shows the whole head
}

func (o Options) complete() Options {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.Columns, 256)
	def(&o.Rows, 256)
	def(&o.Slices, 256)
	if o.Spacing == 0 {
		o.Spacing = extent / float64(max(o.Columns, o.Rows, o.Slices))
	}
	return o
}

// extent is the side of the cube that the series fills, millimetres, and centre its middle.
const extent = 252.0

var centre = vec{0, -8, -10}

// origin is the centre of the first voxel of slice k.
func (o Options) origin(k int) vec {
	at := func(axis, n, i int) float64 { return centre[axis] + (float64(i)-float64(n-1)/2)*o.Spacing }
	return vec{at(0, o.Columns, 0), at(1, o.Rows, 0), at(2, o.Slices, k)}
}

// brick is the side, in voxels, of the squares of a slice that share a region.
const brick = 8

// Head is the head, ready to be cut into slices.
type Head struct {
	Options
	shapes shapes
}

// New prepares the head for slices of the options' size.
func New(o Options) *Head {
	o = o.complete()
	return &Head{o, sampled(o)}
}

// Slice computes the values of slice k, rows from anterior to posterior, columns from right to left, in Hounsfield
// units after noise and rounding.
func (h *Head) Slice(k int) []int16 {
	o := h.Options
	out := make([]int16, o.Columns*o.Rows)
	first := o.origin(k)
	at := func(i, j float64) vec { return vec{first[0] + i*o.Spacing, first[1] + j*o.Spacing, first[2]} }
	for j0 := 0; j0 < o.Rows; j0 += brick {
		for i0 := 0; i0 < o.Columns; i0 += brick {
			near := h.shapes.around(at(float64(i0)+(brick-1)/2.0, float64(j0)+(brick-1)/2.0), brick*o.Spacing/math.Sqrt2)
			for j := j0; j < min(j0+brick, o.Rows); j++ {
				for i := i0; i < min(i0+brick, o.Columns); i++ {
					v := near.value(at(float64(i), float64(j)), 2.4*o.Spacing)
					if v > -950 {
						v += noise(i, j, k)
					}
					out[i+o.Columns*j] = int16(math.Round(min(max(v, -1024), 3071)))
				}
			}
		}
	}
	return out
}

// noise is the same for the same voxel, from -6 to 6.
func noise(i, j, k int) float64 {
	h := uint32(i)*0x9E3779B1 ^ uint32(j)*0x85EBCA77 ^ uint32(k)*0xC2B2AE3D
	sum := 0.0
	for range 3 {
		h ^= h >> 15
		h *= 0x2C1B3C6D
		h ^= h >> 12
		sum += float64(h&0xFFFF)/0xFFFF - 0.5
	}
	return 4 * sum
}

// WriteSeries writes the series as DICOM files into dir, which it makes, and leaves a folder that holds all of it
// or, where it fails or ctx ends, none.
func WriteSeries(ctx context.Context, dir string, o Options) error {
	o = o.complete()
	if o.Columns < 8 || o.Rows < 8 || o.Slices < 3 || o.Columns > 1024 || o.Rows > 1024 || o.Slices > 1024 || !(o.Spacing > 0) {
		return fmt.Errorf("phantom of %dx%dx%d voxels: 8 to 1024 columns and rows, 3 to 1024 slices", o.Columns, o.Rows, o.Slices)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the folder for the demo study: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".demo-")
	if err != nil {
		return fmt.Errorf("make the folder for the demo study: %w", err)
	}
	defer os.RemoveAll(temp)
	h := New(o)
	slices, failed := make(chan int), make(chan error, 1)
	var writers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		writers.Go(func() {
			for k := range slices {
				if err := h.writeSlice(filepath.Join(temp, fmt.Sprintf("CT%04d.dcm", k+1)), k); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for k := 0; k < o.Slices && ctx.Err() == nil; k++ {
		slices <- k
	}
	close(slices)
	writers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("write the demo study: %w", err)
	default:
	}
	if err := os.Rename(temp, dir); err != nil && !os.IsExist(err) {
		return fmt.Errorf("write the demo study: %w", err)
	}
	return os.Chmod(dir, fs.FileMode(0o755))
}

func (h *Head) writeSlice(path string, k int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := dicom.Write(f, h.dataset(k)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// dataset is slice k as a CT Image (PS3.3 A.3).
func (h *Head) dataset(k int) *dicom.Dataset {
	const intercept = -1024
	o, values := h.Options, h.Slice(k)
	pixels := make([]byte, 2*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint16(pixels[2*i:], uint16(int(v)-intercept))
	}
	at := o.origin(k)
	d := &dicom.Dataset{}
	d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.SetString(dicom.ImageType, dicom.CS, `DERIVED\PRIMARY\AXIAL`)
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.2")
	d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("%s%d", instanceRoot, 2000+k))
	d.SetString(dicom.StudyDate, dicom.DA, "20260102")
	d.SetString(dicom.StudyTime, dicom.TM, "101500")
	d.SetString(dicom.AccessionNumber, dicom.SH, "DEMO-1")
	d.SetString(dicom.Modality, dicom.CS, "CT")
	d.SetString(dicom.StudyDescription, dicom.LO, "CT angiography of the head (computed)")
	d.SetString(dicom.SeriesDescription, dicom.LO, "Head phantom, contrast")
	d.SetString(dicom.PatientName, dicom.PN, "Demo^Head Phantom")
	d.SetString(dicom.PatientID, dicom.LO, "TOMOCAST-DEMO")
	d.SetString(dicom.PatientBirthDate, dicom.DA, "19700101")
	d.SetString(dicom.PatientSex, dicom.CS, "O")
	d.SetString(dicom.BodyPartExamined, dicom.CS, "HEAD")
	d.SetString(dicom.PatientPosition, dicom.CS, "HFS")
	d.SetString(dicom.StudyInstanceUID, dicom.UI, StudyInstanceUID)
	d.SetString(dicom.SeriesInstanceUID, dicom.UI, SeriesInstanceUID)
	d.SetString(dicom.StudyID, dicom.SH, "1")
	d.SetInts(dicom.SeriesNumber, dicom.IS, 1)
	d.SetInts(dicom.InstanceNumber, dicom.IS, k+1)
	d.SetString(dicom.FrameOfReferenceUID, dicom.UI, frameOfReference)
	d.SetFloats(dicom.ImagePositionPatient, dicom.DS, at[0], at[1], at[2])
	d.SetFloats(dicom.ImageOrientationPatient, dicom.DS, 1, 0, 0, 0, 1, 0)
	d.SetFloats(dicom.SliceThickness, dicom.DS, o.Spacing)
	d.SetInts(dicom.SamplesPerPixel, dicom.US, 1)
	d.SetString(dicom.PhotometricInterpretation, dicom.CS, "MONOCHROME2")
	d.SetInts(dicom.Rows, dicom.US, o.Rows)
	d.SetInts(dicom.Columns, dicom.US, o.Columns)
	d.SetFloats(dicom.PixelSpacing, dicom.DS, o.Spacing, o.Spacing)
	d.SetInts(dicom.BitsAllocated, dicom.US, 16)
	d.SetInts(dicom.BitsStored, dicom.US, 12)
	d.SetInts(dicom.HighBit, dicom.US, 11)
	d.SetInts(dicom.PixelRepresentation, dicom.US, 0)
	d.SetFloats(dicom.RescaleIntercept, dicom.DS, intercept)
	d.SetFloats(dicom.RescaleSlope, dicom.DS, 1)
	d.SetString(dicom.RescaleType, dicom.LO, "HU")
	d.SetFloats(dicom.WindowCenter, dicom.DS, 60)
	d.SetFloats(dicom.WindowWidth, dicom.DS, 400)
	d.SetBytes(dicom.PixelData, dicom.OW, pixels)
	return d
}
