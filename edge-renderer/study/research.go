package study

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/geom"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/research"
	"github.com/tomocast/tomocast/internal/source"
)

// What a research file says, or does not.
const (
	WarnUnplaced Code = "unplaced"  // the file does not say how it lies in the patient
	WarnLabels   Code = "label-map" // values are numbers of segments
	WarnResearch Code = "research"  // something else that the format's reader says
)

// filesOf is the files of an object that is no DICOM, by their names.
func filesOf(o source.Object) fs.FS {
	if o.Stream != nil {
		return o.Stream
	}
	files := &researchFiles{Files: research.Files{o.Name: o.Data}, discard: o.Discard}
	for name, data := range o.Files {
		files.Files[path.Clean(strings.ReplaceAll(name, `\`, "/"))] = data
	}
	return files
}

// researchFiles are files in memory. Once spend is set, what is read of a large one is given back.
type researchFiles struct {
	research.Files
	discard func([]byte)
	spend   bool
}

// Open opens a file (fs.FS).
func (r *researchFiles) Open(name string) (fs.File, error) {
	f, err := r.Files.Open(name)
	data := r.Files[name]
	if err != nil || !r.spend || r.discard == nil || len(data) < pages.Large {
		return f, err
	}
	return &spentFile{File: f, data: data, discard: r.discard}, nil
}

// spentFile is a file in memory that is read once, from its beginning.
type spentFile struct {
	fs.File
	data     []byte
	at, gone int
	discard  func([]byte)
}

func (f *spentFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if f.at += n; f.at-f.gone >= spentStep || err != nil {
		f.discard(f.data[f.gone:f.at])
		f.gone = f.at
	}
	return n, err
}

// buildResearch makes a volume of a NIfTI or NRRD file, or one for each of its time points. files holds it and those
// that it names. Its Identity has a description and a modality alone, for such files know of no patient.
func buildResearch(files fs.FS, name string, opts Options) (*Result, error) {
	m, err := research.Open(files, name)
	if err != nil {
		return nil, researchError(name, err)
	}
	format, bias := researchFormat(m)
	need := int64(m.Samples()) * int64(m.Times) * int64(format.Bytes())
	if need > opts.maxBytes() {
		return nil, refuse(TooLarge, name, "%dx%dx%d voxels at %s need %d MiB, more than the %d MiB allowed for a volume; raise the edge's volume limit",
			m.Size[0], m.Size[1], m.Size[2], plural(m.Times, "time point", "time points"), need>>20, opts.maxBytes()>>20)
	}
	g := volume.Geometry{Size: m.Size, Origin: m.Origin, Axes: [3]geom.Vec{m.Axes[0], m.Axes[1], m.Axes[2]}}
	r := &Result{
		Identity: Identity{SeriesDescription: name, Modality: "OT", StudyDescription: m.Description},
		Unplaced: !m.Placed, bias: bias, intercept: m.Intercept, plain: format == volume.Int16,
	}
	slope, intercept := m.Slope, m.Intercept+m.Slope*float64(bias)
	if format == volume.Float32 {
		slope, intercept, r.bias = 1, 0, 0
	}
	for t := range m.Times {
		v, err := volume.New(g, format, slope, intercept)
		if err != nil {
			r.free()
			return nil, refuse(TooLarge, name, "%v", err)
		}
		r.Phases = append(r.Phases, Phase{Volume: v, Label: fmt.Sprint(t + 1), Ms: float64(t) * m.StepMs})
	}
	if files, ok := files.(*researchFiles); ok {
		files.spend = true // its header has been read, its samples are read once
	}
	fill := researchFill{image: m, phases: r.Phases, total: m.Times * m.Size[2], progress: opts.Progress}
	if err := m.Read(fill.plane); err != nil {
		r.free()
		return nil, researchError(name, err)
	}
	r.finishResearch(m, name, fill.bad)
	return r, nil
}

// researchFormat is how the samples of an image are held, and what is taken from them so that they fit (volume.Int16).
func researchFormat(m *research.Image) (volume.Format, int) {
	switch m.Type {
	case research.Int8, research.Uint8, research.Int16:
		return volume.Int16, 0
	case research.Uint16:
		return volume.Int16, 32768
	}
	return volume.Float32, 0
}

// researchFill puts planes into volumes.
type researchFill struct {
	image       *research.Image
	phases      []Phase
	done, total int
	progress    func(done, total int)
	values      []float64
	bad         int // voxels that are no finite numbers
}

func (f *researchFill) plane(t, k int, raw []byte) error {
	m, v := f.image, f.phases[t].Volume
	n := m.Size[0] * m.Size[1]
	if v.Format == volume.Int16 {
		out := v.Int16s()[k*n : (k+1)*n]
		switch m.Type {
		case research.Int8:
			for i := range out {
				out[i] = int16(int8(raw[i]))
			}
		case research.Uint8:
			for i := range out {
				out[i] = int16(raw[i])
			}
		case research.Int16:
			for i := range out {
				out[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
			}
		default: // 16 bit without sign, less 32768
			for i := range out {
				out[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]) ^ 0x8000)
			}
		}
	} else {
		if f.values == nil {
			f.values = make([]float64, n)
		}
		m.Float64s(f.values, raw)
		out := v.Float32s()[k*n : (k+1)*n]
		for i, s := range f.values {
			x := float32(s*m.Slope + m.Intercept)
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				f.bad++
				x = float32(math.NaN()) // until the smallest value is known
			}
			out[i] = x
		}
	}
	f.done++
	if f.progress != nil {
		f.progress(f.done, f.total)
	}
	return nil
}

// finishResearch sets the value ranges, puts the smallest value in the place of what is no number, and says what
// people should know.
func (r *Result) finishResearch(m *research.Image, name string, bad int) {
	r.Volume = r.Phases[0].Volume
	for i := range r.Phases {
		v := r.Phases[i].Volume
		v.UpdateRange()
		if bad == 0 {
			continue
		}
		least := float32(v.Min)
		for j, s := range v.Float32s() {
			if s != s {
				v.Float32s()[j] = least
			}
		}
		v.UpdateRange()
	}
	r.Part = Part{Number: 1, Name: name, Slices: m.Size[2], Volume: true}
	r.Parts = []Part{r.Part}
	if len(r.Phases) == 1 {
		r.Phases = nil
	}
	for _, w := range m.Warnings {
		code := WarnResearch
		if !m.Placed {
			code = WarnUnplaced
		}
		r.Warnings = append(r.Warnings, Warning{Code: code, Text: w})
	}
	if bad > 0 {
		r.Warnings = append(r.Warnings, Warning{WarnNotNumbers, fmt.Sprintf("%s no finite numbers (NaN or infinite); the smallest value is shown there",
			plural(bad, "voxel is", "voxels are")), float64(bad)})
	}
	if m.Labels {
		r.Warnings = append(r.Warnings, Warning{Code: WarnLabels, Text: "the file is a label map: its values are numbers of segments, not measurements"})
	}
}

// free gives back what a result holds that was not finished.
func (r *Result) free() {
	for i := range r.Phases {
		r.Phases[i].Volume.Free()
	}
}

// researchError says what is wrong with a research file.
func researchError(name string, err error) *Error {
	e := &Error{Code: Unreadable, Name: name, Reason: err.Error(), Err: err}
	switch {
	case errors.Is(err, research.ErrTruncated):
		e.Code = Truncated
	case errors.Is(err, research.ErrUnsupported):
		e.Code = Unsupported
	case errors.Is(err, research.ErrLimit):
		e.Code = TooLarge
	case errors.Is(err, research.ErrFormat):
		e.Code = NotDICOM
	}
	return e
}
