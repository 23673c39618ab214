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

	"github.com/tomocast/tomocast/internal/source"
)

// Build fetches a series and makes a volume of it. Where the source knows where its instances lie, memory is
// reserved and what cannot become a volume is refused before any pixels are fetched.
func Build(ctx context.Context, series source.Series, opts Options) (*Result, error) {
	b := NewBuilder(opts)
	defer b.Close()
	list, err := series.Instances(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.expectInstances(list); err != nil {
		return nil, err
	}
	if err := series.Each(ctx, workers(opts.Workers), func(o source.Object) error { return b.Add(o.Name, o.Data) }); err != nil {
		return nil, err
	}
	return b.Finish()
}

// expectInstances announces what a listing says. A listing that says too little announces nothing: then the files
// themselves decide.
func (b *Builder) expectInstances(list []source.Instance) error {
	infos := make([]SliceInfo, 0, len(list))
	for i := range list {
		s, ok, err := infoOfInstance(&list[i])
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		infos = append(infos, s)
	}
	if len(infos) == 0 {
		return nil
	}
	return b.Expect(infos)
}

// BuildFiles makes a volume of files.
func BuildFiles(ctx context.Context, paths []string, opts Options) (*Result, error) {
	return buildIn(ctx, "", paths, opts)
}

// buildIn makes a volume of files whose paths are relative to a folder; messages name them so.
func buildIn(ctx context.Context, dir string, paths []string, opts Options) (*Result, error) {
	b := NewBuilder(opts)
	defer b.Close()
	b.expected = len(paths)
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers(opts.Workers) {
		g.Go(func() error {
			var buf []byte
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				var err error
				if buf, err = readInto(buf, filepath.Join(dir, paths[i]), b.opts.Limits.MaxBytes); err != nil {
					return &Error{Code: Unreadable, Name: paths[i], Reason: err.Error(), Err: err}
				}
				if err := b.Add(paths[i], buf); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return b.Finish()
}

// readInto reads a file into buf, which grows where it must.
func readInto(buf []byte, path string, most int64) ([]byte, error) {
	if most <= 0 {
		most = 1 << 30
	}
	f, err := os.Open(path)
	if err != nil {
		return buf, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return buf, err
	}
	if !st.Mode().IsRegular() {
		return buf, errors.New("it is no file")
	}
	if st.Size() > most {
		return buf, errors.New("the file is larger than allowed")
	}
	if int64(cap(buf)) < st.Size() {
		buf = make([]byte, st.Size())
	}
	buf = buf[:st.Size()]
	_, err = io.ReadFull(f, buf)
	return buf, err
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
