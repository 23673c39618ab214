package local

import (
	"context"
	"errors"

	"github.com/tomocast/tomocast/edge-renderer/picture"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

// Studies loads series ahead of tasks and makes small pictures of them.
type Studies struct {
	Cache *cache.Cache
	// Find is where the series of a source are read.
	Find func(signaling.SourceAccess) (cache.Source, error)
}

// Volumes are the series that are here, as signaling.VolumeKey names them, most recently used first.
func (s Studies) Volumes() []string { return s.Cache.Volumes() }

// Prefetch loads a series, which then stays as long as there is room.
func (s Studies) Prefetch(ctx context.Context, f signaling.Fetch) error {
	from, err := s.Find(f.Source)
	if err != nil {
		return err
	}
	return s.Cache.Prefetch(ctx, cache.Request{Ref: f.Series, From: from, Name: f.Source.Name})
}

// Thumbnail makes a small picture of a series. Its error is a *signaling.Problem.
func (s Studies) Thumbnail(ctx context.Context, f signaling.Fetch) (signaling.Thumbnail, error) {
	from, err := s.Find(f.Source)
	if err != nil {
		return signaling.Thumbnail{}, noThumbnail(err)
	}
	series, err := from.Series(f.Series.StudyInstanceUID, f.Series.SeriesInstanceUID, false)
	if err != nil {
		return signaling.Thumbnail{}, noThumbnail(err)
	}
	t, err := picture.Thumbnail(ctx, series, f.Side)
	if err != nil {
		return signaling.Thumbnail{}, noThumbnail(err)
	}
	return t, nil
}

func noThumbnail(err error) *signaling.Problem {
	var told *signaling.Problem
	if errors.As(err, &told) {
		return told
	}
	p := &signaling.Problem{Code: signaling.ProblemUnreadable, Title: "No thumbnail", Detail: dicomweb.WithoutAddress(err).Error()}
	switch {
	case errors.Is(err, source.ErrNotFound):
		p.Code = signaling.ProblemNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Code, p.Detail = signaling.ProblemUnavailable, "It took too long: try again"
	}
	return p
}
