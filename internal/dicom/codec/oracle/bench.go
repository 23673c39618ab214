package oracle

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/tomocast/tomocast/internal/bench"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/dicom/codec"
	_ "github.com/tomocast/tomocast/internal/dicom/codec/native" // the C libraries, which are compared as well
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
)

// Row is how much processor time reading and decoding a 512x512 slice takes, per transfer syntax, on one core, from the
// file to its samples of 16 bits. Processor time is what other programs on the machine change least.
type Row struct {
	Syntax string // in words, with its UID
	Files  int
	// Ours, DCMTK and GDCM are milliseconds for a slice, medians; NaN for who does not read the syntax. Ours is in this
	// process also where a C library decodes.
	Ours, DCMTK, GDCM float64
	// Child is how many milliseconds longer, by the clock, it takes to decode a slice in a child process, as edges do where a C library
	// decodes, median; NaN where none does or the program cannot be its own child (worker.Main).
	Child float64
	// Ratio is our time over that of the faster oracle, the median of the runs' ratios; NaN where neither reads the
	// syntax.
	Ratio float64
	// Bar is the most that Ratio may be; 0 where there is none.
	Bar float64
}

// Bars of the ratio: none is quicker on uncompressed data, and others cost a third more at most.
const (
	barNative     = 1.0
	barCompressed = 1.3
)

// syntax is one that is measured, and the command that brings a slice into it: "IN" and "OUT" stand for the files. Where
// there is none, the slice of encoded is taken.
type syntax struct {
	uid     string
	command []string
	kind    worker.Kind // of the C library; empty where Go decodes
	loss    int         // by how much samples may differ from DCMTK's or GDCM's; 0 for lossless syntaxes
}

// HTJ2K is not among them: neither DCMTK nor GDCM, as Debian has them, reads it.
var syntaxes = []syntax{
	{dicom.ExplicitVRLittleEndian, []string{"dcmconv", "+te", "IN", "OUT"}, "", 0},
	{dicom.ImplicitVRLittleEndian, []string{"dcmconv", "+ti", "IN", "OUT"}, "", 0},
	{dicom.ExplicitVRBigEndian, []string{"dcmconv", "+tb", "IN", "OUT"}, "", 0},
	{dicom.DeflatedExplicitVRLittleEndian, []string{"dcmconv", "+td", "IN", "OUT"}, "", 0},
	{dicom.RLELossless, []string{"dcmcrle", "IN", "OUT"}, "", 0},
	{"1.2.840.10008.1.2.4.50", []string{"dcmcjpeg", "+eb", "IN", "OUT"}, "", 1},
	{"1.2.840.10008.1.2.4.51", []string{"dcmcjpeg", "+ee", "+bt", "IN", "OUT"}, "", 1},
	{"1.2.840.10008.1.2.4.57", []string{"dcmcjpeg", "+el", "IN", "OUT"}, "", 0},
	{"1.2.840.10008.1.2.4.70", []string{"dcmcjpeg", "+e1", "IN", "OUT"}, "", 0},
	{"1.2.840.10008.1.2.4.80", []string{"dcmcjpls", "+el", "IN", "OUT"}, worker.JPEGLS, 0},
	{"1.2.840.10008.1.2.4.81", nil, worker.JPEGLS, 1}, // DCMTK encodes no signed samples in it
	{"1.2.840.10008.1.2.4.90", []string{"gdcmconv", "--j2k", "IN", "OUT"}, worker.JPEG2000, 0},
	{"1.2.840.10008.1.2.4.91", []string{"gdcmconv", "--j2k", "--lossy", "-r", "8", "IN", "OUT"}, worker.JPEG2000, 1},
}

// originals are the uncompressed slices, below the folder of studies, that are brought into every syntax.
var originals = []string{
	"ts-ct-cornerstone/CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
	"ct-chest-contrast/1-050.dcm",
}

// encoded is the slice that the studies have in all syntaxes; "*" stands for a name and the UID.
const encoded = "ts-ct-cornerstone/CTImage.dcm_*_%s.dcm"

// Input is a file of one syntax.
type Input struct {
	syntax
	Path string
	// Source is the uncompressed file that it was made of; empty where it came encoded.
	Source string
}

