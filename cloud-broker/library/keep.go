package library

import (
	"context"
	"fmt"
	"io"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/dicomweb"
	"github.com/tomocast/tomocast/internal/source/store"
)

// Keeper keeps what a DICOMweb service is sent for a store; nil for a source that is none, or is not writable.
func (s *Source) Keeper() dicomweb.Keeper {
	if s.Kind != Store || !s.Writable {
		return nil
	}
	return keeper{s.local}
}

// Delete deletes a study of a store for good. Its error wraps source.ErrNotFound where there is none, ErrReadOnly where
// nothing can be deleted.
func (s *Source) Delete(_ context.Context, study string) error {
	if s.Kind != Store || !s.Writable {
		return fmt.Errorf("source %s %w", s.Name, ErrReadOnly)
	}
	kept, err := s.local.kept()
	if err != nil {
		return err
	}
	_, err = kept.Delete(study, "", "")
	return err
}

// kept is the store, or why it cannot be used.
func (l *local) kept() (*store.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, fmt.Errorf("source %s %w", l.spec.Name, l.err)
	}
	return l.store, nil
}

// keeper is a store that may still be being read.
type keeper struct{ l *local }

var _ dicomweb.Keeper = keeper{}

// Add is dicomweb.Keeper's, as are the others.
func (k keeper) Add(ctx context.Context, study string, in io.Reader) (source.Instance, error) {
	s, err := k.l.kept()
	if err != nil {
		return source.Instance{}, err
	}
	return s.Add(ctx, study, in)
}

func (k keeper) Flush() error {
	s, err := k.l.kept()
	if err != nil {
		return err
	}
	return s.Flush()
}

func (k keeper) Delete(study, series, instance string) (int, error) {
	s, err := k.l.kept()
	if err != nil {
		return 0, err
	}
	return s.Delete(study, series, instance)
}

func (k keeper) Reason(err error) int {
	s, notKept := k.l.kept()
	if notKept != nil {
		return dicomweb.ReasonProcessing
	}
	return s.Reason(err)
}
