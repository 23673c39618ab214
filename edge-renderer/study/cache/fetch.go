package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

// fetch brings the volumes of a series into memory: from the disk, else from its source.
func (c *Cache) fetch(ctx context.Context, e *entry, l *listing) (*phases, signaling.SeriesInfo, error) {
	none := signaling.SeriesInfo{}
	if c.disk != nil && l.Owner == "" {
		p, info, err := c.disk.read(ctx, l.name, c.cfg.Renderer, func(bytes int64) error { return c.makeRoom(ctx, e, bytes, "The series' voxels") })
		switch {
		case p != nil:
			c.tell(e, signaling.Loading{Slices: info.Size[2], TotalSlices: info.Size[2], Bytes: p.bytes(), TotalBytes: p.bytes(), Stage: "fetching"})
			return p, info, nil
		case err != nil:
			return nil, none, err
		}
	}
	total := voxelBytes(l.list)
	if err := c.makeRoom(ctx, e, total, "The series' voxels"); err != nil {
		return nil, none, err
	}
	began := time.Now()
	series := &listed{Series: l.series, list: l.list}
	previews := newLate(c.cfg.PreviewAfter, func(r *study.Result) { c.addPreview(ctx, e, r, l.describe(r)) })
	defer previews.stop()
	result, err := study.Build(ctx, series, study.Options{MaxBytes: c.cfg.MaxBytes, Part: l.Ref.Part,
		Progress: func(done, of int) {
			bytes := series.bytes.Load()
			c.tell(e, signaling.Loading{Slices: done, TotalSlices: of, Bytes: bytes, TotalBytes: max(total, bytes), Stage: "fetching"})
		},
		Preview: previews.put,
	})
	if err != nil {
		return nil, none, err
	}
	e.took = time.Since(began) // read once ready is closed
	p := newPhases(c.cfg.Renderer, result)
	if err := c.makeRoom(ctx, e, p.bytes(), "The series' voxels"); err != nil { // the listing said too little
		p.free()
		return nil, none, err
	}
	return p, l.describe(result), nil
}

// voxelBytes is what the voxels of a series will take, as far as its listing says: 16 bits each, or 32 where pixels
// have more or slices have modality transforms of their own.
func voxelBytes(list []source.Instance) int64 {
	var voxels int64
	each := int64(2)
	for i := range list {
		voxels += int64(list[i].Rows) * int64(list[i].Columns) * int64(max(list[i].Frames, 1))
		a, b := list[0].Rescale, list[i].Rescale
		if list[i].BitsAllocated > 16 || (a == nil) != (b == nil) || a != nil && *a != *b {
			each = 4
		}
	}
	return voxels * each
}

// images is the series, or the part of it that was asked for, as single images, where err says that it is no volume and
// there are some; else it is the problem of err.
func images(ctx context.Context, l *listing, err error) (*Series, error) {
	var bad *study.Error
	if !errors.As(err, &bad) || errors.Is(err, context.Canceled) {
		return nil, asProblem(err)
	}
	part := 0 // the one with the most images
	for i, p := range bad.Parts {
		if l.Ref.Part == p.Number || l.Ref.Part == 0 && len(p.Images) > len(bad.Parts[part].Images) {
			part = i
		}
	}
	if len(bad.Parts) == 0 || len(bad.Parts[part].Images) == 0 || l.Ref.Part != 0 && bad.Parts[part].Number != l.Ref.Part {
		return nil, asProblem(err)
	}
	set, openErr := picture.Open(ctx, l.series, bad.Parts[part].Images)
	if openErr != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The series cannot be shown",
			Detail: fmt.Sprintf("%s, and its images cannot be shown one by one: %v", bad.Error(), openErr)}
	}
	info := set.Info()
	info.Series.Source = l.Name
	info.Why = bad.Parts[part].Reason
	if info.Why == "" {
		info.Why = bad.Error()
	}
	setParts(&info, bad.Parts[part], bad.Parts)
	info.LeftOut, info.LeftOutCount = leftOut(bad.LeftOut)
	fit(&info)
	return &Series{Images: set, Info: info, release: func() {}}, nil
}

// notVolume are the codes of series that are whole, but no volume.
var notVolume = []study.Code{study.NotVolume, study.Colour, study.Multiframe, study.MixedGeometry, study.MixedSeries}

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
		switch {
		case slices.Contains(notVolume, bad.Code):
			p.Code = signaling.ProblemNotAVolume
		case bad.Code == study.TooLarge:
			p.Code = signaling.ProblemTooLarge
		}
		return p
	case errors.As(err, &status) && status.Status == http.StatusNotFound, errors.Is(err, source.ErrNotFound):
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "No such series", Detail: "Its source does not have it: go back to the list of studies"}
	case errors.Is(err, dicom.ErrTruncated), errors.Is(err, source.ErrIncomplete), errors.Is(err, source.ErrChanged):
		return &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "The series could not be read whole", Detail: dicomweb.WithoutAddress(err).Error()}
	}
	return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The series could not be loaded", Detail: fmt.Sprintf("%v: try again", dicomweb.WithoutAddress(err))}
}
