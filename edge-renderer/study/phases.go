package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// time1 is a time point in the making: its slices, at most one for each place.
type time1 struct {
	places [][]int
	label  string
	ms     float64
}

// timeKey is an attribute by which slices at one place may be told apart in time.
type timeKey struct {
	value func(*SliceInfo) *float64
	// ms is when, in milliseconds of any clock, where the value itself does not say.
	ms func(*SliceInfo) *float64
	// label is how people read a time point; ms is the time after the first.
	label func(s *SliceInfo, n int, ms float64) string
}

// explicitTimes of the times are written by scanners to tell time points apart. The others are times of the day, which
// also tell repeated acquisitions apart and come after the acquisition number.
const explicitTimes = 3

var times = []timeKey{
	{func(s *SliceInfo) *float64 { return whole64(s.Temporal) }, anyTime, func(s *SliceInfo, n int, ms float64) string {
		return fmt.Sprintf("%d%s", s.Temporal, comma(ms))
	}},
	{func(s *SliceInfo) *float64 { return s.Trigger }, func(s *SliceInfo) *float64 { return s.Trigger }, func(s *SliceInfo, n int, ms float64) string {
		return fmt.Sprintf("%d, %s after the trigger", n, duration(*s.Trigger))
	}},
	{func(s *SliceInfo) *float64 { return s.Reference }, func(s *SliceInfo) *float64 { return s.Reference }, ordinal},
	{func(s *SliceInfo) *float64 { return s.Acquired }, func(s *SliceInfo) *float64 { return s.Acquired }, clockLabel},
	{func(s *SliceInfo) *float64 { return s.Content }, func(s *SliceInfo) *float64 { return s.Content }, contentLabel},
}

// acquisitions are time points where there are many of them at the same places, each at a time of its own.
var acquisitions = timeKey{func(s *SliceInfo) *float64 {
	if s.Acquired == nil && s.Content == nil {
		return nil
	}
	return whole64(s.Acquisition)
}, func(s *SliceInfo) *float64 { return cmp.Or(s.Acquired, s.Content) }, func(s *SliceInfo, n int, ms float64) string {
	return fmt.Sprintf("acquisition %d%s", s.Acquisition, comma(ms))
}}

func whole64(n int) *float64 {
	if n == 0 {
		return nil
	}
	f := float64(n)
	return &f
}

// anyTime is the best clock of a slice.
func anyTime(s *SliceInfo) *float64 { return cmp.Or(s.Trigger, s.Reference, s.Acquired, s.Content) }

func ordinal(_ *SliceInfo, n int, ms float64) string { return fmt.Sprintf("%d%s", n, comma(ms)) }

func clockLabel(s *SliceInfo, n int, ms float64) string {
	return fmt.Sprintf("%s%s", timeOfDay(*s.Acquired), comma(ms))
}

func contentLabel(s *SliceInfo, n int, ms float64) string {
	return fmt.Sprintf("%s%s", timeOfDay(*s.Content), comma(ms))
}

func comma(ms float64) string {
	if ms == 0 {
		return ""
	}
	return ", " + duration(ms)
}

// duration is milliseconds for people.
func duration(ms float64) string {
	switch abs := math.Abs(ms); {
	case abs < 2000:
		return fmt.Sprintf("%.4g ms", ms)
	case abs < 120_000:
		return fmt.Sprintf("%.3g s", ms/1000)
	default:
		return fmt.Sprintf("%.4g min", ms/60_000)
	}
}

// time makes time points of places with several slices, where a key tells the slices at every place apart, and adds
// their parts. It returns false, and adds nothing, where it does not.
func (s *splitter) time(places [][]int, key timeKey) bool {
	values := make(map[float64]bool)
	most, least := 0, math.MaxInt
	for _, p := range places {
		here := make(map[float64]bool, len(p))
		for _, i := range p {
			v := key.value(&s.infos[i])
			if v == nil || here[*v] {
				return false
			}
			here[*v], values[*v] = true, true
		}
		most, least = max(most, len(p)), min(least, len(p))
	}
	var points []time1
	switch {
	case most < 2:
		return false
	case most == least: // the same number everywhere: by rank, for times may differ from slice to slice
		points = s.byRank(places, key, most)
	case len(values) <= 2*most:
		points = s.byValue(places, key, values)
	default:
		return false
	}
	s.label(points, key)
	runs := arrange(s.list(places), s.planes(places))
	s.add(runs, points)
	return true
}

func (s *splitter) byRank(places [][]int, key timeKey, n int) []time1 {
	points := make([]time1, n)
	for r := range points {
		points[r].places = make([][]int, len(places))
	}
	for k, p := range places {
		sorted := slices.SortedFunc(slices.Values(p), func(a, b int) int {
			return cmp.Compare(*key.value(&s.infos[a]), *key.value(&s.infos[b]))
		})
		for r, i := range sorted {
			points[r].places[k] = []int{i}
		}
	}
	return points
}

func (s *splitter) byValue(places [][]int, key timeKey, values map[float64]bool) []time1 {
	order := make([]float64, 0, len(values))
	for v := range values {
		order = append(order, v)
	}
	slices.Sort(order)
	points := make([]time1, len(order))
	for r := range points {
		points[r].places = make([][]int, len(places))
	}
	for k, p := range places {
		for _, i := range p {
			r, _ := slices.BinarySearch(order, *key.value(&s.infos[i]))
			points[r].places[k] = []int{i}
		}
	}
	return points
}

// label names time points and says when they are: the mean over their slices.
func (s *splitter) label(points []time1, key timeKey) {
	start := 0.0
	for r := range points {
		t := &points[r]
		sum, n := 0.0, 0
		first := -1
		for _, p := range t.places {
			for _, i := range p {
				if first < 0 {
					first = i
				}
				if ms := key.ms(&s.infos[i]); ms != nil {
					sum += *ms
					n++
				}
			}
		}
		if n > 0 {
			t.ms = sum / float64(n)
		}
		if r == 0 {
			start = t.ms
		}
		t.label = key.label(&s.infos[first], r+1, math.Round((t.ms-start)*1000)/1000)
	}
}
