package pool_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/pool"
)

// TestB9BrokersTellWhatTheyDo: the newest word of each counts, for its time; the last reports are kept, of all brokers.
func TestB9BrokersTellWhatTheyDo(t *testing.T) {
	onBoth(t, pool.Options{}, func(f fixture) {
		tell := func(about, broker, underWay string, reports ...string) {
			t.Helper()
			var all [][]byte
			for _, r := range reports {
				all = append(all, []byte(r))
			}
			f.must(f.Tell(f.ctx, about, broker, []byte(underWay), all, time.Minute))
		}
		want := func(about string, underWay map[string]string, reports ...string) {
			t.Helper()
			u, r, err := f.Told(f.ctx, about)
			f.must(err)
			if !maps.Equal(u, underWay) || !slices.Equal(r, reports) {
				t.Errorf("%s: %v and %v, not %v and %v", about, u, r, underWay, reports)
			}
		}
		want("moves", nil)
		tell("moves", "a", `["one line" 2]`, "first", "second")
		tell("moves", "b", `[3]`)
		tell("scaling", "b", `[4]`, "other")
		want("moves", map[string]string{"a": `["one line" 2]`, "b": `[3]`}, "second", "first")
		tell("moves", "a", "", "third")
		tell("moves", "b", `[5]`)
		want("moves", map[string]string{"b": `[5]`}, "third", "second", "first")
		want("scaling", map[string]string{"b": `[4]`}, "other")
		for i := range pool.MaxReports {
			tell("scaling", "c", "", fmt.Sprint(i))
		}
		_, reports, err := f.Told(f.ctx, "scaling")
		f.must(err)
		if len(reports) != pool.MaxReports || reports[0] != fmt.Sprint(pool.MaxReports-1) || reports[pool.MaxReports-1] != "0" {
			t.Errorf("%d reports, from %s to %s", len(reports), reports[0], reports[len(reports)-1])
		}
	})
}

// TestB9WhatCannotBeToldIsRefused, by name.
func TestB9WhatCannotBeToldIsRefused(t *testing.T) {
	onBoth(t, pool.Options{}, func(f fixture) {
		for name, err := range map[string]error{
			"kind":      f.Tell(f.ctx, "a b", "a", nil, nil, time.Second),
			"broker":    f.Tell(f.ctx, "moves", "", nil, nil, time.Second),
			"under way": f.Tell(f.ctx, "moves", "a", make([]byte, pool.MaxUnderWay+1), nil, time.Second),
			"counts":    f.Tell(f.ctx, "moves", "a", nil, nil, 0),
			"reports":   f.Tell(f.ctx, "moves", "a", nil, make([][]byte, pool.MaxReports+1), time.Second),
			"report":    f.Tell(f.ctx, "moves", "a", nil, [][]byte{bytes.Repeat([]byte("a"), pool.MaxReport+1)}, time.Second),
		} {
			if err == nil {
				t.Errorf("%s: told", name)
			}
		}
		if _, _, err := f.Told(f.ctx, ""); err == nil {
			t.Error("read without a kind")
		}
	})
}
