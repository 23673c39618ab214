package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/compute"
	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/local"
	"github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
	"github.com/tomocast/tomocast/internal/lan"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// previewAfter is how long a series may take before a coarse picture of it is shown: less than a user waits for, and more
// than a CT takes from a server in the same house.
const previewAfter = 250 * time.Millisecond

// dialWithin is how long a broker may take to be reached before another one is asked for a series.
const dialWithin = 5 * time.Second

func serve(ctx context.Context, args []string) error {
	s, err := parseServe(args)
	if err != nil {
		return err
	}
	if *s.version {
		fmt.Println("edge-renderer", service.Version())
		return nil
	}
	log, err := s.logger()
	if err != nil {
		return err
	}
	brokers, err := s.check()
	if err != nil {
		return err
	}
	folders, err := parseStudies(*s.studies)
	if err != nil {
		return err
	}
	trust, err := brokerTLS(*s.brokerCA)
	if err != nil {
		return err
	}
	var public *url.URL // nil: at the broker that the edge is linked to
	pool := brokers[0].Host
	if *s.brokerPublic != "" {
		if public, err = webURL("broker-public-url", *s.brokerPublic); err != nil {
			return err
		}
		pool = public.Host
	}
	hosts, loopback := make([]string, len(brokers)), false
	for i, b := range brokers {
		hosts[i] = b.Host
		loopback = loopback || service.IsLoopbackHost(b.Hostname())
	}
	renderers, err := openGPUs(*s.backend, *s.gpus, log)
	if err != nil {
		return err
	}
	defer renderers.Close()
	node, err := s.node(renderers.Name(), renderers.count, loopback)
	if err != nil {
		return err
	}
	transport, err := stream.New(stream.Config{UDPPort: *s.udpPort, TCPPort: *s.tcpPort, PublicAddress: *s.publicAddress,
		Loopback: loopback, Logger: log})
	if err != nil {
		return err
	}
	defer transport.Close()
	workers := task.New(task.Config{Resident: *s.workers, Handling: func(t signaling.TaskType) signaling.Handling { return node.Handling[t] }})
	defer workers.Close()
	volumes, err := cache.New(cache.Config{Renderer: renderers, MaxBytes: *s.volumeMemory << 20, Dir: *s.cacheDir, MaxDiskBytes: *s.cacheDisk << 20,
		PreviewAfter: previewAfter, Logger: log})
	if err != nil {
		return err
	}
	defer volumes.Close()
	var a *agent.Agent
	toBroker := &http.Transport{TLSClientConfig: trust, MaxIdleConnsPerHost: 16, Proxy: http.ProxyFromEnvironment, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext}
	sources, err := local.Open(ctx, local.Config{Folders: folders, BrokerHosts: hosts, Logger: log,
		Broker: &http.Client{Transport: local.Elsewhere(toBroker, func() *url.URL { return a.Broker() })}})
	if err != nil {
		return err
	}
	defer sources.Close()

	show, closeWindow, err := s.preview(node.ID, log)
	if err != nil {
		return err
	}
	defer closeWindow()
	registry := service.NewMetrics()
	rendering := session.Config{Node: node.ID, Fallback: renderers.fallback, Volumes: volumes, Sources: sources.Find, Transport: transport,
		Workers: workers, Show: show, Metrics: session.NewMetrics(registry), Logger: log}
	computing := compute.Config{Node: node.ID, Volumes: volumes, Sources: sources.Find, Transport: transport, Workers: workers, Logger: log}
	a = agent.New(agent.Config{
		Brokers: brokers, Public: public, Secret: *s.secret, Node: node, TLS: trust, Load: newLoadMeter(renderers.Busy), Metrics: agent.NewMetrics(registry), Logger: log,
		Studies: local.Studies{Cache: volumes, Find: sources.Find},
		Alone:   func(r signaling.SeriesRef) bool { return *s.alone && sources.Has(r.Source) },
		Can: func(r *signaling.TaskRequest) error {
			if r.Type == signaling.Rendering {
				return nil
			}
			return task.Can(r)
		},
		Begin: func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
			if i.Request.Type != signaling.Rendering {
				c := computing
				c.Instruction, c.Changed, c.Moved = i, changed, a.Moved
				return compute.Start(c)
			}
			c := rendering
			c.Instruction, c.Changed, c.Renderer, c.Viewed, c.Moved = i, changed, renderers.on(i.Attempt.GPU), a.View, a.Moved
			return session.Start(c)
		},
	})
	server := &service.Server{Addr: *s.listen, Handler: s.routes(a, registry), CertFile: *s.tlsCert, KeyFile: *s.tlsKey, Log: log,
		Listening: func(at net.Addr) { log.Info("edge listens", "address", at.String()) }}
	log.Info("edge starts", "node", node.ID, "renderer", node.Renderer, "codecs", node.Codecs, "brokers", hosts)
	parts := []service.Part{{Name: "http", Run: server.Run}, {Name: "agent", Run: a.Run},
		{Name: "studies", Run: func(ctx context.Context) error { return sources.Rescan(ctx, rescanEvery) }}}
	if *s.mdns {
		parts = append(parts, service.Part{Name: "mdns", Run: func(ctx context.Context) error {
			announce(ctx, lan.Edge{Node: node.ID, URL: node.URL, Pool: pool}, log)
			return nil
		}})
	}
	err = service.Run(ctx, parts...)
	if errors.Is(err, agent.ErrStuck) { // what the sessions use cannot be closed in order
		log.Error("the edge ends at once", "err", err)
		os.Exit(1)
	}
	return err
}

