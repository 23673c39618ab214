package pool

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/signaling"
)

// Errors that callers decide on.
var (
	// ErrUnknownNode: the pool does not know the node, or not all of its attempts; the edge registers again.
	ErrUnknownNode = errors.New("the pool does not know this node as it is: it must register again")
	// ErrNoneFits: no candidate was ready and had room.
	ErrNoneFits = errors.New("none of the candidates has room")
	// ErrKeyReused: the idempotency key belongs to a request with other contents.
	ErrKeyReused = errors.New("this idempotency key was used for another request")
	// ErrNotFound: no such task, attempt or link.
	ErrNotFound = errors.New("not in the pool")
	// ErrEnded: the task has ended and takes no new attempt.
	ErrEnded = errors.New("the task has ended")
	// ErrConfirmed: the edge has the attempt in its ledger.
	ErrConfirmed = errors.New("the edge has it already")
	// ErrHeld: the task holds a reservation, which must be released first.
	ErrHeld = errors.New("the task holds a reservation")
	// ErrFull: as many tasks wait for a place as the pool keeps.
	ErrFull = errors.New("too many tasks wait for a place")
	// ErrShare: as many tasks of one creator wait for a place as may.
	ErrShare = errors.New("too many tasks of this user wait for a place")
	// ErrClosed: the node takes no such tasks now.
	ErrClosed = errors.New("the node takes no such tasks now")
	// ErrMoving: another move of the task has a reservation.
	ErrMoving = errors.New("the task moves already")
	// ErrElsewhere: the task has another place, or its idempotency key belongs to another task.
	ErrElsewhere = errors.New("the task is elsewhere already")
)

// Options are the settings of a pool. All brokers of a pool use the same.
type Options struct {
	Prefix       string        // leads all keys; with a hash tag. "{tomocast}" when empty
	Lease        time.Duration // how long a confirmed reservation holds without a heartbeat. 30 s when 0
	HeartbeatTTL time.Duration // a node that is silent for longer is lost. 15 s when 0
	PlacingTTL   time.Duration // how long a waiting task is kept unless Await or PutTask renews it. 15 s when 0
	ForgetLost   time.Duration // when a lost node is forgotten. 1 h when 0
	HistoryLimit int           // how many ended tasks are kept. 10,000 when 0
	MaxPlacing   int           // how many tasks may wait at a time. 10,000 when 0
	MaxWaiting   int           // how many tasks of one creator may wait in the queue at a time. 100 when 0
	Logger       *slog.Logger  // slog.Default when nil
	OnChange     func()        // called by Follow after changes to the snapshot; must not block. May be nil
}

