package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

func picture(n int) signaling.Thumbnail {
	return signaling.Thumbnail{Format: "image/png", Data: bytes.Repeat([]byte{7}, n)}
}

func newCache(t *testing.T) *Cache {
	c := NewCache()
	t.Cleanup(c.Close)
	return c
}

func TestManyWhoAskTogetherHaveItMadeOnce(t *testing.T) {
	c := newCache(t)
	made := 0
	begin := make(chan struct{})
	mk := func(context.Context) (signaling.Thumbnail, error) { made++; <-begin; return picture(10), nil }
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			p, err := c.Get(t.Context(), "k", mk)
			if err != nil || len(p.Data) != 10 || len(p.Tag) != 26 {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	waitFor(t, c, func() bool { return c.flights["k"] != nil && c.flights["k"].waiting == 20 })
	close(begin)
	all.Wait()
	if _, err := c.Get(t.Context(), "k", func(context.Context) (signaling.Thumbnail, error) { return picture(1), errors.New("asked again") }); err != nil {
		t.Error(err)
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

// waitFor waits until something holds of the cache; what it waits for is counted under its lock by other goroutines.
func waitFor(t *testing.T, c *Cache, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for {
		c.mu.Lock()
		is := holds()
		c.mu.Unlock()
		if is {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("in vain waited")
		}
	}
}

func TestWhatNobodyWaitsForIsGivenUp(t *testing.T) {
	c := newCache(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		_, err := c.Get(ctx, "k", func(ctx context.Context) (signaling.Thumbnail, error) {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return signaling.Thumbnail{}, ctx.Err()
		})
		ended <- err
	}()
	<-begun
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	// Who comes then has it made anew.
	if p, err := c.Get(t.Context(), "k", func(context.Context) (signaling.Thumbnail, error) { return picture(3), nil }); err != nil || len(p.Data) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestHowLongThingsAreKept(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := newCache(t)
	c.now = func() time.Time { return now }
	made := 0
	get := func(key string, err error) {
		_, got := c.Get(t.Context(), key, func(context.Context) (signaling.Thumbnail, error) { made++; return picture(1), err })
		if !errors.Is(got, err) {
			t.Errorf("%s: %v, want %v", key, got, err)
		}
	}
	none := &signaling.Problem{Code: signaling.ProblemNotAVolume, Title: "A report."}
	away := &signaling.Problem{Code: signaling.ProblemNoFreeNode, Title: "No node."}
	for _, s := range []struct {
		after time.Duration
		key   string
		err   error
		made  int
	}{
		{0, "good", nil, 1}, {keepFor, "good", nil, 1}, {time.Second, "good", nil, 2},
		{0, "none", none, 3}, {keepRefusal, "none", none, 3}, {time.Second, "none", none, 4},
		{0, "away", away, 5}, {0, "away", away, 6},
		{0, "other", context.DeadlineExceeded, 7}, {0, "other", context.DeadlineExceeded, 8},
	} {
		now = now.Add(s.after)
		get(s.key, s.err)
		if made != s.made {
			t.Errorf("%+v: made %d times", s, made)
		}
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := newCache(t)
	made := map[string]int{}
	get := func(key string) {
		_, err := c.Get(t.Context(), key, func(context.Context) (signaling.Thumbnail, error) {
			made[key]++
			return picture(signaling.MaxThumbnail), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	n := maxBytes / signaling.MaxThumbnail
	for i := range n - 5 {
		get(fmt.Sprint(i))
	}
	get("0")
	for i := range 20 {
		get(fmt.Sprint("more ", i))
	}
	get("0")
	get("1")
	if made["0"] != 1 || made["1"] != 2 || c.bytes > maxBytes || len(c.entries) != c.recent.Len() {
		t.Errorf("made %d and %d times; %d bytes in %d of %d entries", made["0"], made["1"], c.bytes, len(c.entries), c.recent.Len())
	}
}

func TestNoMoreThanSomeAreMadeAtATime(t *testing.T) {
	c := newCache(t)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range maxFlights {
		all.Go(func() {
			_, err := c.Get(t.Context(), fmt.Sprint(i), func(context.Context) (signaling.Thumbnail, error) { <-begin; return picture(1), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, c, func() bool { return len(c.flights) == maxFlights })
	if _, err := c.Get(t.Context(), "one more", nil); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	close(begin)
	all.Wait()
	c.Close()
	if _, err := c.Get(t.Context(), "after the end", nil); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}
