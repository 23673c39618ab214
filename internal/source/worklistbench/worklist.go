// Package worklistbench measures what a user of a large worklist waits for: the first page, a search, and a restart.
package worklistbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/folder"
)

// perFolder is how many studies share a folder.
const perFolder = 100

// Make writes a folder of so many small studies of one or two images, four studies for each patient, with names in
// several scripts.
func Make(ctx context.Context, dir string, studies int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range studies {
		if i%perFolder == 0 {
			if err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("%03d", i/perFolder)), 0o700); err != nil {
				return errors.Join(err, g.Wait())
			}
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			sub := filepath.Join(dir, fmt.Sprintf("%03d", i/perFolder))
			for n := range 1 + i%10/9 {
				var b bytes.Buffer
				if err := dicom.Write(&b, image(i, n)); err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("%05d-%d", i, n)), b.Bytes(), 0o600); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// image is image n of study i.
func image(i, n int) *dicom.Dataset {
	families := []string{"Müller^Änne", "Yamada^Tarou=山田^太郎", "Иванов^Пётр", "Smith^John", "王^小东", "O'Brien^Siobhán"}
	modalities := []string{"CT", "MR", "PT", "US", "CR"}
	study := fmt.Sprintf("1.2.826.0.1.3680043.10.1.%d", i)
	d := &dicom.Dataset{}
	d.SetString(dicom.SpecificCharacterSet, dicom.CS, "ISO_IR 192")
	d.SetString(dicom.SOPClassUID, dicom.UI, "1.2.840.10008.5.1.4.1.1.2")
	d.SetString(dicom.SOPInstanceUID, dicom.UI, fmt.Sprintf("%s.1.%d", study, n))
	d.SetString(dicom.StudyInstanceUID, dicom.UI, study)
	d.SetString(dicom.SeriesInstanceUID, dicom.UI, study+".1")
	d.SetString(dicom.StudyDate, dicom.DA, fmt.Sprintf("20%02d%02d%02d", i%25, 1+i%12, 1+i%28))
	d.SetString(dicom.StudyTime, dicom.TM, fmt.Sprintf("%02d%02d%02d", i%24, i%60, i%59))
	d.SetString(dicom.AccessionNumber, dicom.SH, fmt.Sprintf("A%06d", i))
	d.SetString(dicom.Modality, dicom.CS, modalities[i%len(modalities)])
	d.SetString(dicom.StudyDescription, dicom.LO, fmt.Sprintf("Study of region %d", i%40))
	d.SetString(dicom.PatientName, dicom.PN, fmt.Sprintf("%s^%d", families[i%len(families)], i/4))
	d.SetString(dicom.PatientID, dicom.LO, fmt.Sprintf("P%05d", i/4))
	d.SetString(dicom.PatientBirthDate, dicom.DA, fmt.Sprintf("19%02d0101", i/4%100))
	d.SetInts(dicom.InstanceNumber, dicom.IS, n+1)
	d.SetInts(dicom.Rows, dicom.US, 1)
	d.SetInts(dicom.Columns, dicom.US, 1)
	d.SetInts(dicom.BitsAllocated, dicom.US, 8)
	d.SetBytes(dicom.PixelData, dicom.OB, []byte{0, 0})
	return d
}

// Figures is what was measured.
type Figures struct {
	Studies, Files int
	Build          time.Duration // of the index, with every file read
	Restart        time.Duration // with the kept index
	RestartReads   int           // files that a restart read; none when nothing has changed
	FirstPage      time.Duration // slowest first page of 50 studies, in any order
	Search         time.Duration // slowest of Searches
	Searched       string        // which one that was
	Patients       time.Duration // first page of 50 patients
}

// Searches is what is searched for.
var Searches = map[string]source.Query{
	"text":            {Text: "müller region"},
	"text, none":      {Text: "nothing of the kind"},
	"name":            {PatientName: "*山田*"},
	"name, wildcards": {PatientName: "*b*n*^*1*"},
	"patient ID":      {PatientID: "P01234"},
	"accession":       {AccessionNumber: "A00999*"},
	"dates":           {StudyDate: "20200101-20201231"},
	"modality":        {Modalities: []string{"PT"}},
	"all of it":       {Text: "study", PatientName: "*^*", StudyDate: "20000101-", Modalities: []string{"CT", "MR"}, Sort: "-" + source.SortName},
	"series level":    {SeriesDescription: "*none*"},
}

// Run measures the folder dir, with its index kept in cacheDir.
func Run(ctx context.Context, dir, cacheDir string) (Figures, error) {
	var f Figures
	var reads atomic.Int64
	count := folder.WithOpener(func(root *os.Root, name string) (io.ReadCloser, error) {
		reads.Add(1)
		return root.Open(name)
	})
	quiet := slog.New(slog.DiscardHandler)
	begin := time.Now()
	x, err := folder.Open(ctx, dir, cacheDir, quiet, count)
	if err != nil {
		return f, err
	}
	f.Build = time.Since(begin)
	f.Studies, f.Files = x.Stats().Studies, x.Stats().Files
	if err := x.Close(); err != nil {
		return f, err
	}
	reads.Store(0)
	begin = time.Now()
	if x, err = folder.Open(ctx, dir, cacheDir, quiet, count); err != nil {
		return f, err
	}
	defer x.Close()
	f.Restart, f.RestartReads = time.Since(begin), int(reads.Load())
	for _, order := range append([]source.Sort{""}, source.Sorts...) {
		f.FirstPage = max(f.FirstPage, best(func() { x.Studies(source.Query{Limit: 50, Sort: order}) }))
	}
	for name, q := range Searches {
		q.Limit = 50
		if took := best(func() { x.Studies(q) }); took > f.Search {
			f.Search, f.Searched = took, name
		}
	}
	f.Patients = best(func() { x.Patients(source.Query{Limit: 50}) })
	return f, nil
}

// best is the shortest of a few times, since others use the machine too.
func best(fn func()) time.Duration {
	least := time.Duration(1<<63 - 1)
	for range 5 {
		begin := time.Now()
		fn()
		least = min(least, time.Since(begin))
	}
	return least
}
