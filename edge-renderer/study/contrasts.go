package study

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// contrasts are what makes images of one place different in kind, and never goes by time. A nil key is of slices that
// do not say.
var contrasts = []func([]SliceInfo, []int) func(int) string{
	func(infos []SliceInfo, _ []int) func(int) string {
		return func(i int) string { return infos[i].component() }
	},
	func(infos []SliceInfo, idx []int) func(int) string {
		return clusters(idx, func(i int) *float64 { return infos[i].Echo })
	},
	func(infos []SliceInfo, _ []int) func(int) string {
		return func(i int) string { return fmt.Sprint(infos[i].EchoNumber) }
	},
	func(infos []SliceInfo, idx []int) func(int) string {
		return clusters(idx, func(i int) *float64 { return infos[i].Inversion })
	},
	func(infos []SliceInfo, idx []int) func(int) string {
		return clusters(idx, func(i int) *float64 { return infos[i].BValue })
	},
}

// clusters turns numbers into keys; those within 1 % (and 0.05) of the one before are one.
func clusters(idx []int, value func(int) *float64) func(int) string {
	var all []float64
	for _, i := range idx {
		if v := value(i); v != nil {
			all = append(all, *v)
		}
	}
	slices.Sort(all)
	return func(i int) string {
		v := value(i)
		if v == nil {
			return ""
		}
		k, _ := slices.BinarySearch(all, *v)
		for k > 0 && all[k]-all[k-1] <= max(0.05, 0.01*math.Abs(all[k])) {
			k--
		}
		return fmt.Sprint(all[k])
	}
}

// component is what an image shows where scanners put several kinds into one series.
func (s *SliceInfo) component() string {
	for _, t := range s.ImageType {
		if c := componentOf(t); c != "" {
			return c
		}
	}
	return ""
}

// componentOf is what a value of ImageType says of the component (PS3.3 C.8.13.3.1.1, C.8.16.1, and what scanners
// write); empty for others.
func componentOf(value string) string {
	switch strings.ToUpper(strings.TrimSpace(value)) {
	case "LOCALIZER":
		return "localizer"
	case "M", "MAGNITUDE", "M_FFE", "M_SE":
		return "magnitude"
	case "P", "PHASE", "PHASE MAP", "P_FFE":
		return "phase"
	case "R", "REAL", "R_FFE", "R_IR":
		return "real part"
	case "I", "IMAGINARY", "I_FFE":
		return "imaginary part"
	}
	return ""
}
