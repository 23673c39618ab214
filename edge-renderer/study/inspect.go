package study

import (
	"context"
	"os"
	"path/filepath"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/research"
)

// Report is what a folder holds.
type Report struct {
	Dir string `json:"dir"`
	// Volumes are the parts of series that make volumes.
	Volumes []VolumeReport `json:"volumes"`
	// Segmentations are the label volumes, of DICOM segmentations and of label maps in NIfTI and NRRD.
	Segmentations []LabelReport `json:"segmentations"`
	// Refused are the series, and the parts of series, that do not, each with the reason.
	Refused []RefusedReport `json:"refused"`
	// Skipped are the files that are no DICOM, or too damaged to say which series they belong to.
	Skipped []FileReport `json:"skipped"`
}

// VolumeReport describes a volume. Lengths are millimetres, directions and positions LPS.
type VolumeReport struct {
	Identity
	FrameOfReferenceUID string `json:"frameOfReferenceUID"`
	// Part is its number within the series, from 1, of Parts; Name is what tells it from the others.
	Part  int    `json:"part"`
	Parts int    `json:"parts"`
	Name  string `json:"name"`
	// Files is how many files the series has, Slices how many of their frames the volume was made of at each time
	// point.
	Files  int `json:"files"`
	Slices int `json:"slices"`
	// Size is columns, rows, planes; Spacing the distance of voxel centres along them.
	Size    [3]int     `json:"size"`
	Spacing [3]float64 `json:"spacing"`
	// Origin is the centre of the first voxel; Directions are the unit vectors along columns, rows, planes. Plane
	// is the name of the plane that slices lie in, TiltDegrees how far the way from one to the next leans from
	// their normal.
	Origin      [3]float64    `json:"origin"`
	Directions  [3][3]float64 `json:"directions"`
	Plane       string        `json:"plane"`
	TiltDegrees float64       `json:"tiltDegrees"`
	// Resampled: planes do not stand where slices do; Warnings say by how much.
	Resampled bool `json:"resampled"`
	// TimePoints are those of a 4D series; empty for 3D.
	TimePoints []TimePointReport `json:"timePoints"`
	// Format is how voxels are held; Min, Max and Mean are values after the modality transform, in Units.
	Format string  `json:"format"`
	Units  string  `json:"units"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Mean   float64 `json:"mean"`
	// SHA256 is the hash of the source slices' values as float32 little endian in spatial order, those of one place
	// in the order of time.
	SHA256   string    `json:"sha256"`
	Warnings []Warning `json:"warnings"`
}

// LabelReport describes a label volume.
type LabelReport struct {
	Identity
	Path     string          `json:"path"`
	Size     [3]int          `json:"size"`
	Spacing  [3]float64      `json:"spacing"`
	Origin   [3]float64      `json:"origin"`
	Layers   int             `json:"layers"`
	Segments []SegmentReport `json:"segments"`
	Warnings []Warning       `json:"warnings"`
}

// SegmentReport is a segment of a label volume.
type SegmentReport struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Voxels int    `json:"voxels"`
}

// TimePointReport is a time point of a 4D series, Ms after the first one.
type TimePointReport struct {
	Label string  `json:"label"`
	Ms    float64 `json:"ms"`
}

// RefusedReport is a series, or a part of one, that is no volume.
type RefusedReport struct {
	Identity
	// Part and Name are those of a part; 0 and empty where it is the series as a whole.
	Part  int    `json:"part"`
	Name  string `json:"name"`
	Files int    `json:"files"`
	// Images is how many images can be shown one by one.
	Images int    `json:"images"`
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
	r := &Report{Dir: dir, Volumes: []VolumeReport{}, Segmentations: []LabelReport{}, Refused: []RefusedReport{}, Skipped: append([]FileReport{}, c.skipped...)}
	for i := range c.series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.add(ctx, dir, &c.series[i], opts)
	}
	for _, path := range c.labels {
		d, err := dicom.ReadFile(filepath.Join(dir, path), dicom.Options{Limits: opts.Limits})
		if err != nil {
			err = readError(path, err)
		} else {
			err = r.labels(path, func() (*Labels, error) { return BuildLabels(path, d, opts) })
		}
		if err != nil {
			r.skip(path, err)
		}
	}
	for _, path := range c.research {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if m, err := research.Open(os.DirFS(dir), filepath.ToSlash(path)); err == nil && m.Labels {
			if err := r.labels(path, func() (*Labels, error) { return BuildResearchLabels(os.DirFS(dir), filepath.ToSlash(path), opts) }); err != nil {
				r.skip(path, err)
			}
		}
		res, err := buildResearch(os.DirFS(dir), filepath.ToSlash(path), opts)
		if err != nil {
			r.skip(path, err)
			continue
		}
		r.volume(res, 1)
	}
	return r, nil
}

func (r *Report) skip(path string, err error) {
	e := asError(path, err)
	r.Skipped = append(r.Skipped, FileReport{path, e.Code, e.Reason})
}

// labels builds and describes a label volume.
func (r *Report) labels(path string, build func() (*Labels, error)) error {
	l, err := build()
	if err != nil {
		return err
	}
	defer l.Free()
	report := LabelReport{Identity: l.Identity, Path: path, Size: l.Size, Spacing: l.Spacing(), Origin: l.Origin, Layers: l.Layers(),
		Segments: []SegmentReport{}, Warnings: append([]Warning{}, l.Warnings...)}
	for i := range l.Segments {
		s := &l.Segments[i]
		report.Segments = append(report.Segments, SegmentReport{s.Number, s.Name, s.Type, l.Count(s)})
	}
	r.Segmentations = append(r.Segmentations, report)
	return nil
}

// add builds the volumes of a series and describes them.
func (r *Report) add(ctx context.Context, dir string, s *found, opts Options) {
	c := s.catalogue(opts)
	for i, p := range c.list {
		opts.Part = i + 1
		if !p.Volume && len(c.list) > 1 {
			_, err := c.choose(opts.Part)
			r.refused(s, p, &Error{Code: asError("", err).Code, Reason: p.Reason})
			continue
		}
		res, err := s.build(ctx, dir, opts)
		if err != nil {
			r.refused(s, p, err)
			continue
		}
		r.volume(res, s.files)
	}
	if len(c.list) == 0 {
		_, err := c.choose(0)
		r.refused(s, Part{}, err)
	}
	r.leftOut(c, s)
}

// leftOut lists the files of a series that could not be used.
func (r *Report) leftOut(c *catalogue, s *found) {
	code := make(map[string]Code)
	for i := range s.damaged {
		code[s.damaged[i].Name] = s.damaged[i].Code
	}
	for _, f := range c.leftOut {
		k, ok := code[f.Name]
		if !ok {
			if len(c.list) == 0 {
				continue // the series as a whole is told of
			}
			k = NotVolume
		}
		r.Skipped = append(r.Skipped, FileReport{f.Name, k, f.Reason})
	}
}

func (r *Report) refused(s *found, p Part, err error) {
	r.Refused = append(r.Refused, RefusedReport{Identity: s.id, Part: p.Number, Name: p.Name, Files: s.files, Images: len(p.Images),
		Code: asError("", err).Code, Reason: err.Error()})
}

// volume describes a volume and frees it.
func (r *Report) volume(res *Result, files int) {
	defer res.Free()
	v := res.Volume
	report := VolumeReport{
		Identity: res.Identity, FrameOfReferenceUID: res.FrameOfReferenceUID, Files: files,
		Part: res.Part.Number, Parts: len(res.Parts), Name: res.Part.Name, Slices: res.Part.Slices,
		Size: v.Size, Spacing: v.Spacing(), Origin: v.Origin, TiltDegrees: tiltOf(v.Geometry), Plane: planeOf(v.Axes[0].Cross(v.Axes[1])),
		Resampled: res.resampled, TimePoints: []TimePointReport{},
		Format: v.Format.String(), Units: res.Units, Min: v.Min, Max: v.Max, Mean: res.Mean(),
		SHA256: res.SourceSHA256(), Warnings: append([]Warning{}, res.Warnings...),
	}
	for _, p := range res.Phases {
		report.TimePoints = append(report.TimePoints, TimePointReport{p.Label, p.Ms})
	}
	for i, a := range v.Axes {
		report.Directions[i] = a.Unit()
	}
	r.Volumes = append(r.Volumes, report)
}
