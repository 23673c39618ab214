package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/render"
	"github.com/tomocast/tomocast/edge-renderer/render/phantom"
	"github.com/tomocast/tomocast/edge-renderer/share"
)

// shareWeights are those of the sessions that are compared. None has so much that the moment between two of its pictures, in which
// it wants nothing, costs it what it would have.
var shareWeights = []int64{200, 300, 500}

// SharesRow is how one renderer gave several sessions, which all want more than they get, their shares.
type SharesRow struct {
	Renderer string `json:"renderer"`
	// Weights and Got are by session: its weight, and its part of the time that all of them had on the device.
	Weights []int64   `json:"weights"`
	Got     []float64 `json:"got"`
	// Off is by how much the session that is furthest from it misses its weight's part, as a share of that part.
	Off float64 `json:"off"`
	// Steady is the part of the device's time that somebody had.
	Steady float64 `json:"steady"`
}

// Shares measures it over so many pictures, of side voxels and size pixels, on every renderer that can run here.
func Shares(ctx context.Context, side, size, pictures int) ([]SharesRow, error) {
	v, err := phantom.Head(phantom.Grid(side, 1))
	if err != nil {
		return nil, err
	}
	defer v.Free()
	transfer, err := render.Compile(functions["soft"], nil)
	if err != nil {
		return nil, err
	}
	renderers, err := open()
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, r := range renderers {
			_ = r.Close()
		}
	}()
	var rows []SharesRow
	for _, r := range renderers {
		loaded, err := r.Load(ctx, v)
		if err != nil {
			return nil, err
		}
		row, err := shares(ctx, r, func(n int, c *share.Client) *render.Scene {
			s := scene(loaded, transfer, n, size, size)
			s.Client = c
			return s
		}, pictures)
		loaded.Release()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// shares has sessions render until all of them have made so many pictures together.
func shares(ctx context.Context, r render.Renderer, scene func(n int, c *share.Client) *render.Scene, pictures int) (SharesRow, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	row := SharesRow{Renderer: r.Name(), Weights: shareWeights}
	clients := make([]*share.Client, len(shareWeights))
	made, fault := make(chan struct{}), make(chan error, len(clients))
	var sessions sync.WaitGroup
	for i, w := range shareWeights {
		clients[i] = share.NewClient(w)
		sessions.Go(func() {
			var img render.Image
			for n := 0; ctx.Err() == nil; n++ {
				if err := r.Render(ctx, scene(n, clients[i]), &img); err != nil {
					if !errors.Is(err, context.Canceled) {
						fault <- fmt.Errorf("%s: %w", r.Name(), err)
					}
					return
				}
				select {
				case made <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	var err error
	for n := -2 * len(clients); n < pictures && err == nil; n++ {
		if n == 0 { // all of them are at work
			row.begin(clients)
		}
		select {
		case <-made:
		case err = <-fault:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err == nil {
		row.end(clients)
	}
	cancel()
	sessions.Wait()
	return row, err
}

func (r *SharesRow) begin(clients []*share.Client) {
	r.Steady = -float64(time.Now().UnixNano())
	for _, c := range clients {
		r.Got = append(r.Got, -c.Used().Seconds())
	}
}

func (r *SharesRow) end(clients []*share.Client) {
	elapsed := (r.Steady + float64(time.Now().UnixNano())) / float64(time.Second)
	var all, weights float64
	for i, c := range clients {
		r.Got[i] += c.Used().Seconds()
		all += r.Got[i]
		weights += float64(c.Weight())
	}
	r.Steady = all / elapsed
	for i, c := range clients {
		r.Got[i] /= all
		r.Off = max(r.Off, math.Abs(r.Got[i]*weights/float64(c.Weight())-1))
	}
}

// PrintShares writes the rows as a table.
func PrintShares(w io.Writer, rows []SharesRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "renderer\tweights\tshares\tfurthest off\tdevice in use")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%d\t%.3f\t%.1f %%\t%.0f %%\n", r.Renderer, r.Weights, r.Got, 100*r.Off, 100*r.Steady)
	}
	return t.Flush()
}
