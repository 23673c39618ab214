package folder

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

// Of several copies of an instance a readable one is served, whatever the damaged ones are named, and those are counted.
func TestDamagedCopyHidesNoGoodOne(t *testing.T) {
	good := sourcetest.Encode(t, sourcetest.Slice(studyA, seriesA, 1))
	taller := sourcetest.Slice(studyA, seriesA, 1)
	taller.SetInts(dicom.Rows, dicom.US, 6000)
	pixelless := sourcetest.Slice(studyA, seriesA, 1)
	pixelless.Delete(dicom.PixelData)
	placeless := sourcetest.Slice(studyA, seriesA, 1)
	placeless.Delete(dicom.ImagePositionPatient)
	private := bytes.Replace(good, []byte("1.2.840.10008.1.2.1\x00"), []byte("1.3.840.10008.1.2.1\x00"), 1)
	for name, c := range map[string]struct {
		data []byte
		kind catalog.Kind
	}{
		"cut in its pixels": {good[:len(good)-20], catalog.KindDamaged},
		"cut to its header": {good[:len(good)-129], catalog.KindDamaged},
		"too many rows":     {sourcetest.Encode(t, taller), catalog.KindDamaged},
		"no pixel data":     {sourcetest.Encode(t, pixelless), catalog.KindDuplicate},
		"no place":          {sourcetest.Encode(t, placeless), catalog.KindDuplicate},
		"own syntax":        {private, catalog.KindDuplicate},
	} {
		for _, at := range []string{"a", "z"} {
			root, cache := t.TempDir(), t.TempDir()
			sourcetest.WriteBytes(t, filepath.Join(root, at), c.data)
			sourcetest.WriteBytes(t, filepath.Join(root, "good"), good)
			open(t, root, cache)
			for range 2 { // what the cache keeps must do as well
				x := open(t, root, cache)
				o, err := x.Source(studyA, seriesA)
				if err != nil {
					t.Fatal(err)
				}
				err = o.Each(t.Context(), 1, func(o source.Object) error {
					if o.Name != "good" || !bytes.Equal(o.Data, good) {
						return fmt.Errorf("%s is served", o.Name)
					}
					return nil
				})
				p := x.Problems()
				if err != nil || len(p) != 1 || p[0].Path != at || p[0].Kind != c.kind || !strings.Contains(p[0].Reason, "good") || x.Stats().Problems != 1 {
					t.Errorf("%s as %s: %v, problems %v", name, at, err, p)
				}
			}
		}
	}
	// Where there is no other, a cut one stays in its series, so that whoever loads it learns of it.
	root := t.TempDir()
	sourcetest.WriteBytes(t, filepath.Join(root, "a"), good[:len(good)-20])
	x := open(t, root, "")
	if p := x.Problems(); x.Stats().Instances != 1 || len(p) != 1 || p[0].Kind != catalog.KindDamaged || !strings.Contains(p[0].Reason, "truncated") {
		t.Errorf("%+v, problems %v", x.Stats(), p)
	}
}

// Of compressed pixel data the longer copy is served: a cut one is shorter.
func TestCutCompressedCopy(t *testing.T) {
	name := sourcetest.Studies(t, filepath.Join("edge-pydicom", "MR_small_RLE.dcm"))
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	sourcetest.WriteBytes(t, filepath.Join(root, "a"), good[:len(good)-500])
	sourcetest.WriteBytes(t, filepath.Join(root, "z"), good)
	x := open(t, root, "")
	found, _ := x.FindInstances(source.Query{}, 10)
	if len(found) != 1 || found[0].File.Size() != int64(len(good)) || x.Stats().Problems != 1 {
		t.Errorf("%d instances, problems %v", len(found), x.Problems())
	}
}

// What is served of a good file and many damaged copies of it can be read and has its image.
func TestFuzzedCopiesHideNoGoodOne(t *testing.T) {
	root := t.TempDir()
	fuzzed := sourcetest.Studies(t, filepath.Join("derived", "fuzz"))
	list, err := os.ReadDir(fuzzed)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(sourcetest.Studies(t, filepath.Join("edge-pydicom", "CT_small.dcm")))
	if err != nil {
		t.Fatal(err)
	}
	d, err := dicom.Parse(good, dicom.Options{StopAtPixelData: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(fuzzed, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == len(good) || len(data) < len(good)-300 { // else bytes were put in or taken out somewhere in its pixels
			sourcetest.WriteBytes(t, filepath.Join(root, e.Name()), data)
		}
	}
	sourcetest.WriteBytes(t, filepath.Join(root, "zz"), good)
	x := open(t, root, "")
	found, _ := x.FindInstances(source.Query{InstanceUIDs: []string{d.String(dicom.SOPInstanceUID)}, StudyUIDs: []string{d.String(dicom.StudyInstanceUID)},
		SeriesUIDs: []string{d.String(dicom.SeriesInstanceUID)}}, 10)
	if len(found) != 1 {
		t.Fatalf("%d instances", len(found))
	}
	in, err := found[0].File.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	served, err := dicom.Read(in, dicom.Options{})
	if err == nil {
		_, err = served.Frame(0)
	}
	if err != nil {
		t.Errorf("what is served can't be read: %v", err)
	}
}
