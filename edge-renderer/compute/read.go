package compute

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/memory"
	"github.com/tomocast/tomocast/signaling"
)

// read makes the volume of a file that a terminal has sent for an operation on a series: a DICOM object, a NIfTI or NRRD file,
// or a zip archive of files. Of several series the largest volume is taken. The voxels take at most so many bytes; the caller
// frees them. data is wiped.
func read(ctx context.Context, data []byte, most int64) (*study.Result, error) {
	store := memory.New(int64(len(data)))
	defer store.Close()
	if err := store.Add("data", data); err != nil {
		return nil, err
	}
	summary, err := store.Finish(ctx, signaling.Uploads)
	if err != nil {
		return nil, err
	}
	type found struct {
		study  string
		series source.SeriesSummary
	}
	var all []found
	for uid, list := range summary.Series {
		for _, s := range list {
			all = append(all, found{uid, s})
		}
	}
	if len(all) == 0 {
		why := "it is no DICOM, NIfTI or NRRD file and no archive of such files"
		if len(summary.LeftOut) > 0 {
			why = summary.LeftOut[0].Reason
		}
		return nil, &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The data is no image", Detail: why}
	}
	best := slices.MinFunc(all, func(a, b found) int {
		if a.series.Volume != b.series.Volume {
			return map[bool]int{true: -1, false: 1}[a.series.Volume]
		}
		return cmp.Or(cmp.Compare(b.series.Images, a.series.Images), cmp.Compare(a.series.SeriesInstanceUID, b.series.SeriesInstanceUID))
	})
	series, err := store.Source(best.study, best.series.SeriesInstanceUID)
	if err != nil {
		return nil, err
	}
	r, err := study.Build(ctx, series, study.Options{MaxBytes: most})
	var refused *study.Error
	if !errors.As(err, &refused) {
		return r, err
	}
	p := &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The data is no volume that can be used", Detail: refused.Reason}
	switch refused.Code {
	case study.NotVolume:
		p.Code = signaling.ProblemNotAVolume
	case study.TooLarge:
		p.Code = signaling.ProblemTooLarge
	}
	return nil, p
}
