package poolcmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/tomocast/tomocast/internal/sse"
)

const (
	// maxEvent bounds an event of the pool, bytes.
	maxEvent = 4 << 20
	// comeBack is how long is waited before a stream is opened again.
	comeBack = 2 * time.Second
	// silentFor is how long a stream may bring nothing: a broker sends at least a comment three times in that.
	silentFor = 30 * time.Second
)

// watch calls show at the beginning and whenever the pool has changed, until ctx ends. A terminal's screen is cleared
// before each. A broker that is out of reach is waited for once it has answered the first time.
func watch(ctx context.Context, c *client, out io.Writer, forPeople bool, show func(context.Context, io.Writer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	changed := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- c.changes(ctx, changed) }()
	waited := false
	defer func() {
		cancel()
		if !waited {
			<-ended
		}
	}()
	first := true
	for {
		var b bytes.Buffer
		err := show(ctx, &b)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || !temporary(err)):
			return err
		case err != nil:
			b.Reset()
			b.WriteString(err.Error() + "; trying again\n")
		}
		switch {
		case forPeople && isTerminal(out):
			out.Write([]byte("\x1b[H\x1b[2J")) // its error is that of the next write
		case forPeople && !first:
			out.Write([]byte("\n"))
		}
		if _, err := out.Write(b.Bytes()); err != nil {
			return err
		}
		first = false
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case err := <-ended:
			waited = true
			return err
		}
	}
}

// changes follows the pool and notes in changed that it is not as before. It ends with ctx, or when the broker refuses.
func (c *client) changes(ctx context.Context, changed chan<- struct{}) error {
	for {
		err := c.follow(ctx, changed)
		var refused *refusedError
		if errors.As(err, &refused) && !temporary(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(comeBack):
		}
	}
}

// follow follows the pool until the stream ends, or is silent for so long that nobody can be at its other end.
func (c *client) follow(ctx context.Context, changed chan<- struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(silentFor, cancel)
	defer silent.Stop()
	resp, err := c.open(ctx, http.MethodGet, "/pool/events", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for events := sse.NewReader(sse.Alive(resp.Body, silent, silentFor), maxEvent); ; {
		if _, err := events.Next(); err != nil {
			return err
		}
		select {
		case changed <- struct{}{}:
		default: // it is known already
		}
	}
}

// temporary says whether the same may succeed a little later.
func temporary(err error) bool {
	var away *unreachableError
	var refused *refusedError
	return errors.As(err, &away) || errors.As(err, &refused) && (refused.status >= 500 || refused.status == http.StatusTooManyRequests)
}

// isTerminal says whether what is written to w appears on a screen.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
