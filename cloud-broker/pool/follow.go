package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/signaling"
)

const (
	loadPage   = 500 // nodes per round trip of a full load
	changePage = 1024
	// gather is the pause after changes were applied, so that many claims wake each broker once and not each time:
	// a reader that waits at the stream makes the claim that serves it slower.
	gather     = 10 * time.Millisecond
	blockFor   = 500 * time.Millisecond // a wait for changes; also how late Follow may notice that its context ended
	checkEvery = time.Second            // how often the pool's generation is looked at
	// reloadEvery bounds for how long a snapshot can be wrong when Redis fails over to a replica that had not seen
	// the last writes.
	reloadEvery = time.Minute
	retryFirst  = 100 * time.Millisecond
	retryMost   = 5 * time.Second
)

// errReload makes Follow load everything again.
var errReload = errors.New("the snapshot must be loaded again")

// Follow keeps snap as the pool is, until ctx ends; it then returns nil. It loads all nodes, then reads the change
// stream, and loads again when the stream was trimmed past it, when Redis lost its contents, and once a minute. While
// Redis is away the snapshot stays as it was and Follow keeps trying. Only one Follow may feed a snapshot.
func (p *Pool) Follow(ctx context.Context, snap *placement.Snapshot) error {
	retry := retryFirst
	for ctx.Err() == nil {
		at, generation, err := p.load(ctx, snap)
		if err == nil {
			retry = retryFirst
			p.syncOnce.Do(func() { close(p.synced) })
			p.followed.set(at)
			p.changed()
			err = p.track(ctx, snap, at, generation)
		}
		if ctx.Err() != nil || errors.Is(err, errReload) {
			continue
		}
		p.o.Logger.Warn("following the pool failed; trying again", "error", err, "in", retry)
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
		retry = min(2*retry, retryMost)
	}
	return nil
}

// Synced is closed when Follow has loaded the pool for the first time.
func (p *Pool) Synced() <-chan struct{} { return p.synced }

// CatchUp waits until the snapshot that Follow keeps has all changes that were made before, so that whoever has changed
// something sees it there. The error is ctx's, or of Redis.
func (p *Pool) CatchUp(ctx context.Context) error {
	last, err := p.rdb.XRevRangeN(ctx, p.key("changes"), "+", "-", 1).Result()
	if err != nil || len(last) == 0 {
		return err
	}
	for {
		at, next := p.followed.now()
		if at != "" && !earlier(at, last[0].ID) {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// followed is how far the change stream was read.
type followed struct {
	mu   sync.Mutex
	at   string        // empty before the first load
	next chan struct{} // closed by the next change of at
}

func (f *followed) now() (at string, next <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(chan struct{})
	}
	return f.at, f.next
}

func (f *followed) set(at string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = at
	if f.next != nil {
		close(f.next)
		f.next = nil
	}
}

func (p *Pool) changed() {
	if p.o.OnChange != nil {
		p.o.OnChange()
	}
}

// load reads all nodes. The changes behind the returned stream position may be in them already or not; since a
// change carries a node's state and not a difference, applying it again does no harm.
func (p *Pool) load(ctx context.Context, snap *placement.Snapshot) (at, generation string, err error) {
	if generation, err = p.generation(ctx); err != nil {
		return "", "", err
	}
	last, err := p.rdb.XRevRangeN(ctx, p.key("changes"), "+", "-", 1).Result()
	if err != nil {
		return "", "", fmt.Errorf("read the end of the change stream: %w", err)
	}
	at = "0-0"
	if len(last) > 0 {
		at = last[0].ID
	}
	var nodes []signaling.Node
	volumes := map[signaling.NodeID][]string{}
	var after signaling.NodeID
	for {
		page, err := p.Nodes(ctx, after, loadPage)
		if err != nil {
			return "", "", err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			nodes = append(nodes, page[i].Node)
			if held := page[i].volumes; len(held) > 0 {
				volumes[page[i].ID] = held
			}
		}
		after = page[len(page)-1].ID
	}
	snap.Replace(nodes, volumes)
	return at, generation, nil
}

func (p *Pool) generation(ctx context.Context) (string, error) {
	g, err := p.rdb.Get(ctx, p.key("generation")).Result()
	if err != nil && err != redis.Nil {
		return "", fmt.Errorf("read the pool's generation: %w", err)
	}
	return g, nil
}

// track applies changes from position at on.
func (p *Pool) track(ctx context.Context, snap *placement.Snapshot, at, generation string) error {
	loaded := time.Now()
	checked := loaded
	for {
		answer, err := p.rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{p.key("changes"), at}, Count: changePage, Block: blockFor}).Result()
		if err != nil && err != redis.Nil {
			return fmt.Errorf("read the change stream: %w", err)
		}
		if len(answer) > 0 && len(answer[0].Messages) > 0 {
			entries := answer[0].Messages
			// Only who reads full pages can have fallen behind by more than the stream keeps.
			if len(entries) == changePage {
				if err := p.behind(ctx, at); err != nil {
					return err
				}
			}
			changes := make([]placement.Change, 0, len(entries))
			for _, e := range entries {
				c, err := decodeChange(e.Values)
				if err != nil {
					return fmt.Errorf("change %s: %w", e.ID, err)
				}
				changes = append(changes, c)
			}
			snap.Apply(changes...)
			at = entries[len(entries)-1].ID
			p.followed.set(at)
			p.changed()
			if len(entries) < changePage {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(gather):
				}
			}
		}
		now := time.Now()
		if now.Sub(loaded) >= reloadEvery {
			return errReload
		}
		if now.Sub(checked) >= checkEvery {
			checked = now
			g, err := p.generation(ctx)
			if err != nil {
				return err
			}
			if g != generation {
				return errReload
			}
		}
	}
}

