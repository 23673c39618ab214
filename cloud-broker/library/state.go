package library

import (
	"context"
	"fmt"
	"sync"
)

// State is how a source is.
type State struct {
	*Source
	// Err is why it cannot be searched now; nil where it can.
	Err error
	// Studies is how many a local source has, Problems how many of its files cannot be served or are damaged.
	Studies, Problems int
}

// States are all sources, the broker's own first, each with how it is now. PACS are asked side by side where that was
// not known.
func (l *Library) States(ctx context.Context) []State {
	out := make([]State, len(l.sources))
	var all sync.WaitGroup
	for i, s := range l.sources {
		all.Go(func() { out[i] = s.state(ctx) })
	}
	all.Wait()
	return out
}

func (s *Source) state(ctx context.Context) State {
	if s.remote != nil {
		return State{Source: s, Err: s.remote.state(ctx)}
	}
	files, err := s.local.get()
	if err != nil {
		return State{Source: s, Err: fmt.Errorf("the %s %w", s.Kind, err)}
	}
	st := files.Stats()
	return State{Source: s, Studies: st.Studies, Problems: st.Problems}
}
