// Package local finds where an edge reads the series of a source: in a folder of its own that has the source's name,
// else from the source's DICOMweb service.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/folder"
	"github.com/tomocast/tomocast/signaling"
)

// Config is what Sources need.
type Config struct {
	// Folders are directories by the names of the sources whose studies lie in them.
	Folders map[string]string
	// Broker reaches sources at the brokers, whose hosts and ports are BrokerHosts, which may have certificates that only
	// this edge trusts; nil for the default client.
	Broker      *http.Client
	BrokerHosts []string
	Logger      *slog.Logger
}

// Sources are where an edge reads series. Its methods may be called from several goroutines.
type Sources struct {
	cfg     Config
	folders map[string]*folder.Index
}

// Open opens the folders and reads what lies in them. The caller closes.
func Open(ctx context.Context, c Config) (*Sources, error) {
	s := &Sources{cfg: c, folders: map[string]*folder.Index{}}
	for name, dir := range c.Folders {
		index, err := folder.Open(ctx, dir, "", c.Logger)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("studies of source %s: %w", name, err)
		}
		s.folders[name] = index
	}
	return s, nil
}

// Rescan looks for new files in the folders every so often, until ctx ends.
func (s *Sources) Rescan(ctx context.Context, every time.Duration) error {
	if len(s.folders) == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for name, index := range s.folders {
			if err := index.Rescan(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("folder of studies not read", "source", name, "err", err)
			}
		}
	}
}

// Close lets go of the folders.
func (s *Sources) Close() {
	for _, index := range s.folders {
		_ = index.Close()
	}
}

// Has says whether studies of a source lie in a folder of this edge.
func (s *Sources) Has(name string) bool { return s.folders[name] != nil }

// Find is where the series of a source are read. Without an address that is the folder of its name alone.
func (s *Sources) Find(access signaling.SourceAccess) (cache.Source, error) {
	if access.DICOMweb == "" && s.Has(access.Name) {
		return alone{s.folders[access.Name]}, nil
	}
	client, err := dicomweb.NewClient(access)
	if err != nil {
		return nil, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The source cannot be used", Detail: err.Error()}
	}
	if at, err := url.Parse(access.DICOMweb); err == nil && slices.Contains(s.cfg.BrokerHosts, at.Host) && client.HTTPClient == nil {
		client.HTTPClient = s.cfg.Broker
	}
	w := web{client}
	if index := s.folders[access.Name]; index != nil {
		return nearby{web: w, index: index, log: s.cfg.Logger.With("source", access.Name)}, nil
	}
	return w, nil
}

// web is a DICOMweb service.
type web struct{ client *dicomweb.Client }

func (w web) SeriesOf(ctx context.Context, study string) ([]source.SeriesInfo, error) {
	return w.client.QuerySeries(ctx, study)
}

func (w web) Series(study, series string, all bool) (source.Series, error) {
	if !all {
		client := *w.client
		client.Ahead = -1
		return client.Source(study, series), nil
	}
	return w.client.Source(study, series), nil
}

// alone is a folder whose source cannot be asked.
type alone struct{ index *folder.Index }

// maxAlone bounds the series of a study that are looked at.
const maxAlone = 1000

func (a alone) SeriesOf(_ context.Context, study string) ([]source.SeriesInfo, error) {
	found, _ := a.index.FindSeries(source.Query{StudyUIDs: []string{study}}, maxAlone)
	out := make([]source.SeriesInfo, len(found))
	for i := range found {
		out[i] = *found[i].Series
	}
	return out, nil
}

func (a alone) Series(study, series string, _ bool) (source.Series, error) {
	return a.index.Source(study, series)
}

// nearby is a DICOMweb service whose studies lie, all or some, in a folder of this edge.
type nearby struct {
	web
	index *folder.Index
	log   *slog.Logger
}

func (n nearby) Series(study, series string, all bool) (source.Series, error) {
	near, err := n.index.Source(study, series)
	if err != nil { // it is not in the folder
		return n.web.Series(study, series, all)
	}
	far, err := n.web.Series(study, series, false)
	if err != nil {
		return nil, err
	}
	return &either{near: near, far: far, log: n.log.With("series", source.HashUID(series))}, nil
}

// either reads a series from the folder where it lies there whole, which its service says: a folder may lag behind, and
// whoever may not list the series at the service may not have it from here.
type either struct {
	near, far source.Series
	log       *slog.Logger

	mu     sync.Mutex
	chosen source.Series // nil until the listing was asked for
	list   []source.Instance
}

func (e *either) choose(ctx context.Context) (source.Series, []source.Instance, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.chosen != nil {
		return e.chosen, e.list, nil
	}
	near, err := e.near.Instances(ctx)
	if err != nil {
		return nil, nil, err
	}
	far, err := e.far.Instances(ctx)
	var status *dicomweb.StatusError
	switch {
	case err == nil && sameInstances(near, far):
		e.chosen, e.list = e.near, near
	case err == nil:
		e.log.Info("the folder has other instances of the series than its source, which is asked for them", "here", len(near), "there", len(far))
		e.chosen, e.list = e.far, far
	case ctx.Err() != nil, errors.As(err, &status), errors.Is(err, source.ErrNotFound):
		return nil, nil, err
	default: // it cannot be reached, but the broker has said that the series may be shown
		e.log.Warn("the source does not answer; the folder's files are shown", "err", err)
		e.chosen, e.list = e.near, near
	}
	return e.chosen, e.list, nil
}

func sameInstances(a, b []source.Instance) bool {
	if len(a) != len(b) {
		return false
	}
	uids := make(map[string]bool, len(a))
	for i := range a {
		uids[a[i].SOPInstanceUID] = true
	}
	for i := range b {
		if !uids[b[i].SOPInstanceUID] {
			return false
		}
	}
	return true
}

func (e *either) Instances(ctx context.Context) ([]source.Instance, error) {
	_, list, err := e.choose(ctx)
	return list, err
}

func (e *either) Each(ctx context.Context, workers int, fn func(source.Object) error) error {
	s, _, err := e.choose(ctx)
	if err != nil {
		return err
	}
	return s.Each(ctx, workers, fn)
}

func (e *either) Fetch(ctx context.Context, workers int, uids []string, fn func(source.Object) error) error {
	s, _, err := e.choose(ctx)
	if err != nil {
		return err
	}
	return s.Fetch(ctx, workers, uids, fn)
}