func (o *Options) fill() error {
	if o.Prefix == "" {
		o.Prefix = "{tomocast}"
	}
	if open, end := strings.IndexByte(o.Prefix, '{'), strings.IndexByte(o.Prefix, '}'); open < 0 || end < open+2 {
		return fmt.Errorf("pool prefix %q has no hash tag: write it like {name}", o.Prefix)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"lease", &o.Lease, 30 * time.Second}, {"heartbeat limit", &o.HeartbeatTTL, 15 * time.Second},
		{"placing limit", &o.PlacingTTL, 15 * time.Second}, {"time to forget lost nodes", &o.ForgetLost, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
		if *d.value < time.Millisecond {
			return fmt.Errorf("%s is %s: at least 1ms", d.name, *d.value)
		}
	}
	for _, n := range []struct {
		name  string
		value *int
		usual int
	}{
		{"history limit", &o.HistoryLimit, 10_000}, {"limit of waiting tasks", &o.MaxPlacing, 10_000},
		{"limit of a user's waiting tasks", &o.MaxWaiting, 100},
	} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 1 || *n.value > 1_000_000 {
			return fmt.Errorf("%s is %d: 1 to 1000000", n.name, *n.value)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// Pool is a broker's access to the shared state. It is safe for concurrent use.
type Pool struct {
	rdb redis.UniversalClient
	o   Options
	top atomic.Int64 // highest fencing token that passed through here

	merged merger

	followed followed
	syncOnce sync.Once
	synced   chan struct{}
}

// layout is the version of the keys' meaning. It is raised when older brokers could not read them.
const layout = "2"

// Open checks that the server can run the scripts and that the pool has this program's layout. It does not
// take over rdb: the caller closes it after the pool.
func Open(ctx context.Context, rdb redis.UniversalClient, o Options) (*Pool, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	p := &Pool{rdb: rdb, o: o, merged: merger{rdb: rdb}, synced: make(chan struct{})}
	if err := p.Ping(ctx); err != nil {
		return nil, err
	}
	for _, s := range scripts {
		if err := s.Load(ctx, rdb).Err(); err != nil {
			return nil, fmt.Errorf("load the pool's scripts into Redis (version 6.2 or newer, EVALSHA and SCRIPT allowed?): %w", err)
		}
	}
	if err := rdb.SetNX(ctx, p.key("layout"), layout, 0).Err(); err != nil {
		return nil, fmt.Errorf("write the pool's layout version under %s (may this user write keys there?): %w", o.Prefix, err)
	}
	switch found, err := rdb.Get(ctx, p.key("layout")).Result(); {
	case err != nil:
		return nil, fmt.Errorf("read the pool's layout version: %w", err)
	case found != layout:
		return nil, fmt.Errorf("the pool %s has layout %.20q and this broker needs %s: use brokers of one version, or another prefix", o.Prefix, found, layout)
	}
	return p, nil
}

// Close ends the use of the pool. Follow and subscriptions end with their own contexts.
func (p *Pool) Close() error { return nil }

// Ping says whether Redis answers.
func (p *Pool) Ping(ctx context.Context) error {
	if err := p.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask Redis whether it is there: %w", err)
	}
	return nil
}

func (p *Pool) key(parts ...string) string { return p.o.Prefix + ":" + strings.Join(parts, ":") }

// saw keeps the highest fencing token, so that tokens rise even over a Redis that lost its counter.
func (p *Pool) saw(fencing int64) {
	for {
		old := p.top.Load()
		if fencing <= old || p.top.CompareAndSwap(old, fencing) {
			return
		}
	}
}

//go:embed lua/*.lua
var sources embed.FS

// The scripts. claim, publish and unlink stand alone; the others begin with common.lua.
var (
	claimScript      = script("claim")
	publishScript    = script("publish")
	unlinkScript     = script("unlink")
	registerScript   = script("common", "register")
	heartbeatScript  = script("common", "heartbeat")
	stateScript      = script("common", "state")
	cordonScript     = script("common", "cordon")
	overrideScript   = script("common", "override")
	removeScript     = script("common", "remove")
	confirmScript    = script("common", "confirm")
	updateScript     = script("common", "update")
	releaseScript    = script("common", "release")
	putScript        = script("common", "put")
	awaitScript      = script("common", "await")
	sweepScript      = script("common", "sweep")
	adoptScript      = script("common", "quota", "adopt")
	standbyScript    = script("common", "standby")
	promoteScript    = script("common", "promote")
	unshadowScript   = script("common", "unshadow")
	viewScript       = script("common", "view")
	idleScript       = script("common", "idle")
	experienceScript = script("common", "experience")
	pingsScript      = script("common", "pings")
	leaseScript      = script("common", "lease")
	auditScript      = script("common", "audit")

	scripts []*redis.Script
)

// script joins files of lua/ into one. A line "-- include name" in them stands for the file of that name.
func script(names ...string) *redis.Script {
	read := func(name string) string {
		b, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // it is embedded: only a wrong name in this package gets here
		}
		return string(b)
	}
	var src strings.Builder
	for _, name := range names {
		for line := range strings.Lines(read(name)) {
			if part, ok := strings.CutPrefix(strings.TrimSpace(line), "-- include "); ok {
				line = read(part)
			}
			src.WriteString(line)
		}
	}
	s := redis.NewScript(src.String())
	scripts = append(scripts, s)
	return s
}

