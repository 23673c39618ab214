package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

// fetch builds the volume of a series from its DICOMweb source.
func (c *Cache) fetch(ctx context.Context, e *entry, from signaling.SourceAccess, ref signaling.SeriesRef) (*volume.Volume, signaling.SeriesInfo, error) {
	client := &dicomweb.Client{BaseURL: from.DICOMweb, Bearer: from.Bearer, HTTPClient: c.cfg.HTTP}
	if ref.SeriesInstanceUID == "" {
		var err error
		if ref.SeriesInstanceUID, err = largestVolume(ctx, client, ref.StudyInstanceUID); err != nil {
			return nil, signaling.SeriesInfo{}, asProblem(err)
		}
	}
	series := &counted{Series: client.Source(ref.StudyInstanceUID, ref.SeriesInstanceUID)}
	series.planned = func(list []source.Instance) error {
		series.total = voxelBytes(list)
		return c.makeRoom(ctx, e, series.total)
	}
	result, err := study.Build(ctx, series, study.Options{MaxBytes: c.cfg.MaxBytes, Progress: func(done, total int) {
		bytes := series.bytes.Load()
		c.tell(e, signaling.Loading{Slices: done, TotalSlices: total, Bytes: bytes, TotalBytes: max(series.total, bytes), Stage: "fetching"})
	}})
	if err != nil {
		return nil, signaling.SeriesInfo{}, asProblem(err)
	}
	if err := c.makeRoom(ctx, e, int64(result.Volume.Bytes())); err != nil { // the listing said too little
		result.Volume.Free()
		return nil, signaling.SeriesInfo{}, err
	}
	return result.Volume, Info(result, from.Name), nil
}

// voxelBytes is what the voxels of a series will take, as far as its listing says: 16 bits each, or 32 where pixels
// have more or slices have modality transforms of their own.
func voxelBytes(list []source.Instance) int64 {
	var voxels int64
	each := int64(2)
	for i := range list {
		voxels += int64(list[i].Rows) * int64(list[i].Columns)
		a, b := list[0].Rescale, list[i].Rescale
		if list[i].BitsAllocated > 16 || (a == nil) != (b == nil) || a != nil && *a != *b {
			each = 4
		}
	}
	return voxels * each
}

// counted counts the bytes of a series as they come, and lets its size be judged before they do.
type counted struct {
	source.Series
	planned func([]source.Instance) error
	total   int64
	bytes   atomic.Int64
}

func (s *counted) Instances(ctx context.Context) ([]source.Instance, error) {
	list, err := s.Series.Instances(ctx)
	if err == nil {
		err = s.planned(list)
	}
	return list, err
}

func (s *counted) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	return s.Series.Each(ctx, workers, func(o source.Object) error {
		s.bytes.Add(int64(len(o.Data)))
		return fn(o)
	})
}

// largestVolume is the series of a study with the most slices of those that look like a volume.
func largestVolume(ctx context.Context, client *dicomweb.Client, studyUID string) (string, error) {
	list, err := client.QuerySeries(ctx, studyUID)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such study", Detail: "Its source has no series of it: go back to the list of studies"}
	}
	rank := func(s source.SeriesInfo) int {
		if !slices.Contains([]string{"CT", "MR", "PT", "NM"}, s.Modality) {
			return -1 // reports, single images
		}
		return s.InstanceCount
	}
	best := slices.MaxFunc(list, func(a, b source.SeriesInfo) int { return rank(a) - rank(b) })
	return best.SeriesInstanceUID, nil
}

// Info is what a page shows of a series.
func Info(r *study.Result, source string) signaling.SeriesInfo {
	i, v := r.Identity, r.Volume
	corners := v.Corners()
	info := signaling.SeriesInfo{
		Series:      signaling.SeriesRef{Source: source, StudyInstanceUID: i.StudyInstanceUID, SeriesInstanceUID: i.SeriesInstanceUID},
		PatientName: i.PatientName, PatientID: i.PatientID, PatientBirthDate: i.PatientBirthDate, PatientSex: i.PatientSex,
		StudyDate: i.StudyDate, AccessionNumber: i.AccessionNumber, StudyDescription: i.StudyDescription,
		SeriesDescription: i.SeriesDescription, Modality: i.Modality, Size: v.Size, SpacingMm: v.Spacing(),
		Center: signaling.Point(v.Center()), DiagonalMm: corners[7].Sub(corners[0]).Norm(), Min: v.Min, Max: v.Max, Unit: r.Units,
	}
	for _, w := range r.Warnings {
		if w.Code == study.WarnLossy {
			info.LossySource = w.Text
		} else {
			info.Warnings = append(info.Warnings, w.Text)
		}
	}
	return info
}

// asProblem says in words what is wrong with a series.
func asProblem(err error) error {
	var p *signaling.Problem
	var bad *study.Error
	var status *dicomweb.StatusError
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &bad):
		p = &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The series cannot be shown in 3D", Detail: bad.Error()}
		switch bad.Code {
		case study.NotVolume, study.Colour, study.Multiframe, study.MixedGeometry, study.MixedSeries:
			p.Code = signaling.ProblemNotAVolume
		case study.TooLarge:
			p.Code = signaling.ProblemTooLarge
		}
		return p
	case errors.As(err, &status) && status.Status == http.StatusNotFound, errors.Is(err, source.ErrNotFound):
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such series", Detail: "Its source does not have it: go back to the list of studies"}
	case errors.Is(err, dicom.ErrTruncated), errors.Is(err, source.ErrIncomplete), errors.Is(err, source.ErrChanged):
		return &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The series could not be read whole", Detail: err.Error()}
	}
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The series could not be loaded", Detail: fmt.Sprintf("%v: try again", err)}
}