// rescanEvery is how often new files are looked for in folders of studies.
const rescanEvery = time.Minute

// preview opens the window of --window, and returns what shows pictures there; nil without.
func (s *serveFlags) preview(node signaling.NodeID, log *slog.Logger) (show func(pix []byte, width, height int), done func(), err error) {
	if !*s.window {
		return nil, func() {}, nil
	}
	window, err := gpu.OpenWindow("Tomocast "+string(node), 1280, 720)
	if err != nil {
		return nil, nil, err
	}
	show = func(pix []byte, width, height int) {
		if err := window.Show(pix, width, height); err != nil && !errors.Is(err, gpu.ErrClosed) {
			log.Warn("picture not shown in the window", "err", err)
		}
	}
	return show, func() { _ = window.Close() }, nil
}

// announce tells the local network of this edge until ctx ends. One that cannot goes on without.
func announce(ctx context.Context, e lan.Edge, log *slog.Logger) {
	if err := lan.Announce(ctx, e, nil); err != nil {
		log.Warn("terminals do not find this edge by themselves", "err", err)
	}
	<-ctx.Done()
}

// routes are the edge's HTTP endpoints.
func (s *serveFlags) routes(a *agent.Agent, registry *prometheus.Registry) http.Handler {
	health := &service.Health{}
	health.Check("broker", func(context.Context) error { return a.Linked() })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health.Live)
	mux.HandleFunc("GET /readyz", health.Readiness)
	mux.Handle("GET /metrics", s.guarded(service.MetricsHandler(registry)))
	mux.Handle("GET "+agent.SignalPath, a.ServeSignal(s.originAllowed))
	mux.HandleFunc("GET "+agent.PingPath, agent.ServePing)
	mux.HandleFunc("POST "+agent.TasksPath, a.ServeTasks)
	for _, path := range []string{agent.PingPath, agent.TasksPath} {
		mux.HandleFunc("OPTIONS "+path, agent.ServePreflight)
	}
	return mux
}

func brokerTLS(ca string) (*tls.Config, error) {
	if ca == "" {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read --broker-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: --broker-ca %s holds no PEM certificate", service.ErrUsage, ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// guarded asks for the edge's secret where others than this machine can reach the address.
func (s *serveFlags) guarded(h http.Handler) http.Handler {
	if service.IsLoopback(*s.listen) {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !sameSecret(token, *s.secret) {
			http.Error(w, "metrics are for who has the edge's secret (Authorization: Bearer)", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *serveFlags) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || len(*s.origins) == 0 || slices.Contains(*s.origins, origin)
}
