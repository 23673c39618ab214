package service

import (
	"io"
	"slices"
	"testing"
)

// TestFlagsMayStandBehindArguments reads a command line in either order.
func TestFlagsMayStandBehindArguments(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for _, c := range []struct {
		line, want []string
		json       bool
		bad        bool
	}{
		{line: []string{"--json", "DIR"}, want: []string{"DIR"}, json: true},
		{line: []string{"DIR", "--json"}, want: []string{"DIR"}, json: true},
		{line: []string{"--", "--json"}, want: []string{"--json"}},
		{line: []string{"DIR", "--", "--json"}, bad: true}, // two arguments
		{line: []string{"DIR", "--nope"}, bad: true},
		{line: nil, bad: true},
	} {
		f := NewFlags("test", "A test.")
		json := f.Bool("json", false, "print JSON")
		f.Arguments("DIR", "the folder", 1, 1)
		err := f.parse(c.line, none, io.Discard)
		if (err != nil) != c.bad {
			t.Errorf("%q: got %v", c.line, err)
		}
		if err == nil && (!slices.Equal(f.Args(), c.want) || *json != c.json) {
			t.Errorf("%q: got %q, json %v", c.line, f.Args(), *json)
		}
	}
}
