package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// restFor is how long a PACS that failed or was too slow is left out of searches over all sources, so that it
	// makes one of them slow and not all. Who asks for it alone asks it.
	restFor = 15 * time.Second
	// stateFor is how long what is known of a PACS holds before it is asked how it is.
	stateFor = 15 * time.Second
	// probeWithin bounds that question.
	probeWithin = 3 * time.Second
	// attempts is how often something is asked for in all: somebody waits for it.
	attempts = 2
)

// remote is a PACS.
type remote struct {
	spec Spec
	log  *slog.Logger

	mu     sync.Mutex
	with   signaling.SourceAccess // that client was made with
	client *dicomweb.Client
	asked  time.Time // when it last answered or failed to
	err    error     // how it failed then
}

// newRemote returns a PACS; it fails where its secrets and certificates cannot be read or used.
func newRemote(spec Spec, log *slog.Logger) (*remote, error) {
	r := &remote{spec: spec, log: log.With("source", spec.Name)}
	if _, err := r.get(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(spec.URL, "http://") && (spec.Username != "" || spec.BearerFile != "") {
		r.log.Warn("credentials go to the PACS without encryption: use https where others share the network")
	}
	return r, nil
}

// access is how to log in now: secrets are read again each time.
func (r *remote) access() (signaling.SourceAccess, error) {
	a := signaling.SourceAccess{Name: r.spec.Name, DICOMweb: r.spec.URL, Username: r.spec.Username, TimeoutMs: r.spec.Timeout.Milliseconds()}
	for _, f := range []struct {
		to         *string
		what, file string
	}{
		{&a.Password, "password", r.spec.PasswordFile}, {&a.Bearer, "token", r.spec.BearerFile},
		{&a.CA, "authorities' certificates", r.spec.CAFile}, {&a.Certificate, "client's certificate", r.spec.CertFile},
		{&a.Key, "client's key", r.spec.KeyFile},
	} {
		var err error
		if *f.to, err = readSecret(f.what, f.file); err != nil {
			return a, err
		}
	}
	return a, nil
}

// get is a client with the present credentials.
func (r *remote) get() (*dicomweb.Client, error) {
	a, err := r.access()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil || r.with != a {
		c, err := dicomweb.NewClient(a)
		if err != nil {
			return nil, err
		}
		c.Attempts = attempts
		if r.client != nil {
			r.client.Close()
		}
		r.client, r.with = c, a
	}
	return r.client, nil
}

// usable is get for those who are told why not: that a file with a secret cannot be read, and where that is, is for the
// log.
func (r *remote) usable() (*dicomweb.Client, error) {
	c, err := r.get()
	if err != nil {
		r.log.Error("a PACS cannot be logged in to", "error", err)
		return nil, fmt.Errorf("%w %s cannot be logged in to now; its operator finds the reason in the broker's log", ErrRemote, r.spec.Name)
	}
	return c, nil
}

// note remembers how an answer of the PACS was, and gives err in words for whoever asked. What they themselves gave up
// says nothing of the PACS, nor does a study that it does not have.
func (r *remote) note(ctx context.Context, err error) error {
	if errors.Is(err, source.ErrNotFound) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w %s did not answer in time", ErrRemote, r.spec.Name)
		} else {
			err = fmt.Errorf("%w %s: %w", ErrRemote, r.spec.Name, dicomweb.WithoutAddress(err))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.err == nil {
		r.log.Warn("a PACS does not answer as it should", "status", statusOf(err))
	} else if err == nil && r.err != nil {
		r.log.Info("a PACS answers again")
	}
	r.asked, r.err = time.Now(), err
	return err
}

// statusOf is what may be logged of an error of a PACS: its status. What it said may be a patient's.
func statusOf(err error) int {
	var s *dicomweb.StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

// resting is why the PACS is left out of a search over all sources; nil where it is not.
func (r *remote) resting() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil || time.Since(r.asked) > restFor {
		return nil
	}
	return r.err
}

// state says how the PACS is, in words. It asks it where that is not known.
func (r *remote) state(ctx context.Context) error {
	r.mu.Lock()
	known, err := time.Since(r.asked) < stateFor, r.err
	r.mu.Unlock()
	if known {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	_, _, err = r.find(ctx, source.Query{StudyUIDs: []string{probeUID}}, 1)
	return err
}

// probeUID is a study that no PACS has (PS3.5 annex B.2): looking for it takes little.
const probeUID = "2.25.0"

func (r *remote) series(ctx context.Context, study string) ([]source.SeriesSummary, error) {
	c, err := r.usable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, alone)
	defer cancel()
	found, err := c.QuerySeries(ctx, study)
	if err := r.note(ctx, err); err != nil {
		return nil, err
	}
	out := make([]source.SeriesSummary, len(found))
	for i := range found {
		out[i] = found[i].Summary()
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("study %.70q: %w", study, source.ErrNotFound)
	}
	return out, nil
}

// find is at most limit of the studies that match, and how many there are at least.
func (r *remote) find(ctx context.Context, q source.Query, limit int) ([]*source.Study, int, error) {
	c, err := r.usable()
	if err != nil {
		return nil, 0, err
	}
	if q.Limit <= 0 || q.Limit > limit {
		q.Limit = limit
	}
	found, more, err := c.SearchStudies(ctx, q)
	if err := r.note(ctx, err); err != nil {
		return nil, 0, err
	}
	out := make([]*source.Study, len(found))
	for i := range found {
		out[i] = &found[i]
	}
	total := q.Offset + len(found)
	if more {
		total++
	}
	return out, total, nil
}
