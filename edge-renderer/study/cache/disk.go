package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/volume"
	"github.com/tomocast/tomocast/signaling"
)

// A file of the disk cache is diskMagic, the length of the header (4 bytes, little endian) and its SHA-256, the header in
// JSON, and the voxels of each phase as they are in memory. Files are named by a hash, so that a name tells nothing.
const (
	diskMagic   = "TOMOVOL1"
	diskExt     = ".volume"
	maxHeader   = 4 << 20
	headerStart = len(diskMagic) + 4 + sha256.Size
	// copyAtOnce is how much is hashed and written or read at a time.
	copyAtOnce = 4 << 20
)

// errDamaged says that a file of the cache is not what was written.
var errDamaged = errors.New("the cached volume is damaged")

// header describes what follows it.
type header struct {
	// Names are hashes of the names of the entry.
	Names []string `json:"names"`
	// Volume is the signaling.VolumeKey of the series.
	Volume    string               `json:"volume"`
	Info      signaling.SeriesInfo `json:"info"`
	Geometry  volume.Geometry      `json:"geometry"`
	Phases    []phaseHeader        `json:"phases"`
	BigEndian bool                 `json:"bigEndian"` // byte order of the machine
}

// phaseHeader describes the voxels of a time point.
type phaseHeader struct {
	Format    uint8   `json:"format"`
	Slope     float64 `json:"slope"`
	Intercept float64 `json:"intercept"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	Label     string  `json:"label"`
	Ms        float64 `json:"ms"`
	Bytes     int64   `json:"bytes"`
	SHA256    string  `json:"sha256"`
}

func bigEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) != 1 }

// disk keeps volumes in a folder, least recently used ones making room. Its methods may be called from several
// goroutines.
type disk struct {
	root *os.Root
	most int64
	log  *slog.Logger

	mu    sync.Mutex
	files map[string]*diskFile // by hashed name; a file may have several
	used  []*diskFile          // least recently used first
	bytes int64
}

// diskFile is a volume on the disk.
type diskFile struct {
	file   string
	names  []string
	volume string
	bytes  int64
	at     time.Time // used last
}

// openDisk opens a folder, which it makes, and drops what lies there beyond most bytes and what it cannot read.
func openDisk(dir string, most int64, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the volume cache: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("volume cache: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("volume cache %s: others than its owner may read it (mode %o): make it 0700 or name another folder", dir, st.Mode().Perm())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the volume cache: %w", err)
	}
	d := &disk{root: root, most: most, log: log, files: map[string]*diskFile{}}
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list the folder of the volume cache: %w", err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), diskExt) && !strings.HasSuffix(e.Name(), diskExt+tmpExt) {
			continue // not ours
		}
		f, err := d.inspect(e.Name())
		if err != nil {
			log.Warn("file of the volume cache dropped", "err", err)
			_ = root.Remove(e.Name())
			continue
		}
		d.used = append(d.used, f)
		d.bytes += f.bytes
		for _, name := range f.names {
			d.files[name] = f
		}
	}
	slices.SortFunc(d.used, func(a, b *diskFile) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shrink(0)
	return d, nil
}

const tmpExt = ".tmp"

// inspect reads the header of a file.
func (d *disk) inspect(name string) (*diskFile, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, size, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, tmpExt) || st.Size() != size {
		return nil, fmt.Errorf("%w: it was not written to its end", errDamaged)
	}
	return &diskFile{file: name, names: h.Names, volume: h.Volume, bytes: size, at: st.ModTime()}, nil
}

// readHeader reads and checks a header, and says how many bytes the whole file must have.
func readHeader(r io.Reader) (*header, int64, error) {
	start := make([]byte, headerStart)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:len(diskMagic)]) != diskMagic {
		return nil, 0, fmt.Errorf("%w: it is no volume of this program", errDamaged)
	}
	n := binary.LittleEndian.Uint32(start[len(diskMagic):])
	if n > maxHeader {
		return nil, 0, fmt.Errorf("%w: its header has %d bytes", errDamaged, n)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, 0, fmt.Errorf("%w: its header is cut off", errDamaged)
	}
	if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], start[len(diskMagic)+4:]) {
		return nil, 0, fmt.Errorf("%w: its header has another hash", errDamaged)
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, 0, fmt.Errorf("%w: its header: %w", errDamaged, err)
	}
	if h.BigEndian != bigEndian() || len(h.Phases) == 0 || len(h.Names) == 0 {
		return nil, 0, fmt.Errorf("%w: it was written on another kind of machine", errDamaged)
	}
	size := int64(headerStart) + int64(n)
	for _, p := range h.Phases {
		if p.Bytes < 0 || p.Bytes > 1<<40 || p.Bytes != int64(h.Geometry.Voxels()*volume.Format(p.Format).Bytes()) {
			return nil, 0, fmt.Errorf("%w: its header says impossible sizes", errDamaged)
		}
		size += p.Bytes
	}
	return &h, size, nil
}

func hashName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// has says whether an entry lies on the disk.
func (d *disk) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[hashName(name)] != nil
}

// volumes are the series on the disk as signaling.VolumeKey names them, most recently used first.
func (d *disk) volumes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, f := range slices.Backward(d.used) {
		out = append(out, f.volume)
	}
	return out
}

// read is an entry from the disk, nil where it is not there. One that is damaged is dropped, as if it had not been there.
// room is asked before memory is taken.
func (d *disk) read(ctx context.Context, name string, renderer render.Renderer, room func(int64) error) (*phases, signaling.SeriesInfo, error) {
	d.mu.Lock()
	f := d.files[hashName(name)]
	if f != nil {
		d.touch(f)
	}
	d.mu.Unlock()
	if f == nil {
		return nil, signaling.SeriesInfo{}, nil
	}
	p, info, err := d.readFile(ctx, f, room)
	if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("file of the volume cache dropped", "err", err)
		d.mu.Lock()
		d.remove(f)
		d.mu.Unlock()
		return nil, signaling.SeriesInfo{}, nil
	}
	if err != nil {
		return nil, signaling.SeriesInfo{}, err
	}
	p.renderer = renderer
	return p, info, nil
}

func (d *disk) readFile(ctx context.Context, f *diskFile, room func(int64) error) (_ *phases, info signaling.SeriesInfo, err error) {
	in, err := d.root.Open(f.file)
	if err != nil {
		return nil, info, err
	}
	defer in.Close()
	h, size, err := readHeader(in)
	if err != nil {
		return nil, info, err
	}
	if err := room(size); err != nil {
		return nil, info, err
	}
	p := &phases{}
	defer func() {
		if err != nil {
			p.free()
		}
	}()
	for _, ph := range h.Phases {
		v, err := volume.New(h.Geometry, volume.Format(ph.Format), ph.Slope, ph.Intercept)
		if err != nil {
			return nil, info, fmt.Errorf("%w: %w", errDamaged, err)
		}
		v.Min, v.Max = ph.Min, ph.Max
		p.list = append(p.list, phase{volume: v, label: ph.Label, ms: ph.Ms})
		sum := sha256.New()
		for to := v.Raw(); len(to) > 0; {
			n := min(len(to), copyAtOnce)
			if _, err := io.ReadFull(in, to[:n]); err != nil {
				return nil, info, fmt.Errorf("%w: it is cut off", errDamaged)
			}
			sum.Write(to[:n])
			if to = to[n:]; ctx.Err() != nil {
				return nil, info, ctx.Err()
			}
		}
		if hex.EncodeToString(sum.Sum(nil)) != ph.SHA256 {
			return nil, info, fmt.Errorf("%w: its voxels have another hash", errDamaged)
		}
	}
	return p, h.Info, nil
}

// write puts an entry on the disk, whole or not at all.
func (d *disk) write(ctx context.Context, names []string, volumeKey string, p *phases, info signaling.SeriesInfo) error {
	h := header{Volume: volumeKey, Info: info, Geometry: p.list[0].volume.Geometry, BigEndian: bigEndian()}
	for _, name := range names {
		h.Names = append(h.Names, hashName(name))
	}
	for i := range p.list {
		v := p.list[i].volume
		sum := sha256.Sum256(v.Raw())
		h.Phases = append(h.Phases, phaseHeader{Format: uint8(v.Format), Slope: v.Slope, Intercept: v.Intercept, Min: v.Min, Max: v.Max,
			Label: p.list[i].label, Ms: p.list[i].ms, Bytes: int64(v.Bytes()), SHA256: hex.EncodeToString(sum[:])})
	}
	raw, err := json.Marshal(&h)
	if err != nil {
		return fmt.Errorf("describe a volume: %w", err)
	}
	size := int64(headerStart+len(raw)) + p.bytes()
	if size > d.most || len(raw) > maxHeader {
		return nil // there is no room for one of this size
	}
	d.mu.Lock()
	d.shrink(size)
	d.bytes += size // so that another one that is written meanwhile does not count on it
	d.mu.Unlock()
	f := &diskFile{file: h.Names[0] + diskExt, names: h.Names, volume: volumeKey, bytes: size}
	err = d.writeFile(ctx, f.file, raw, p)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.bytes -= size
		return err
	}
	for _, name := range f.names {
		if other := d.files[name]; other != nil {
			d.unlist(other)
			if other.file != f.file {
				_ = d.root.Remove(other.file)
			}
		}
		d.files[name] = f
	}
	d.used = append(d.used, f)
	return nil
}

func (d *disk) writeFile(ctx context.Context, name string, raw []byte, p *phases) (err error) {
	out, err := d.root.OpenFile(name+tmpExt, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = out.Close()
			_ = d.root.Remove(name + tmpExt)
		}
	}()
	sum := sha256.Sum256(raw)
	start := append([]byte(diskMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(raw)))...)
	if _, err = out.Write(append(append(start, sum[:]...), raw...)); err != nil {
		return err
	}
	for i := range p.list {
		for from := p.list[i].volume.Raw(); len(from) > 0; {
			n := min(len(from), copyAtOnce)
			if _, err = out.Write(from[:n]); err != nil {
				return err
			}
			if from = from[n:]; ctx.Err() != nil {
				err = ctx.Err()
				return err
			}
		}
	}
	if err = out.Sync(); err != nil {
		return err
	}
	if err = out.Close(); err != nil {
		return err
	}
	return d.root.Rename(name+tmpExt, filepath.Base(name))
}

// shrink removes what was used least recently until need more bytes have room. The caller has the lock.
func (d *disk) shrink(need int64) {
	for d.bytes+need > d.most && len(d.used) > 0 {
		d.remove(d.used[0])
	}
}

// remove drops a file. The caller has the lock.
func (d *disk) remove(f *diskFile) {
	d.unlist(f)
	if err := d.root.Remove(f.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("file of the volume cache not removed", "err", err)
	}
}

// unlist forgets a file. The caller has the lock.
func (d *disk) unlist(f *diskFile) {
	i := slices.Index(d.used, f)
	if i < 0 {
		return
	}
	d.used = slices.Delete(d.used, i, i+1)
	d.bytes -= f.bytes
	for _, name := range f.names {
		if d.files[name] == f {
			delete(d.files, name)
		}
	}
}

// touch notes that a file is used now. The caller has the lock.
func (d *disk) touch(f *diskFile) {
	if i := slices.Index(d.used, f); i >= 0 {
		d.used = append(slices.Delete(d.used, i, i+1), f)
		now := time.Now()
		_ = d.root.Chtimes(f.file, now, now) // only the order after a restart suffers
	}
}

// close lets go of the folder.
func (d *disk) close() { _ = d.root.Close() }
