package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/cloud-broker/moving"
	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/placement"
	"github.com/tomocast/tomocast/cloud-broker/pool"
	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/cloud-broker/thumbnail"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

const (
	// heartbeat is how often edges report: often enough that one lost message does not make a node look lost.
	heartbeat = 3 * time.Second
	// redisRetryFirst and redisRetryMost bound how long a broker that starts before its Redis waits between tries.
	redisRetryFirst = 200 * time.Millisecond
	redisRetryMost  = 5 * time.Second
)

// broker is the program with all its parts.
type broker struct {
	*config
	log     *slog.Logger
	viewer  http.Handler
	edges   *identity.Edges
	keys    *control.Keys
	nodes   *placement.Snapshot
	health  *service.Health
	metrics *prometheus.Registry
	library *library.Library

	identity identity.Authenticator
	local    *identity.Local // nil where an issuer is configured

	changed *dispatch.Bell // rings when nodes have changed

	// handler answers requests. Until Redis is there it says so.
	handler atomic.Pointer[http.Handler]
	pooled  atomic.Pointer[pool.Pool] // nil until handler serves from it
	// listening, if set, is told the address.
	listening func(net.Addr)
	// look is how often draining nodes are looked at; 0 is as often as package moving likes.
	look time.Duration
}

func newBroker(c *config, log *slog.Logger) (*broker, error) {
	b := &broker{config: c, log: log, nodes: placement.NewSnapshot(), health: &service.Health{}, metrics: service.NewMetrics(),
		changed: dispatch.NewBell()}
	var err error
	if b.edges, err = identity.NewEdges(c.edgeSecret, c.edgeSecrets); err != nil {
		return nil, usage("%w", err)
	}
	if c.tokenKeyFile != "" {
		if b.keys, err = control.ReadKeys(c.tokenKeyFile); err != nil {
			return nil, usage("--token-key-file: %w", err)
		}
	} else {
		b.keys = control.NewKeys(b.prefix() + ":token-key")
	}
	if b.library, err = library.New(library.Config{Specs: b.specs(), Cache: c.cacheDir, Rescan: c.rescan, Log: log}); err != nil {
		return nil, usage("--sources: %w", err)
	}
	if c.oidcIssuer != "" {
		oidc := identity.NewOIDC(identity.OIDCConfig{Issuer: c.oidcIssuer, Audience: c.oidcAudience, Operators: c.oidcOperators, Urgent: c.oidcUrgent})
		b.identity = oidc
		b.health.Check("identity", oidc.Ready)
	} else {
		b.local = identity.NewLocal(c.localToken)
		b.identity = b.local
	}
	b.health.Check("redis", b.poolReady)
	b.answer(b.starting())
	return b, nil
}

// poolReady says whether Redis answers and the nodes are known.
func (b *broker) poolReady(ctx context.Context) error {
	p := b.pooled.Load()
	if p == nil || p.Ping(ctx) != nil {
		return errors.New("no answer from Redis")
	}
	select {
	case <-p.Synced():
		return nil
	default:
		return errors.New("the pool's nodes are being read")
	}
}

// prefix leads the pool's keys, with a hash tag so that they share a slot of a Redis Cluster.
func (b *broker) prefix() string { return "{" + b.pool + "}" }

func (b *broker) answer(h http.Handler) { b.handler.Store(&h) }

// starting answers until Redis is there: health, and that nothing else can be had yet.
func (b *broker) starting() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", b.health.Live)
	mux.HandleFunc("GET /readyz", b.health.Readiness)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		api.Refuse(w, &signaling.Problem{Code: signaling.ProblemUnavailable, Title: "The broker cannot reach Redis.",
			Detail: "It serves as soon as Redis answers. Try again in a few seconds."})
	})
	return mux
}

// run serves until ctx ends.
func (b *broker) run(ctx context.Context) error {
	b.health.Check("studies", b.library.Ready)
	server := &service.Server{
		Addr: b.listen, CertFile: b.certFile, KeyFile: b.keyFile, Log: b.log,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*b.handler.Load()).ServeHTTP(w, r) }),
		Listening: func(a net.Addr) {
			b.log.Info("broker listens", "address", a.String(), "version", service.Version())
			if b.listening != nil {
				b.listening(a)
			}
		},
	}
	return service.Run(ctx,
		service.Part{Name: "HTTP", Run: server.Run},
		service.Part{Name: "studies", Run: func(ctx context.Context) error { return b.keepStudies(ctx, b.library) }},
		service.Part{Name: "pool", Run: func(ctx context.Context) error { return b.serve(ctx) }})
}

