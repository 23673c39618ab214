package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tomocast/tomocast/cloud-broker/thumbnail"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

type thumbnailInput struct {
	Study  string `path:"study" maxLength:"64" doc:"UID of the study."`
	Series string `path:"series" maxLength:"64" doc:"UID of the series."`
	Source string `query:"source" maxLength:"63" doc:"Name of the configured source; the broker's own without it."`
	Side   int    `query:"side" minimum:"32" maximum:"256" default:"128" doc:"Side of the square that it fits into, pixels."`
	Match  string `header:"If-None-Match" maxLength:"1000" doc:"Entity tags that the client has."`
}

type thumbnailOutput struct {
	Status       int
	ContentType  string `header:"Content-Type"`
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         []byte
}

type prefetchInput struct {
	Body struct {
		Series signaling.SeriesRef `json:"series" doc:"The series; without its UID the study's largest volume."`
	}
}

type prefetchOutput struct {
	Body struct {
		Node signaling.NodeID `json:"node" doc:"The node that loads it."`
		Held bool             `json:"held" doc:"Whether it had it already."`
	}
}

func (s *server) seriesOperations(a huma.API) {
	picture := operation("get-thumbnail", http.MethodGet, "/studies/{study}/series/{series}/thumbnail", "Look at a small picture of a series",
		"An edge makes it; it is kept for a while.", http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	picture.Responses = map[string]*huma.Response{
		"200": {Description: "The picture.", Content: map[string]*huma.MediaType{"image/jpeg": {}, "image/png": {}, "image/webp": {}}},
		"304": {Description: "The client has it."},
	}
	huma.Register(a, picture, s.thumbnail)
	prefetch := operation("prefetch", http.MethodPost, "/prefetch", "Load a series ahead of a session",
		"On the node that a session of it would be given now. It holds no place there, and is safe to ask for again.",
		http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	prefetch.DefaultStatus = http.StatusAccepted
	huma.Register(a, prefetch, func(ctx context.Context, in *prefetchInput) (*prefetchOutput, error) {
		p, err := s.Dispatcher.Prefetch(ctx, terminal(ctx, ""), in.Body.Series)
		out := &prefetchOutput{}
		out.Body.Node, out.Body.Held = p.Node, p.Held
		return answer(out, err)
	})
}

func (s *server) thumbnail(ctx context.Context, in *thumbnailInput) (*thumbnailOutput, error) {
	from, err := s.studySource(in.Source, in.Study)
	if err != nil {
		return nil, err
	}
	if err := source.CheckUID("the series' UID", in.Series); err != nil {
		return nil, badRequest("This is no UID of a series.", err)
	}
	ref := signaling.SeriesRef{Source: from.Name, StudyInstanceUID: in.Study, SeriesInstanceUID: in.Series}
	if err := s.Dispatcher.CheckSeries(ctx, ref); err != nil { // of one that was deleted, no picture is kept for anyone
		return nil, problemOf(err)
	}
	key := fmt.Sprintf("%s %s %s %d", ref.Source, ref.StudyInstanceUID, ref.SeriesInstanceUID, in.Side)
	p, err := s.Thumbnails.Get(ctx, key, func(ctx context.Context) (signaling.Thumbnail, error) {
		return s.Dispatcher.Thumbnail(ctx, ref, in.Side)
	})
	switch {
	case errors.Is(err, thumbnail.ErrBusy):
		return nil, problemOf(tooMany)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil, problemOf(&signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The picture took too long.", Detail: "Try again in a moment."})
	case err != nil:
		return nil, problemOf(err)
	}
	// The browser of whoever may see it may keep it for a while; nobody in between may.
	out := &thumbnailOutput{Status: http.StatusOK, ContentType: p.Format, ETag: p.Tag, CacheControl: "private, max-age=300", Vary: "Authorization, Cookie", Body: p.Data}
	if matches(in.Match, p.Tag) {
		out.Status, out.Body, out.ContentType = http.StatusNotModified, nil, ""
	}
	return out, nil
}

// matches reads If-None-Match (RFC 9110 section 13.1.2).
func matches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}
