package study

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxListed is how many skipped files WriteText names; JSON has them all.
const maxListed = 50

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { fmt.Fprintf(t, format, args...) } // Flush returns the first error
	p("%s: %s, %s, %s\n", clean(r.Dir), plural(len(r.Volumes), "volume", "volumes"),
		plural(len(r.Refused), "series or part that is no volume", "series or parts that are no volumes"),
		plural(len(r.Skipped), "other file", "other files"))
	for i := range r.Volumes {
		v := &r.Volumes[i]
		p("\n%s %s\n", clean(orDash(v.Modality)), clean(orDash(v.SeriesDescription)))
		p("  patient\t%s, ID %s, born %s, sex %s\n", clean(orDash(v.PatientName)), clean(orDash(v.PatientID)),
			clean(orDash(v.PatientBirthDate)), clean(orDash(v.PatientSex)))
		p("  study\t%s %s\n", clean(orDash(v.StudyDate)), clean(v.StudyDescription))
		p("  study UID\t%s\n", clean(v.StudyInstanceUID))
		p("  series UID\t%s\n", clean(v.SeriesInstanceUID))
		p("  part\t%d of %d: %s\n", v.Part, v.Parts, clean(v.Name))
		p("  size\t%d x %d x %d voxels of %s, from %s of %s\n", v.Size[0], v.Size[1], v.Size[2], v.Format,
			plural(v.Slices, "slice", "slices"), plural(v.Files, "file", "files"))
		if v.Resampled {
			p("  planes\tresampled from the slices\n")
		}
		for n, t := range v.TimePoints {
			p("  time point %d\t%s, %.6g ms\n", n+1, clean(t.Label), t.Ms)
		}
		p("  spacing\t%.6g x %.6g x %.6g mm\n", v.Spacing[0], v.Spacing[1], v.Spacing[2])
		p("  origin\t(%.6g, %.6g, %.6g) mm, LPS\n", v.Origin[0], v.Origin[1], v.Origin[2])
		p("  plane\t%s, tilt %.2f degrees\n", v.Plane, v.TiltDegrees)
		for k, name := range []string{"columns", "rows", "slices"} {
			d := v.Directions[k]
			p("  %s go\t(%.6g, %.6g, %.6g)\n", name, d[0]+0, d[1]+0, d[2]+0)
		}
		p("  values\t%.6g to %.6g, mean %.6g %s\n", v.Min, v.Max, v.Mean, clean(v.Units))
		p("  sha256\t%s\n", v.SHA256)
		for _, warning := range v.Warnings {
			p("  warning\t%s (%s, %.6g)\n", clean(warning.Text), warning.Code, warning.Amount)
		}
	}
	for i := range r.Segmentations {
		l := &r.Segmentations[i]
		p("\nSegmentation %s\n", clean(l.Path))
		p("  size\t%d x %d x %d voxels, %s\n", l.Size[0], l.Size[1], l.Size[2], plural(l.Layers, "layer", "layers"))
		p("  spacing\t%.6g x %.6g x %.6g mm\n", l.Spacing[0], l.Spacing[1], l.Spacing[2])
		p("  origin\t(%.6g, %.6g, %.6g) mm, LPS\n", l.Origin[0], l.Origin[1], l.Origin[2])
		for _, s := range l.Segments {
			p("  segment %d\t%s, %s\n", s.Number, clean(orDash(s.Name)), plural(s.Voxels, "voxel", "voxels"))
		}
		for _, warning := range l.Warnings {
			p("  warning\t%s (%s, %.6g)\n", clean(warning.Text), warning.Code, warning.Amount)
		}
	}
	if len(r.Refused) > 0 {
		p("\nNo volumes:\n")
	}
	for i := range r.Refused {
		s := &r.Refused[i]
		part := ""
		if s.Name != "" {
			part = fmt.Sprintf("part %d: %s, ", s.Part, s.Name)
		}
		p("  %s %s (%s%s, %s, series UID %s)\n    %s\n", clean(orDash(s.Modality)), clean(orDash(s.SeriesDescription)), clean(part),
			plural(s.Files, "file", "files"), plural(s.Images, "image", "images"), clean(s.SeriesInstanceUID), clean(s.Reason))
	}
	if len(r.Skipped) > 0 {
		p("\nOther files:\n")
	}
	listed := 0
	for i := 0; i < len(r.Skipped); {
		f := r.Skipped[i]
		if listed == maxListed {
			p("  and %d more\n", len(r.Skipped)-i)
			break
		}
		listed++
		like := 1
		for i+like < len(r.Skipped) && r.Skipped[i+like].Reason == f.Reason {
			like++
		}
		more := ""
		if like > 1 {
			more = fmt.Sprintf(" and %d more", like-1)
		}
		p("  %s%s: %s\n", clean(f.Path), more, clean(f.Reason))
		i += like
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// clean keeps text from files from moving the cursor of a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7F && r < 0xA0 {
			return '?'
		}
		return r
	}, s)
}
