package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/signaling"
)

// CheckSeries refuses a series that is not there or has no picture before an edge is troubled with it. Of a PACS's
// series only the source is looked at: asking the PACS would cost a round trip that the edge makes anyway, and says
// the same.
func (d *Dispatcher) CheckSeries(ctx context.Context, ref signaling.SeriesRef) error {
	from, err := d.source(ref.Source)
	if err != nil {
		return err
	}
	if !from.Local() {
		if _, err := from.Access(); err != nil {
			d.Log.Error("a PACS cannot be logged in to", "source", from.Name, "error", err)
			return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The PACS cannot be used now.",
				Detail: fmt.Sprintf("How to log in at %s cannot be read. The operator finds the reason in the broker's log.", from.Name)}
		}
		return nil
	}
	all, err := from.Series(ctx, ref.StudyInstanceUID)
	if errors.Is(err, source.ErrNotFound) {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such study.",
			Detail: "It is not among the studies of this source, or no longer. Look it up in the list of studies."}
	}
	if err != nil {
		return &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The studies cannot be read now.", Detail: err.Error()}
	}
	reason := ""
	for _, s := range all {
		if ref.SeriesInstanceUID != "" && s.SeriesInstanceUID != ref.SeriesInstanceUID {
			continue
		}
		if s.Volume || s.Images > 0 {
			return nil
		}
		if reason = s.Reason; ref.SeriesInstanceUID != "" {
			return &signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "This series has nothing that can be shown.", Detail: reason}
		}
	}
	if ref.SeriesInstanceUID != "" {
		return &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such series.",
			Detail: "The study is here, but it has no series with this UID."}
	}
	if len(all) != 1 {
		reason = fmt.Sprintf("None of its %d series has images.", len(all))
	}
	return &signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "This study has nothing that can be shown.", Detail: reason}
}

// source is the source of that name, or the broker's own.
func (d *Dispatcher) source(name string) (*library.Source, error) {
	s, err := d.Library.Source(name)
	if err != nil {
		return nil, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "There is no such source of studies.",
			Detail: fmt.Sprintf("The source %.70q is not configured here.", name)}
	}
	return s, nil
}

// named is ref with its source filled in, as edges name it in what they hold; without a part, since edges hold series.
func (d *Dispatcher) named(ref signaling.SeriesRef) signaling.SeriesRef {
	if ref.Source == "" {
		ref.Source = d.Library.Name()
	}
	ref.Part = 0
	return ref
}

func (d *Dispatcher) volumeKey(ref signaling.SeriesRef) string {
	return signaling.VolumeKey(d.named(ref))
}

// access is where node gets a series, with what it logs in there with.
func (d *Dispatcher) access(ref signaling.SeriesRef, node signaling.NodeID) (signaling.SourceAccess, error) {
	from, err := d.source(ref.Source)
	if err != nil {
		return signaling.SourceAccess{}, err
	}
	access, err := from.Access()
	if err != nil {
		return access, err
	}
	if from.Local() {
		access.Bearer, err = identity.SignStudy(d.Keys.Private(), from.Name, ref.StudyInstanceUID, node, time.Now(), studyTTL)
	}
	return access, err
}