// serve opens the pool, waiting for Redis if need be, and then places tasks until ctx ends.
func (b *broker) serve(ctx context.Context) error {
	rdb, stop, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer stop()
	p, err := b.open(ctx, rdb)
	if err != nil {
		return nil // ctx has ended while Redis was away
	}
	defer p.Close()
	hub, err := control.NewHub(ctx, control.Config{
		Pool: p, Snapshot: b.nodes, Edges: b.edges, Keys: b.keys, Heartbeat: heartbeat, Log: b.log,
		Prepare:   func(ctx context.Context) error { return b.keys.Adopt(ctx, rdb) },
		Refuse:    func(w http.ResponseWriter, _ *http.Request, p *signaling.Problem) { api.Refuse(w, p) },
		Overrides: b.sites.Nodes,
	})
	if err != nil {
		return err
	}
	defer hub.Close()
	defer b.answer(b.starting())
	for _, what := range b.sites.Past(time.Now()) {
		b.log.Warn("a schedule in the file of --sites is over", "what", what)
	}
	expect := foresight.New(foresight.Config{Pool: p, Log: b.log, Metrics: b.metrics})
	times := nodetimes.New(nodetimes.Config{Pool: p, Nodes: b.nodes, Schedules: b.sites.Schedules, Forecast: expect, Changed: b.changed.Ring, Log: b.log})
	scaler, err := scaling.New(scaling.Config{Pool: p, Nodes: b.nodes, Edges: hub, Foresee: expect, Scale: b.sites.Scaling.ByType(),
		Off: b.sites.Scaling.Off, Log: b.log, Metrics: b.metrics})
	if err != nil {
		return err
	}
	d := dispatch.New(dispatch.Config{
		Pool: p, Snapshot: b.nodes, Edges: hub, Keys: b.keys, Library: b.library, Relays: b.relays,
		Sites: b.sites, Buffer: b.sites.Buffer, Changed: b.changed, Wait: b.wait, Idle: b.idle, Grace: b.grace, Log: b.log, Metrics: b.metrics,
		Scaler: scaler, Foresight: expect,
	})
	mover, err := moving.New(moving.Config{Pool: p, Nodes: b.nodes, Edges: hub, Place: d, Foresee: expect, Times: times, Closing: b.sites.Closing,
		Defrag: b.sites.Defragment.Config, Defragment: !b.sites.Defragment.Off, Look: b.look, Log: b.log, Metrics: b.metrics})
	if err != nil {
		return err
	}
	d.Mover = mover
	hub.Attach(d)
	thumbnails := thumbnail.NewCache()
	defer thumbnails.Close()
	b.answer(api.New(api.Config{
		Dispatcher: d, Hub: hub, Times: times, Foresight: expect, Scaler: scaler, Mover: mover, Keys: b.keys, Library: b.library, Thumbnails: thumbnails, Identity: b.identity, Local: b.local, Origins: b.origins,
		Proxies: b.proxies, MetricsSecret: b.metricsSecret, Viewer: b.viewer, Health: b.health, Metrics: b.metrics, Log: b.log,
	}))
	b.pooled.Store(p)
	return service.Run(ctx,
		service.Part{Name: "dispatch", Run: d.Run},
		service.Part{Name: "foresight", Run: expect.Run},
		service.Part{Name: "scaling", Run: scaler.Run},
		service.Part{Name: "moving", Run: mover.Run},
		service.Part{Name: "times of nodes", Run: times.Run})
}

// connect makes a client for Redis, or starts the embedded one.
func (b *broker) connect(ctx context.Context) (redis.UniversalClient, func(), error) {
	if b.redis == "" {
		return pool.Embedded(ctx)
	}
	rdb, err := pool.Connect(b.redis)
	if err != nil {
		return nil, nil, usage("--redis: %w", err)
	}
	return rdb, func() { _ = rdb.Close() }, nil
}

// open opens the pool as soon as Redis answers. It fails only when ctx ends.
func (b *broker) open(ctx context.Context, rdb redis.UniversalClient) (*pool.Pool, error) {
	for retry := redisRetryFirst; ; retry = min(2*retry, redisRetryMost) {
		p, err := pool.Open(ctx, rdb, pool.Options{Prefix: b.prefix(), Logger: b.log, OnChange: b.changed.Ring})
		if err == nil {
			err = b.keys.Adopt(ctx, rdb)
		}
		if err == nil {
			return p, nil
		}
		b.log.Warn("the pool cannot be opened; trying again", "error", err, "in", retry)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(retry):
		}
	}
}

// viewer serves the viewer's files, or says that they were not built.
func viewer(assets fs.FS, err error) http.Handler {
	var files *api.Files
	if err == nil {
		files, err = api.NewFiles(assets)
	}
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			api.Refuse(w, &signaling.Problem{Code: signaling.ProblemNotFound, Title: "This broker has no viewer.", Detail: err.Error() + "."})
		})
	}
	return files
}
