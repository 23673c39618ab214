package study

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tomocast/tomocast/internal/dicom"
	"github.com/tomocast/tomocast/internal/pages"
	"github.com/tomocast/tomocast/internal/source"
)

// Build fetches a series and makes volumes of the part that was asked for. Where the source says beforehand where its
// slices lie only that part is fetched, coarse first, into memory that was reserved for it, and what cannot become a
// volume is refused before any pixels are fetched. Else all is fetched, and the files decide.
func Build(ctx context.Context, series source.Series, opts Options) (*Result, error) {
	list, err := series.Instances(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Media != "" {
			return buildMedia(ctx, series, list, opts)
		}
	}
	b := NewBuilder(opts)
	defer b.Close()
	l, ok := listing(list)
	var k known
	if ok {
		k, ok, err = b.plan(l)
		if err != nil {
			return nil, err
		}
	}
	if !ok {
		b.want(uidsOf(list, nil))
		b.total = framesOf(list)
		if err := series.Each(ctx, workers(opts.Workers), b.addObject); err != nil {
			return nil, err
		}
		return b.Finish()
	}
	b.want(k.uids)
	if err := series.Fetch(ctx, workers(opts.Workers), k.uids, b.addObject); err != nil {
		return nil, err
	}
	if rest := uidsOf(list, k.uids); len(rest) > 0 && !b.settled() {
		// The files say more than the listing did: all of them decide.
		b.known = nil
		b.want(rest)
		if err := series.Fetch(ctx, workers(opts.Workers), rest, b.addObject); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// buildMedia makes a volume of one of the files of a series that are no DICOM; each is a part.
func buildMedia(ctx context.Context, series source.Series, list []source.Instance, opts Options) (*Result, error) {
	n := max(opts.Part, 1)
	if n > len(list) {
		return nil, refuse(NoPart, "", "part %d was asked for, the series has %s", n, plural(len(list), "file", "files"))
	}
	var r *Result
	err := series.Fetch(ctx, 1, []string{list[n-1].SOPInstanceUID}, func(o source.Object) (err error) {
		r, err = buildResearch(filesOf(o), o.Name, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, source.ErrIncomplete
	}
	return r, nil
}

// framesOf is how many slices a listing has, as far as it says.
func framesOf(list []source.Instance) int {
	n := 0
	for i := range list {
		n += list[i].Frames
	}
	return n
}

// uidsOf is the instances of a listing but some, each once.
func uidsOf(list []source.Instance, but []string) []string {
	seen := make(map[string]bool, len(list))
	for _, uid := range but {
		seen[uid] = true
	}
	var out []string
	for i := range list {
		if uid := list[i].SOPInstanceUID; uid != "" && !seen[uid] {
			seen[uid] = true
			out = append(out, uid)
		}
	}
	return out
}

// known is the part that a plan chose, before its files came.
type known struct {
	catalogue *catalogue
	number    int      // index of the part
	uids      []string // of its instances, in the order to fetch them in
}

// plan chooses the part to build from a listing. ok is false where the listing says too little to choose.
func (b *Builder) plan(l listed) (k known, ok bool, err error) {
	c := &catalogue{infos: l.infos, objects: l.objects}
	c.arrange(b.opts)
	number, err := c.choose(b.opts.Part)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Code == NoPart { // the files may tell more parts apart
			return known{}, false, nil
		}
		return known{}, false, err
	}
	p := &c.parts[number]
	if p.copy > 0 { // perhaps the files tell apart what the listing does not
		return known{}, false, nil
	}
	if err := undecodable(c.infos, p.slices()); err != nil {
		return known{}, false, c.refuse(err)
	}
	if err := b.expect(c.infos, p); err != nil {
		return known{}, false, err
	}
	k = known{catalogue: c, number: number}
	seen := make(map[string]bool)
	for _, i := range p.fetchOrder() {
		if uid := c.infos[i].SOPInstanceUID; !seen[uid] {
			seen[uid] = true
			k.uids = append(k.uids, uid)
		}
	}
	b.know(k)
	return k, true, nil
}

// know tells Finish, and previews, what was planned.
func (b *Builder) know(k known) {
	b.known = &k
	if b.preview != nil {
		b.preview.template = Result{Part: k.catalogue.list[k.number], Parts: k.catalogue.list}
	}
}

// fetchOrder is the slices of a part: those of the first time point coarse first, then the other time points.
func (p *part) fetchOrder() []int {
	var out []int
	order, _ := coarse(len(p.phases[0].members))
	for _, k := range order {
		out = append(out, p.phases[0].members[k].slice)
	}
	for i := range p.phases[1:] {
		for _, m := range p.phases[i+1].members {
			out = append(out, m.slice)
		}
	}
	return out
}

// undecodable says that no slice can be decoded by this build, where that is known beforehand.
func undecodable(infos []SliceInfo, idx []int) *Error {
	for _, i := range idx {
		if uid := infos[i].TransferSyntax; uid == "" || dicom.Decodable(uid) {
			return nil
		}
	}
	s := &infos[idx[0]]
	return readError(s.Name, dicom.UnsupportedSyntax(s.TransferSyntax))
}

// settled says whether the files that have come make the one part that was planned.
func (b *Builder) settled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, _ := b.uncopied()
	c := b.catalogue(list)
	return len(c.parts) == 1 && c.parts[0].err == nil && len(b.objects) == 0
}

// BuildFiles makes volumes of the files of a series, which are read twice: their headers to plan, then those of the
// part that was asked for.
func BuildFiles(ctx context.Context, paths []string, opts Options) (*Result, error) {
	heads, err := readHeaders(ctx, "", paths, opts)
	if err != nil {
		return nil, err
	}
	all := found{}
	for i := range heads {
		all.add(paths[i], &heads[i])
	}
	return all.build(ctx, "", opts)
}

// build makes volumes of a part of a series whose headers were read. Paths are relative to dir.
func (f *found) build(ctx context.Context, dir string, opts Options) (*Result, error) {
	b := NewBuilder(opts)
	defer b.Close()
	for i := range f.damaged {
		b.leave(f.damaged[i].Name, &f.damaged[i])
	}
	c := f.catalogue(opts)
	for i := range c.infos {
		if a, s := &c.infos[0], &c.infos[i]; a.Identity.SeriesInstanceUID != s.Identity.SeriesInstanceUID {
			return nil, refuse(MixedSeries, s.Name, "it belongs to another series than %s; open one series at a time", a.Name)
		}
	}
	number, err := c.choose(opts.Part)
	if err != nil {
		return nil, err
	}
	p := &c.parts[number]
	if err := b.expect(c.infos, p); err != nil {
		return nil, err
	}
	b.know(known{catalogue: c, number: number})
	ours := make(map[frameKey]bool)
	for _, i := range p.slices() {
		ours[c.infos[i].key()] = true
	}
	var paths []string
	seen := make(map[string]bool)
	for i := range f.infos {
		s := &f.infos[i]
		if !ours[s.key()] {
			b.others[s.key()] = true
		} else if !seen[s.Name] {
			seen[s.Name] = true
			paths = append(paths, s.Name)
		}
	}
	if err := b.read(ctx, dir, paths); err != nil {
		return nil, err
	}
	return b.Finish()
}

// catalogue finds the parts of what the headers say.
func (f *found) catalogue(opts Options) *catalogue {
	c := &catalogue{objects: f.objects}
	for i := range f.damaged {
		e := &f.damaged[i]
		c.leftOut = append(c.leftOut, LeftOut{e.Name, e.Reason})
		if c.fault == nil || e.Name < c.fault.Name {
			c.fault = e
		}
	}
	seen := make(map[frameKey]bool)
	for i := range f.infos {
		// Copies do not count in a plan; whether they are copies is known when they have been read.
		if key := f.infos[i].key(); key.uid == "" || !seen[key] {
			seen[key] = true
			c.infos = append(c.infos, f.infos[i])
		}
	}
	c.arrange(opts)
	return c
}

// read adds files.
func (b *Builder) read(ctx context.Context, dir string, paths []string) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers(b.opts.Workers) {
		g.Go(func() error {
			var buf pages.Buffer
			defer buf.Free()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				data, err := readInto(&buf, filepath.Join(dir, paths[i]), b.opts.Limits.MaxBytes)
				if err != nil {
					b.leave(paths[i], &Error{Code: Unreadable, Name: paths[i], Reason: err.Error(), Err: err})
					continue
				}
				if err := b.addObject(source.Object{Name: paths[i], Data: data, Discard: buf.Discard}); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// readInto reads a file into buf.
func readInto(buf *pages.Buffer, path string, most int64) ([]byte, error) {
	if most <= 0 {
		most = 1 << 30
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	if st.Size() > most {
		return nil, errors.New("the file is larger than allowed")
	}
	data, err := buf.Take(int(st.Size()))
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(f, data)
	return data, err
}

func workers(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

// parallel calls fn for 0 to n-1 from several goroutines and returns when all calls have.
func parallel(most, n int, fn func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(workers(most), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}
