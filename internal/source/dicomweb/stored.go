package dicomweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
)

// Keeper is what the handler stores instances in; *store.Store is one.
type Keeper interface {
	// Add keeps an instance of a study, of any where that is empty. The instance that it returns names what it was
	// about also with an error.
	Add(ctx context.Context, study string, in io.Reader) (source.Instance, error)
	// Flush makes what was added visible.
	Flush() error
	// Delete deletes a study, or a series or instance of it, and returns the number of instances.
	Delete(study, series, instance string) (int, error)
	// Reason is the failure reason (0008,1197) of an error of Add.
	Reason(err error) int
}

// Bounds of a request that stores.
const (
	maxStored = 100_000 // instances
	// storeTime is how long a client may send nothing.
	storeTime = 2 * time.Minute
)

// Attributes of an answer (PS3.18 table 10.5.3-2, PS3.3 table 10-11).
const (
	failedSOPSequence     dicom.Tag = 0x00081198
	referencedSOPSequence dicom.Tag = 0x00081199
	failureReasonTag      dicom.Tag = 0x00081197
)

// store keeps instances (PS3.18 10.5): 200 when all were, 202 when some were, 409 when none was, with what became of
// each.
func (s *server) store(w http.ResponseWriter, r *http.Request, i ids) error {
	media, params := parseMedia(r.Header.Get("Content-Type"))
	if media != typeMultipart || params["type"] != typeDICOM || params["boundary"] == "" || len(params["boundary"]) > 200 {
		return newProblem(http.StatusUnsupportedMediaType, `Instances are stored as multipart/related; type="application/dicom" with a boundary.`)
	}
	if !acceptsJSON(r) {
		return newProblem(http.StatusNotAcceptable, "What became of the instances is said as application/dicom+json.")
	}
	body := &timedBody{in: r.Body, control: http.NewResponseController(w)}
	in := newPartReader(body, params["boundary"], s.maxPart())
	answer := &dicom.Dataset{}
	var kept, failed []*dicom.Dataset
	base := s.base(r)
	var end error
	for len(kept)+len(failed) < maxStored {
		var part io.Reader
		if part, end = in.nextReader(); end != nil {
			break
		}
		inst, err := s.Keeper.Add(r.Context(), i.study, part)
		if r.Context().Err() != nil || errors.Is(err, errTruncated) {
			end = errTruncated
			break
		}
		ref := &dicom.Dataset{}
		ref.SetString(dicom.ReferencedSOPClassUID, dicom.UI, inst.SOPClassUID)
		ref.SetString(dicom.ReferencedSOPInstanceUID, dicom.UI, inst.SOPInstanceUID)
		if err != nil {
			s.Logger.Warn("instance not stored", "instance", source.HashUID(inst.SOPInstanceUID), "cause", cause(err))
			ref.SetInts(failureReasonTag, dicom.US, s.Keeper.Reason(err))
			failed = append(failed, ref)
			continue
		}
		kept = append(kept, ref)
	}
	if err := s.Keeper.Flush(); err != nil {
		return err
	}
	s.retrieveURLs(base, i.study, kept)
	if len(kept)+len(failed) == 0 {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("The request has no instance: %v.", end))
	}
	if len(kept) > 0 {
		answer.SetSequence(referencedSOPSequence, kept...)
	}
	if len(failed) > 0 {
		answer.SetSequence(failedSOPSequence, failed...)
	}
	status := http.StatusOK
	switch {
	case len(kept) == 0:
		status = http.StatusConflict
	case len(failed) > 0 || !errors.Is(end, io.EOF):
		status = http.StatusAccepted
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(appendDataset(nil, answer)) // the client may be gone
	return nil
}

// retrieveURLs says where instances that are kept can be had.
func (s *server) retrieveURLs(base, study string, kept []*dicom.Dataset) {
	for _, ref := range kept {
		q := source.Query{InstanceUIDs: []string{ref.String(dicom.ReferencedSOPInstanceUID)}}
		if study == "" {
			continue // one would have to look through all studies
		}
		q.StudyUIDs = []string{study}
		if found, _ := s.Store.FindInstances(q, 1); len(found) == 1 {
			ref.SetString(dicom.RetrieveURL, dicom.UR, retrieveURL(base, study, found[0].Series.SeriesInstanceUID, found[0].Instance.SOPInstanceUID))
		}
	}
}

// remove deletes a study, series or instance.
func (s *server) remove(w http.ResponseWriter, r *http.Request, i ids) error {
	n, err := s.Keeper.Delete(i.study, i.series, i.instance)
	if errors.Is(err, source.ErrNotFound) {
		return notFound(i)
	}
	if err != nil {
		return err
	}
	s.Logger.Info("instances deleted", "study", source.HashUID(i.study), "instances", n)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) maxPart() int64 {
	if s.MaxPart > 0 {
		return s.MaxPart
	}
	return DefaultMaxPart
}

// timedBody gives the client time for each read, whatever the server's limit for a whole request is.
type timedBody struct {
	in      io.Reader
	control *http.ResponseController
}

func (t *timedBody) Read(b []byte) (int, error) {
	_ = t.control.SetReadDeadline(time.Now().Add(storeTime)) // not every connection has one
	return t.in.Read(b)
}