// run calls a script by its hash, together with others that are called at the same time, and with its text where the
// server has forgotten it.
func (p *Pool) run(ctx context.Context, s *redis.Script, args ...any) *redis.Cmd {
	words := make([]any, 0, 4+len(args))
	cmd := redis.NewCmd(ctx, append(append(words, "evalsha", s.Hash(), 1, p.o.Prefix), args...)...)
	err := p.merged.do(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return s.Eval(ctx, p.rdb, []string{p.o.Prefix}, args...)
	}
	if err != nil && err == ctx.Err() { // cmd may be in use still
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(err)
	}
	return cmd
}

// flag runs a script that answers 1, or 0 where what it is about is not there.
func (p *Pool) flag(ctx context.Context, missing error, s *redis.Script, args ...any) error {
	n, err := p.run(ctx, s, args...).Int()
	if err != nil {
		return err
	}
	if n == 0 {
		return missing
	}
	return nil
}

// texts reads an array of bulk strings and integers as strings.
func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("a script answered %T where an array belongs", v)
	}
	out := make([]string, len(list))
	for i, e := range list {
		switch e := e.(type) {
		case string:
			out[i] = e
		case int64:
			out[i] = strconv.FormatInt(e, 10)
		default:
			return nil, fmt.Errorf("a script answered %T where text belongs", e)
		}
	}
	return out, nil
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // written by our scripts only
	return n
}

// decodeAmounts reads five numbers parted by spaces, as the scripts keep resources.
func decodeAmounts(s string) (signaling.Resources, error) {
	r, gpus, err := decodeFree(s)
	if err == nil && gpus != nil {
		err = fmt.Errorf("amounts %.70q: five numbers", s)
	}
	return r, err
}

// decodeFree reads a node's amounts: five numbers, and two more for each of several GPUs.
func decodeFree(s string) (r signaling.Resources, gpus []signaling.GPU, err error) {
	f := strings.Fields(s)
	v := make([]int64, len(f))
	ok := len(f) >= 5 && len(f)%2 == 1 && len(f) <= 5+2*signaling.MaxGPUs
	for i := 0; i < len(v) && ok; i++ {
		v[i], err = strconv.ParseInt(f[i], 10, 64)
		ok = err == nil
	}
	if !ok {
		return r, nil, fmt.Errorf("amounts %.70q: five numbers, and two for each of several GPUs", s)
	}
	for i := 5; i < len(v); i += 2 {
		gpus = append(gpus, signaling.GPU{MemoryMB: v[i], Milli: v[i+1]})
	}
	return signaling.Resources{GPUMemoryMB: v[0], GPUMilli: v[1], EncoderSessions: v[2], CPUMilli: v[3], MemoryMB: v[4]}, gpus, nil
}

func encodeAmounts(r signaling.Resources) []byte {
	b := make([]byte, 0, 64)
	for i, v := range []int64{r.GPUMemoryMB, r.GPUMilli, r.EncoderSessions, r.CPUMilli, r.MemoryMB} {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return b
}

// encodeCapacity is a node's capacity as decodeFree reads it.
func encodeCapacity(n *signaling.Node) []byte {
	b := encodeAmounts(n.Capacity)
	for _, g := range n.GPUs {
		b = strconv.AppendInt(append(b, ' '), g.MemoryMB, 10)
		b = strconv.AppendInt(append(b, ' '), g.Milli, 10)
	}
	return b
}

// digest is a short hash that stands for text.
func digest(parts ...string) string {
	h := sha256.New()
	for _, s := range parts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// checkName refuses what cannot name a task, an attempt, a node or a broker. It is signaling.ValidName without a
// regular expression, which takes longer than the rest of a claim's preparation.
func checkName(what, s string) error {
	ok := len(s) > 0 && len(s) <= 63
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || i > 0 && (c == '-' || c == '.' || c == '_')
	}
	if !ok {
		return fmt.Errorf("%s %.70q: letters, digits, '.', '-' and '_', at most 63", what, s)
	}
	return nil
}

// clip keeps free text within what a record may hold.
func clip(s string, limit int) string {
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

const (
	maxReason  = 500
	maxCreator = 256
)