// Name is the syntax in words and the file.
func (in Input) Name() string { return dicom.SyntaxName(in.uid) + " " + filepath.Base(in.Path) }

// Inputs encodes slices of the studies in the folder data in every syntax, into dir. The tools of DCMTK and GDCM do so;
// it returns an error that wraps ErrMissing where one is not installed.
func Inputs(ctx context.Context, data, dir string) ([]Input, error) {
	var all []Input
	for _, s := range syntaxes {
		if s.command == nil {
			found, err := filepath.Glob(filepath.Join(data, fmt.Sprintf(encoded, s.uid)))
			if err != nil || len(found) != 1 {
				return nil, fmt.Errorf("find a slice in %s below %s: %d files, %v", dicom.SyntaxName(s.uid), data, len(found), err)
			}
			all = append(all, Input{syntax: s, Path: found[0]})
			continue
		}
		for i, slice := range originals {
			source := filepath.Join(data, slice)
			in := Input{syntax: s, Path: filepath.Join(dir, fmt.Sprintf("%s-%d.dcm", s.uid, i)), Source: source}
			tool, err := exec.LookPath(s.command[0])
			if err != nil {
				return nil, fmt.Errorf("%s is %w (Debian packages dcmtk and libgdcm-tools)", s.command[0], ErrMissing)
			}
			var args []string
			for _, a := range s.command[1:] {
				switch a {
				case "IN":
					a = source
				case "OUT":
					a = in.Path
				}
				args = append(args, a)
			}
			if out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("encode %s as %s: %w: %s", slice, dicom.SyntaxName(s.uid), err, out)
			}
			all = append(all, in)
		}
	}
	return all, nil
}

// decoder reads and decodes files as Tomocast's renderer does, in memory that it uses again: a source's buffer for the file,
// and the volume's for the samples.
type decoder struct {
	file    []byte
	samples []int16
}

