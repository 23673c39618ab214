package folder

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/tomocast/tomocast/internal/source"
	"github.com/tomocast/tomocast/internal/source/catalog"
)

// cacheMagic begins a cached index. Its last byte is the version: it grows when a stored field changes its meaning
// or when reading a header would now give something else.
const cacheMagic = "TOMOIDX\x03"

// maxCache is the longest cached index that is read: several times what DefaultMaxFiles files need.
const maxCache = 4 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cached is the stored form of an index. Attributes that files share are stored once and referred to by place,
// counted from 1; 0 is none.
type cached struct {
	Root    string
	Studies []source.StudyAttributes
	Series  []source.SeriesAttributes
	Files   []cachedFile
}

type cachedFile struct {
	Path          string
	Size, ModTime int64
	Kind          catalog.Kind
	Problem       string
	Archive       *catalog.Archived
	Beside        map[string]string
	Names, Bad    []string
	Study, Series int
	Instance      *source.Instance
	Preamble      []byte
	Odd           bool
}

// cacheFile is where the index of this folder lasts; empty where it can't.
func (x *Index) cacheFile(dir string) string {
	if dir == "" {
		return ""
	}
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(abs, 0o700)
	}
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		x.log.Warn("no cache directory: the study folder will be read again at the next start", "error", withoutPath(err))
		return ""
	}
	if within(x.path, abs) {
		x.log.Warn("the cache directory lies in the study folder and is not used: the folder will be read again at the next start")
		return ""
	}
	sum := sha256.Sum256([]byte(x.path))
	return filepath.Join(abs, hex.EncodeToString(sum[:16])+".index")
}

// saveCache stores an index: magic, checksum and length of the rest, the rest. The file appears whole or not at all,
// and only its owner may read it, since patients' names are in it.
func saveCache(name, root string, files []*catalog.File) (err error) {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(pack(root, files)); err != nil {
		return fmt.Errorf("encode index: %w", err)
	}
	head := binary.LittleEndian.AppendUint32([]byte(cacheMagic), crc32.Checksum(body.Bytes(), castagnoli))
	head = binary.LittleEndian.AppendUint64(head, uint64(body.Len()))
	tmp, err := os.CreateTemp(filepath.Dir(name), ".index-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = io.Copy(tmp, io.MultiReader(bytes.NewReader(head), &body))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// loadCache reads a stored index of a folder.
func loadCache(name, root string) ([]*catalog.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, len(cacheMagic)+12)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, fmt.Errorf("cached index: %w", err)
	}
	if string(head[:len(cacheMagic)]) != cacheMagic {
		return nil, errors.New("cached index: of another version")
	}
	sum := binary.LittleEndian.Uint32(head[len(cacheMagic):])
	length := binary.LittleEndian.Uint64(head[len(cacheMagic)+4:])
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if length > maxCache || int64(length) != st.Size()-int64(len(head)) {
		return nil, errors.New("cached index: damaged (its length is wrong)")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, fmt.Errorf("cached index: %w", err)
	}
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("cached index: damaged (its checksum is wrong)")
	}
	var c cached
	if err := gob.NewDecoder(bytes.NewReader(body)).Decode(&c); err != nil {
		return nil, fmt.Errorf("cached index: %w", err)
	}
	if c.Root != root {
		return nil, errors.New("cached index: of another folder")
	}
	return unpack(&c)
}

func pack(root string, files []*catalog.File) *cached {
	c := &cached{Root: root, Files: make([]cachedFile, len(files))}
	studies := map[*source.StudyAttributes]int{}
	series := map[*source.SeriesAttributes]int{}
	for i, f := range files {
		e := cachedFile{Path: f.Path, Size: f.Size, ModTime: f.ModTime, Kind: f.Kind, Problem: f.Problem,
			Archive: f.Archive, Beside: f.Beside, Names: f.Names, Bad: f.Bad, Instance: f.Instance, Preamble: f.Preamble, Odd: f.Odd}
		if f.Instance != nil {
			e.Study = refer(studies, &c.Studies, f.Study)
			e.Series = refer(series, &c.Series, f.Series)
		}
		c.Files[i] = e
	}
	return c
}

// refer is the place of a value in the list, which it joins when it is new, counted from 1.
func refer[T any](places map[*T]int, list *[]T, v *T) int {
	if places[v] == 0 {
		*list = append(*list, *v)
		places[v] = len(*list)
	}
	return places[v]
}

func unpack(c *cached) ([]*catalog.File, error) {
	all := make([]catalog.File, len(c.Files))
	files := make([]*catalog.File, len(c.Files))
	t := catalog.NewTables()
	for i, e := range c.Files {
		f := &all[i]
		*f = catalog.File{Path: e.Path, Size: e.Size, ModTime: e.ModTime, Kind: e.Kind, Problem: e.Problem,
			Archive: e.Archive, Beside: e.Beside, Names: e.Names, Bad: e.Bad, Instance: e.Instance, Preamble: e.Preamble, Odd: e.Odd}
		if f.Instance != nil {
			if e.Study < 1 || e.Study > len(c.Studies) || e.Series < 1 || e.Series > len(c.Series) {
				return nil, errors.New("cached index: damaged (a reference is wrong)")
			}
			f.Study, f.Series = &c.Studies[e.Study-1], &c.Series[e.Series-1]
			t.Intern(f)
		}
		files[i] = f
	}
	return files, nil
}