// behind returns errReload when entries behind at may have been trimmed away unread.
func (p *Pool) behind(ctx context.Context, at string) error {
	oldest, err := p.rdb.XRangeN(ctx, p.key("changes"), "-", "+", 1).Result()
	if err != nil {
		return fmt.Errorf("read the start of the change stream: %w", err)
	}
	if len(oldest) == 0 || at != "0-0" && earlier(at, oldest[0].ID) {
		return errReload
	}
	return nil
}

// earlier compares stream positions, "<ms>-<number>".
func earlier(a, b string) bool {
	ams, an, _ := strings.Cut(a, "-")
	bms, bn, _ := strings.Cut(b, "-")
	if ams != bms {
		return number(ams) < number(bms)
	}
	return number(an) < number(bn)
}

// decodeChange reads an entry of the change stream (lua/common.lua).
func decodeChange(values map[string]any) (placement.Change, error) {
	text, _ := values["c"].(string)
	text, doc, put := cut(text, " {")
	f := strings.SplitN(text, " ", 3)
	c := placement.Change{Kind: placement.Remove, Node: signaling.Node{ID: signaling.NodeID(f[0])}}
	if len(f) == 2 && f[1] == "gone" {
		return c, nil
	}
	if len(f) < 3 {
		return c, fmt.Errorf("%.70q: a node, its state and amounts", text)
	}
	volumes, told := values["v"].(string)
	if told {
		c.Volumes = strings.Fields(volumes)
	}
	if put {
		n, err := decodeNode(doc, f[1], f[2])
		c.Kind, c.Node = placement.Put, n
		return c, err
	}
	c.Kind, c.Node.State = placement.Amounts, signaling.NodeState(f[1])
	if told {
		c.Kind = placement.Held
	}
	var err error
	c.Node.Free, c.Node.FreeGPUs, err = decodeFree(f[2])
	return c, err
}

// cut parts text before an opening brace.
func cut(text, before string) (head, doc string, found bool) {
	i := strings.Index(text, before)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}
