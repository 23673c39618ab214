package study_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/sourcetest"

	"github.com/tomocast/tomocast/internal/dicom"
)

// chest is the 100 slices of a chest CT in memory, as a source would give them.
func chest(b *testing.B) *memory {
	paths, err := filepath.Glob(filepath.Join(sourcetest.Studies(b, "ct-chest-contrast"), "*"))
	if err != nil {
		b.Fatal(err)
	}
	m := &memory{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			b.Fatal(err)
		}
		d, err := dicom.Parse(data, dicom.Options{StopAtPixelData: true})
		if err != nil {
			b.Fatal(err)
		}
		m.files = append(m.files, source.Object{Name: filepath.Base(p), Data: data})
		m.uids = append(m.uids, d.String(dicom.SOPInstanceUID))
		m.list = append(m.list, listed(d))
	}
	return m
}

// A chest CT of 100 slices of 512x512, from memory: what building takes beside the fetching.
func BenchmarkBuild(b *testing.B) {
	m := chest(b)
	for name, c := range map[string]struct {
		list    []source.Instance
		preview func(*study.Result)
	}{
		"announced":    {m.list, nil},
		"previews":     {m.list, func(r *study.Result) { r.Free() }},
		"notAnnounced": {nil, nil},
	} {
		b.Run(name, func(b *testing.B) {
			m.list = c.list
			b.SetBytes(100 * 512 * 512 * 2)
			for b.Loop() {
				r, err := study.Build(b.Context(), m, study.Options{Preview: c.preview})
				if err != nil {
					b.Fatal(err)
				}
				r.Free()
			}
		})
	}
}