// decode reads a file and decodes its first frame to samples of 16 bits, which stay until the next call.
func (d *decoder) decode(path string) ([]int16, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d.file = slices.Grow(d.file[:0], int(st.Size()))[:st.Size()]
	if _, err := io.ReadFull(f, d.file); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	set, err := dicom.Parse(d.file, dicom.Options{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	raw, format, err := set.DecodeFrame(0)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	n := format.FrameSamples()
	d.samples = slices.Grow(d.samples[:0], n)[:n]
	if !format.Int16s(d.samples, raw) {
		return nil, fmt.Errorf("decode %s: samples of %d bits do not fit 16", path, format.BitsAllocated)
	}
	return d.samples, nil
}

// time is Oracle.Time of us: all of this process's processor time, the garbage collector's included.
func (d *decoder) time(path string, runs int) (time.Duration, error) {
	start, err := processor()
	if err != nil {
		return 0, err
	}
	for range runs {
		if _, err := d.decode(path); err != nil {
			return 0, err
		}
	}
	end, err := processor()
	return (end - start) / time.Duration(runs), err
}

// processor is the processor time that this process took so far.
func processor() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("measure processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// Run measures every syntax on the studies in the folder data, in scratch files of its own. It takes one core: GOMAXPROCS is
// 1 meanwhile. C libraries decode in this process from then on (worker.InProcess). It returns an error that wraps ErrMissing where an oracle or a tool is not installed.
func Run(ctx context.Context, data string) ([]Row, error) {
	dir, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	inputs, err := Inputs(ctx, data, dir)
	if err != nil {
		return nil, err
	}
	oracles, err := Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer Close(oracles)
	worker.InProcess()
	pool := worker.New(worker.Config{Processes: 1})
	defer pool.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var rows []Row
	for i := 0; i < len(inputs); {
		n := i
		for n < len(inputs) && inputs[n].uid == inputs[i].uid {
			n++
		}
		row, err := measure(ctx, inputs[i:n], oracles)
		if err == nil && inputs[i].kind != "" && worker.Enabled() && worker.Available(inputs[i].kind) {
			row.Child, err = child(ctx, inputs[i], pool)
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
		i = n
	}
	return rows, nil
}

const (
	rounds = bench.Runs + 4
	// turn is about how long one decoder is at work before the next one has its turn.
	turn = 40 * time.Millisecond
)

// measure lets us and the oracles decode the files of one syntax in turns, so that whatever else the machine does meets
// all of them.
func measure(ctx context.Context, inputs []Input, oracles []*Oracle) (Row, error) {
	row := Row{Syntax: dicom.SyntaxName(inputs[0].uid), Files: len(inputs), Ours: math.NaN(), Child: math.NaN(), Ratio: math.NaN(), Bar: barCompressed}
	if inputs[0].uid == dicom.ExplicitVRLittleEndian || inputs[0].uid == dicom.ImplicitVRLittleEndian || inputs[0].uid == dicom.ExplicitVRBigEndian {
		row.Bar = barNative
	}
	decoders := []func(string, int) (time.Duration, error){new(decoder).time}
	for _, o := range oracles {
		decoders = append(decoders, o.Time)
	}
	times := make([][]float64, len(decoders)) // milliseconds for a slice, by round
	for k, decode := range decoders {
		if _, err := decode(inputs[0].Path, 1); err != nil { // this one does not read the syntax
			if ctx.Err() != nil {
				return row, ctx.Err()
			}
			continue
		}
		times[k] = make([]float64, rounds)
	}
	for round := range rounds {
		for k, decode := range decoders {
			if times[k] == nil {
				continue
			}
			for _, in := range inputs {
				took, err := decode(in.Path, 1)
				if err == nil {
					took, err = decode(in.Path, int(min(200, 1+turn/(took+1))))
				}
				if err != nil {
					return row, fmt.Errorf("measure %s: %w", row.Syntax, err)
				}
				times[k][round] += took.Seconds() * 1e3 / float64(len(inputs))
			}
		}
	}
	row.Ours, row.DCMTK, row.GDCM = bench.Median(times[0]), bench.Median(times[1]), bench.Median(times[2])
	fastest := times[1]
	if fastest == nil || row.GDCM < row.DCMTK {
		fastest = times[2]
	}
	row.Ratio = bench.Ratio(times[0], fastest)
	return row, nil
}

// child measures how much longer a file's first frame takes in a child process.
func child(ctx context.Context, in Input, pool *worker.Pool) (float64, error) {
	d, err := dicom.ReadFile(in.Path, dicom.Options{})
	if err != nil {
		return 0, err
	}
	px, err := d.PixelData()
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", in.Path, err)
	}
	f, err := d.PixelFormat()
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", in.Path, err)
	}
	frame := slices.Concat(px.Fragments[min(1, len(px.Fragments)):]...)
	want := codec.Want{Width: f.Columns, Height: f.Rows, Components: f.SamplesPerPixel}
	var longer []float64
	for range rounds * 4 {
		var took [2]time.Duration
		for i, decode := range []codec.Decoder{worker.Direct(in.kind), pool.Decoder(in.kind)} {
			start := time.Now()
			if _, err := decode(frame, want); err != nil {
				return 0, fmt.Errorf("decode %s: %w", in.Path, err)
			}
			took[i] = time.Since(start)
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		longer = append(longer, (took[1]-took[0]).Seconds()*1e3)
	}
	return bench.Median(longer), nil
}

// Rows is the outcome of Run as the benchmark reports it: for each syntax the three times, what a child
// process adds, and the ratio with its bar.
func Rows(rows []Row) []bench.Row {
	var out []bench.Row
	for _, r := range rows {
		for _, t := range []struct {
			who string
			ms  float64
		}{{"Tomocast", r.Ours}, {"DCMTK", r.DCMTK}, {"GDCM", r.GDCM}} {
			if !math.IsNaN(t.ms) {
				out = append(out, bench.Row{Name: fmt.Sprintf("decoding %s: %s", r.Syntax, t.who), Value: t.ms, Unit: "ms"})
			}
		}
		if !math.IsNaN(r.Child) {
			out = append(out, bench.Row{Name: fmt.Sprintf("decoding %s: added by the child process", r.Syntax), Value: r.Child, Unit: "ms"})
		}
		if !math.IsNaN(r.DCMTK) || !math.IsNaN(r.GDCM) {
			out = append(out, bench.Row{Name: fmt.Sprintf("decoding %s: Tomocast / the faster of DCMTK and GDCM", r.Syntax),
				Value: r.Ratio, Unit: "x", Bar: r.Bar, BarIs: bench.AtMost})
		}
	}
	return out
}
