package study

import (
	"context"
	"errors"
)

// Report is what a folder holds.
type Report struct {
	Dir string `json:"dir"`
	// Volumes are the series that make volumes.
	Volumes []VolumeReport `json:"volumes"`
	// Refused are the series that do not, each with the reason.
	Refused []RefusedReport `json:"refused"`
	// Skipped are the files that are no DICOM, or too damaged to say which series they belong to.
	Skipped []FileReport `json:"skipped"`
}

// VolumeReport describes a volume. Lengths are millimetres, directions and positions LPS.
type VolumeReport struct {
	Identity
	FrameOfReferenceUID string `json:"frameOfReferenceUID"`
	// Files is how many files the series has.
	Files int `json:"files"`
	// Size is columns, rows, slices; Spacing the distance of voxel centres along them.
	Size    [3]int     `json:"size"`
	Spacing [3]float64 `json:"spacing"`
	// Origin is the centre of the first voxel; Directions are the unit vectors along columns, rows, slices.
	Origin     [3]float64    `json:"origin"`
	Directions [3][3]float64 `json:"directions"`
	// Format is how voxels are held; Min, Max and Mean are values after the modality transform, in Units.
	Format string  `json:"format"`
	Units  string  `json:"units"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Mean   float64 `json:"mean"`
	// SHA256 is the hash of the source slices' values as float32 little endian in spatial order.
	SHA256   string    `json:"sha256"`
	Warnings []Warning `json:"warnings"`
}

// RefusedReport is a series that is no volume.
type RefusedReport struct {
	Identity
	Files  int    `json:"files"`
	Code   Code   `json:"code"`
	Reason string `json:"reason"`
}

// FileReport is a file that was left out.
type FileReport struct {
	Path   string `json:"path"`
	Code   Code   `json:"code"`
	Reason string `json:"reason"`
}

// Inspect reads every file under a folder and builds every volume in it, one after the other. Paths in the report
// are relative to the folder. The error is for a folder that cannot be read; faults of files stand in the report.
func Inspect(dir string) (*Report, error) {
	return InspectFolder(context.Background(), dir, Options{})
}

// InspectFolder is Inspect with bounds, and an end when ctx has one.
func InspectFolder(ctx context.Context, dir string, opts Options) (*Report, error) {
	c, err := scan(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Volumes: []VolumeReport{}, Refused: []RefusedReport{}, Skipped: append([]FileReport{}, c.skipped...)}
	for i := range c.series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.add(ctx, dir, &c.series[i], opts)
	}
	return r, nil
}

// add builds the volume of a series and describes it.
func (r *Report) add(ctx context.Context, dir string, s *found, opts Options) {
	res, err := buildIn(ctx, dir, s.files, opts)
	if err != nil {
		refused := RefusedReport{Identity: s.id, Files: len(s.files), Code: Unreadable, Reason: err.Error()}
		var e *Error
		if errors.As(err, &e) {
			refused.Code = e.Code
		}
		r.Refused = append(r.Refused, refused)
		return
	}
	v := res.Volume
	defer v.Free()
	report := VolumeReport{
		Identity: res.Identity, FrameOfReferenceUID: res.FrameOfReferenceUID, Files: len(s.files),
		Size: v.Size, Spacing: v.Spacing(), Origin: v.Origin,
		Format: v.Format.String(), Units: res.Units, Min: v.Min, Max: v.Max, Mean: res.Mean(),
		SHA256: res.SourceSHA256(), Warnings: append([]Warning{}, res.Warnings...),
	}
	for i, a := range v.Axes {
		report.Directions[i] = a.Unit()
	}
	r.Volumes = append(r.Volumes, report)
}
