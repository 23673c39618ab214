package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/tomocast/tomocast/edge-renderer/encode/still"
	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/edge-renderer/study"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// renderCommand renders one picture of a folder, with the code that sessions use.
func renderCommand(ctx context.Context, args []string) error {
	f := service.NewFlags("edge-renderer render", "Renders one picture of the series in a folder into a PNG file, as a session's lossless still would be. "+
		"What people should know of the series is printed as warnings; the exit status is 0 where there is a picture.")
	dir := f.String("study", "", "`folder`, file or zip archive with one series: DICOM, NIfTI or NRRD")
	part := f.Int("part", 0, "`number` of the part of a series that holds several (see inspect); 0 is the largest volume")
	timePoint := f.Int("time", 1, "`number` of the time point of a 4D series, from 1")
	preset := f.String("preset", "", "transfer function `name`; that for the series' modality where empty")
	size := f.String("size", "1024x768", "`WIDTHxHEIGHT` in pixels")
	viewFile := f.String("view", "", "JSON `file` with a view state, or - for standard input")
	from := f.String("from", "anterior", "standard `view`: anterior, posterior, left, right, superior or inferior")
	backend := f.String("backend", "auto", "`auto`, gl or cpu")
	out := f.String("out", "", "PNG `file` to write")
	memory := f.Int64("volume-memory", 4096, "`MiB` of memory for the volume")
	if err := f.Parse(args); err != nil {
		return err
	}
	width, height, err := parseSize(*size)
	switch {
	case *dir == "" || *out == "":
		return fmt.Errorf("%w: --study and --out are needed", service.ErrUsage)
	case *part < 0 || *part > signaling.MaxPart:
		return fmt.Errorf("%w: --part %d: 0 to %d", service.ErrUsage, *part, signaling.MaxPart)
	case err != nil:
		return err
	}
	folder, done, err := asFolder(*dir)
	if err != nil {
		return err
	}
	defer done()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	renderer, _, err := openRenderer(*backend, log)
	if err != nil {
		return err
	}
	defer renderer.Close()
	result, err := study.BuildFolder(ctx, folder, study.Options{MaxBytes: *memory << 20, Part: *part})
	if err != nil {
		return fmt.Errorf("read %s: %w", *dir, err)
	}
	for _, w := range result.Warnings {
		log.Warn("the picture is made in spite of this", "warning", w.Text)
	}
	for _, f := range result.LeftOut {
		log.Warn("the picture is made without a file", "file", f.Name, "reason", f.Reason)
	}
	view, err := commandView(result, *viewFile, signaling.Orientation(*from), *preset, float64(width)/float64(height))
	if err != nil {
		result.Free()
		return err
	}
	if *timePoint != 1 {
		for i := range view.Viewports {
			view.Viewports[i].TimePoint = *timePoint - 1
		}
	}
	series, err := cache.Whole(ctx, renderer, result, "")
	if err != nil {
		return err
	}
	defer series.Release()
	img := &render.Image{}
	if err := session.RenderView(ctx, renderer, view, series, width, height, img); err != nil {
		return fmt.Errorf("render %s: %w", *dir, err)
	}
	png, err := still.Encode(img.Pix, width, height)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, png, 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

// commandView is the view to render: that of the file, else the standard one with what the flags change.
func commandView(r *study.Result, file string, from signaling.Orientation, presetName string, aspect float64) (signaling.ViewState, error) {
	ref := signaling.SeriesRef{StudyInstanceUID: r.Identity.StudyInstanceUID, SeriesInstanceUID: r.Identity.SeriesInstanceUID}
	if ref.SeriesInstanceUID == "" { // files that are no DICOM have none
		ref.StudyInstanceUID, ref.SeriesInstanceUID = dicom.UIDFromName("study"), dicom.UIDFromName("series")
	}
	labels := slices.ContainsFunc(r.Warnings, func(w study.Warning) bool { return w.Code == study.WarnLabels })
	view, err := session.InitialView(ref, r.Identity.Modality, labels, r.Volume, from, aspect)
	if err != nil {
		return view, fmt.Errorf("%w: %w", service.ErrUsage, err)
	}
	if file != "" {
		raw, err := readInput(file)
		if err != nil {
			return view, err
		}
		view = signaling.ViewState{}
		if err := json.Unmarshal(raw, &view); err != nil {
			return view, fmt.Errorf("%w: --view %s: %w", service.ErrUsage, file, err)
		}
		for i := range view.Viewports {
			view.Viewports[i].Series = ref
		}
	}
	if presetName != "" {
		for i := range view.Viewports {
			if err := session.SetPreset(&view.Viewports[i], presetName); err != nil {
				return view, fmt.Errorf("%w: --preset: %w", service.ErrUsage, err)
			}
		}
	}
	if err := view.Validate(); err != nil {
		return view, fmt.Errorf("%w: --view %s: %w", service.ErrUsage, file, err)
	}
	return view, nil
}

// maxViewFile bounds a view state read from a file, bytes.
const maxViewFile = 1 << 20

func readInput(file string) ([]byte, error) {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read --view: %w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxViewFile+1))
	if err == nil && len(raw) > maxViewFile {
		err = fmt.Errorf("%s is larger than %d bytes", file, maxViewFile)
	}
	return bytes.TrimSpace(raw), err
}

func parseSize(s string) (width, height int, err error) {
	w, h, ok := strings.Cut(s, "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if !ok || errW != nil || errH != nil || width < 1 || height < 1 || width > render.MaxSide || height > render.MaxSide {
		return 0, 0, fmt.Errorf("%w: --size %.20q: WIDTHxHEIGHT with 1 to %d pixels each, for example 1024x768", service.ErrUsage, s, render.MaxSide)
	}
	return width, height, nil
}

// inspectCommand says what volumes a folder, a file or an archive holds.
func inspectCommand(ctx context.Context, args []string) error {
	f := service.NewFlags("edge-renderer inspect", "Says what volumes lie in a folder, in a zip archive or in one file, of DICOM, NIfTI or NRRD: "+
		"size, spacing, origin, directions, values, parts, time points, what was left out, and what is wrong.")
	asJSON := f.Bool("json", false, "print JSON instead of a table")
	f.Arguments("PATH", "the folder, file or zip archive", 1, 1)
	if err := f.Parse(args); err != nil {
		return err
	}
	path := f.Args()[0]
	dir, done, err := asFolder(path)
	if err != nil {
		return err
	}
	defer done()
	report, err := study.InspectFolder(ctx, dir, study.Options{})
	if err != nil {
		return err
	}
	report.Dir = path
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	if err := report.WriteText(os.Stdout); err != nil {
		return err
	}
	if len(report.Volumes)+len(report.Refused)+len(report.Skipped) == 0 {
		fmt.Fprintf(os.Stdout, "\nThere are no files in %s: name the folder that the study lies in, or one above it.\n", path)
	}
	return nil
}
