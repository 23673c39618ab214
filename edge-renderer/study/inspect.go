package study

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tomocast/tomocast/internal/dicom"
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

// maxFiles bounds how many files Inspect looks at.
const maxFiles = 1_000_000

// Inspect reads every file under a folder and builds every volume in it, one after the other. Paths in the report
// are relative to the folder. The error is for a folder that cannot be read; faults of files stand in the report.
func Inspect(ctx context.Context, dir string, opts Options) (*Report, error) {
	paths, err := walk(ctx, dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Volumes: []VolumeReport{}, Refused: []RefusedReport{}, Skipped: []FileReport{}}
	type header struct {
		id   Identity
		err  error
		skip bool
	}
	headers := make([]header, len(paths))
	parallel(opts.Workers, len(paths), func(i int) {
		if ctx.Err() != nil {
			return
		}
		d, err := dicom.ReadFile(filepath.Join(dir, paths[i]), dicom.Options{StopAtPixelData: true, Limits: opts.Limits})
		h := &headers[i]
		if d != nil {
			h.id = identityOf(d)
		}
		if h.id.SeriesInstanceUID == "" {
			h.skip = true
			if err == nil {
				err = notInSeries(d)
			}
		}
		h.err = err
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	series := make(map[string][]int)
	var uids []string
	for i := range headers {
		h := &headers[i]
		if h.skip {
			e := readError(paths[i], h.err)
			r.Skipped = append(r.Skipped, FileReport{paths[i], e.Code, e.Reason})
			continue
		}
		uid := h.id.SeriesInstanceUID
		if series[uid] == nil {
			uids = append(uids, uid)
		}
		series[uid] = append(series[uid], i)
	}
	for _, uid := range uids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		files := make([]string, 0, len(series[uid]))
		for _, i := range series[uid] {
			files = append(files, paths[i])
		}
		r.add(ctx, dir, files, headers[series[uid][0]].id, opts)
	}
	byNumber := func(a, b Identity) int {
		return cmp.Or(cmp.Compare(a.StudyInstanceUID, b.StudyInstanceUID), cmp.Compare(a.SeriesNumber, b.SeriesNumber),
			cmp.Compare(a.SeriesInstanceUID, b.SeriesInstanceUID))
	}
	slices.SortFunc(r.Volumes, func(a, b VolumeReport) int { return byNumber(a.Identity, b.Identity) })
	slices.SortFunc(r.Refused, func(a, b RefusedReport) int { return byNumber(a.Identity, b.Identity) })
	return r, nil
}

// notInSeries is the error for a readable file that is part of no series.
func notInSeries(d *dicom.Dataset) error {
	if d.Has(dicom.DirectoryRecordSequence) {
		return errors.New("it is a DICOMDIR, a list of files, which is not needed here")
	}
	return errors.New("it has no series instance UID, so it belongs to no series")
}

// walk lists the files under a folder, by their paths relative to it.
func walk(ctx context.Context, dir string) ([]string, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, refuse(NoSlices, dir, "it is no folder; name the folder that the series lies in")
	}
	var paths []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == dir:
			return err
		case err != nil || !e.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if paths = append(paths, rel); len(paths) > maxFiles {
			return refuse(TooLarge, dir, "it holds more than %d files; name a smaller folder", maxFiles)
		}
		return nil
	})
	return paths, err
}

// add builds the volume of a series and describes it.
func (r *Report) add(ctx context.Context, dir string, files []string, id Identity, opts Options) {
	res, err := buildIn(ctx, dir, files, opts)
	if err != nil {
		refused := RefusedReport{Identity: id, Files: len(files), Code: Unreadable, Reason: err.Error()}
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
		Identity: res.Identity, FrameOfReferenceUID: res.FrameOfReferenceUID, Files: len(files),
		Size: v.Size, Spacing: v.Spacing(), Origin: v.Origin,
		Format: v.Format.String(), Units: res.Units, Min: v.Min, Max: v.Max, Mean: res.Mean(),
		SHA256: res.SourceSHA256(), Warnings: append([]Warning{}, res.Warnings...),
	}
	for i, a := range v.Axes {
		report.Directions[i] = a.Unit()
	}
	r.Volumes = append(r.Volumes, report)
}
