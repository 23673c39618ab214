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
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

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

// serveFlags is the command line of an edge in a pool.
type serveFlags struct {
	broker, brokerCA, id, tier, zone, listen, backend *string
	tlsCert, tlsKey, directURL, publicAddress         *string
	secret                                            *string
	origins                                           *[]string
	distance                                          *float64
	sessions, workers, udpPort, tcpPort               *int
	volumeMemory, gpuMemory, cacheDisk                *int64
	cacheDir                                          *string
	studies                                           *[]string
	brokerPublic, gpus                                *string
	types, handling                                   *[]string
	mdns, alone                                       *bool
	window, version                                   *bool
	logger                                            func() (*slog.Logger, error)
}

func parseServe(args []string) (*serveFlags, error) {
	f := service.NewFlags("edge-renderer", "Renders medical studies on this machine and streams the pictures to browsers. "+
		"It registers with a broker and takes tasks from there.")
	f.Command("render", "render one picture of a folder of DICOM files into a PNG file")
	f.Command("inspect", "say what volumes a folder, a file or a zip archive holds, and what is wrong with it")
	var s serveFlags
	f.Group("Pool")
	s.broker = f.String("broker", "http://127.0.0.1:8080", "`URL` of the broker")
	s.brokerPublic = f.String("broker-public-url", "", "`URL` where terminals reach the broker, where it is not that of --broker")
	s.brokerCA = f.String("broker-ca", "", "PEM `file` of the authority that signed the broker's certificate, where the system does not know it")
	s.secret = f.Secret("edge-secret", "`file` with this edge's credential for the broker")
	s.id = f.String("id", "", "`name` of this edge in the pool; the host's name where empty")
	s.tier = f.String("tier", "edge", "`edge`, or cloud for a renderer beside the broker that works when no edge is free")
	s.zone = f.String("zone", "", "`name` of the site or zone this edge stands in")
	s.distance = f.Float64("distance", 0, "round trip to its terminals in `milliseconds`; the nearest free edge is chosen")
	s.mdns = f.Bool("mdns", false, "announce this edge in the local network (DNS-SD), so that terminals find it without the broker; needs --direct-url")
	f.Group("Work")
	s.types = f.Strings("types", "task `types` to take, with commas or repeated; all that this edge can do where none is given")
	s.handling = f.Strings("handling", "`TYPE=MODE`: how tasks of a type are handled: resident, allocate, defer or ask; may be repeated")
	s.backend = f.String("backend", "auto", "`auto`, gl or cpu; auto renders with OpenGL on a GPU, and on the processor where there is none")
	s.gpus = f.String("gpus", "", "`list` of GPUs to render on, by their numbers from 0 with commas, or all; the first one where empty")
	s.sessions = f.Int("max-sessions", 4, "`number` of sessions at a time")
	s.workers = f.Int("workers", 0, "`number` of resident compute workers; 0 is one less than the processors")
	s.volumeMemory = f.Int64("volume-memory", 4096, "`MiB` of memory for volumes, which stay until it is needed")
	s.cacheDir = f.String("volume-cache-dir", "", "`folder` of this edge alone (0700) where volumes stay over a restart, patients' data among them; none where empty")
	s.cacheDisk = f.Int64("volume-cache-disk", 0, "`MiB` of that folder to use, least recently used volumes make room; 0 empties it")
	s.studies = f.Strings("local-source", "`NAME=DIR`: the studies of the source of this name lie in this folder too, and are read from there; may be repeated")
	s.alone = f.Bool("alone", false, "show studies of local sources also while the broker cannot be reached, to every terminal with a token of the broker's, whatever study it may see")
	s.gpuMemory = f.Int64("gpu-memory", 8192, "`MiB` of memory to offer of each GPU")
	s.window = f.Bool("window", false, "show the pictures in a window on this machine too (needs the build tag glfw)")
	f.Group("Media")
	s.udpPort = f.Int("udp-port", 0, "UDP `port` for media; 0 takes free ones")
	s.tcpPort = f.Int("tcp-port", 0, "TCP `port` for media where UDP is blocked; 0 is none")
	s.publicAddress = f.String("public-address", "", "`IP` address under which a 1:1 NAT shows this machine")
	f.Group("HTTP")
	s.listen = f.String("listen", "127.0.0.1:8090", "`address` for /healthz, /readyz, /metrics, task requests, pings and direct signalling")
	s.directURL = f.String("direct-url", "", "`URL` of this edge, like wss://edge.example.org:8090, where terminals ask it first and reach its signalling without the broker")
	s.tlsCert = f.String("tls-cert", "", "PEM `file` of this edge's certificate")
	s.tlsKey = f.String("tls-key", "", "PEM `file` of its key")
	s.origins = f.Strings("allowed-origins", "`origin` of a page that may signal directly; may be repeated; any where none is given, for who comes shows a token")
	logger := service.LogFlags(f)
	f.Group("Other")
	s.version = f.Bool("version", false, "print the version and end")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	s.logger = func() (*slog.Logger, error) { return logger(os.Stderr) }
	return &s, nil
}

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
	broker, err := url.Parse(*s.broker)
	if err != nil || broker.Host == "" || (broker.Scheme != "http" && broker.Scheme != "https") {
		return fmt.Errorf("%w: --broker %q is no http or https URL", service.ErrUsage, *s.broker)
	}
	if *s.secret == "" {
		return fmt.Errorf("%w: --edge-secret-file or %s is missing: the broker takes only edges with a credential",
			service.ErrUsage, service.EnvName("edge-secret"))
	}
	if err := service.CheckListen("listen", *s.listen, *s.tlsCert != "", "give --tls-cert and --tls-key, for metrics are then asked for with the edge's secret"); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(*s.publicAddress); err != nil && *s.publicAddress != "" {
		return fmt.Errorf("%w: --public-address %.60q is no IP address", service.ErrUsage, *s.publicAddress)
	}
	if least := signaling.DefaultResources(signaling.Rendering).MemoryMB; *s.volumeMemory < least {
		return fmt.Errorf("%w: --volume-memory %d: a session asks for %d MiB, so this edge would never be given one", service.ErrUsage, *s.volumeMemory, least)
	}
	if *s.cacheDisk < 0 || *s.cacheDisk > 0 && *s.cacheDir == "" {
		return fmt.Errorf("%w: --volume-cache-disk %d: give it with --volume-cache-dir, and not below 0", service.ErrUsage, *s.cacheDisk)
	}
	folders, err := parseStudies(*s.studies)
	if err != nil {
		return err
	}
	trust, err := brokerTLS(*s.brokerCA)
	if err != nil {
		return err
	}
	public, err := publicURL(*s.brokerPublic, broker)
	if err != nil {
		return err
	}
	renderers, err := openGPUs(*s.backend, *s.gpus, log)
	if err != nil {
		return err
	}
	defer renderers.Close()
	node, err := s.node(renderers.Name(), renderers.count, broker.Hostname())
	if err != nil {
		return err
	}
	transport, err := stream.New(stream.Config{UDPPort: *s.udpPort, TCPPort: *s.tcpPort, PublicAddress: *s.publicAddress,
		Loopback: service.IsLoopbackHost(broker.Hostname()), Logger: log})
	if err != nil {
		return err
	}
	defer transport.Close()
	if *s.mdns && node.URL == "" {
		return fmt.Errorf("%w: --mdns announces where terminals reach this edge: give --direct-url", service.ErrUsage)
	}
	workers := task.New(task.Config{Resident: *s.workers, Handling: func(t signaling.TaskType) signaling.Handling { return node.Handling[t] }})
	defer workers.Close()
	volumes, err := cache.New(cache.Config{Renderer: renderers, MaxBytes: *s.volumeMemory << 20, Dir: *s.cacheDir, MaxDiskBytes: *s.cacheDisk << 20,
		PreviewAfter: previewAfter, Logger: log})
	if err != nil {
		return err
	}
	defer volumes.Close()
	sources, err := local.Open(ctx, local.Config{Folders: folders, BrokerHost: broker.Host, Logger: log,
		Broker: &http.Client{Transport: &http.Transport{TLSClientConfig: trust, MaxIdleConnsPerHost: 16, Proxy: http.ProxyFromEnvironment, DisableCompression: true}}})
	if err != nil {
		return err
	}
	defer sources.Close()

	var show func([]byte, int, int)
	if *s.window {
		window, err := gpu.OpenWindow("Tomocast "+string(node.ID), 1280, 720)
		if err != nil {
			return err
		}
		defer window.Close()
		show = func(pix []byte, width, height int) {
			if err := window.Show(pix, width, height); err != nil && !errors.Is(err, gpu.ErrClosed) {
				log.Warn("picture not shown in the window", "err", err)
			}
		}
	}
	registry := service.NewMetrics()
	rendering := session.Config{Node: node.ID, Fallback: renderers.fallback, Volumes: volumes, Sources: sources.Find, Transport: transport,
		Workers: workers, Show: show, Metrics: session.NewMetrics(registry), Logger: log}
	computing := compute.Config{Node: node.ID, Volumes: volumes, Sources: sources.Find, Transport: transport, Workers: workers, Logger: log}
	var a *agent.Agent
	a = agent.New(agent.Config{
		Broker: broker, Public: public, Secret: *s.secret, Node: node, TLS: trust, Load: newLoadMeter(renderers.Busy), Metrics: agent.NewMetrics(registry), Logger: log,
		Studies: local.Studies{Cache: volumes, Find: sources.Find},
		Alone:   func(r signaling.SeriesRef) bool { return *s.alone && sources.Has(r.Source) },
		Begin: func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
			if i.Request.Type != signaling.Rendering {
				c := computing
				c.Instruction, c.Changed = i, changed
				return compute.Start(c)
			}
			c := rendering
			c.Instruction, c.Changed, c.Renderer, c.Viewed = i, changed, renderers.on(i.Attempt.GPU), a.View
			return session.Start(c)
		},
	})
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
	server := &service.Server{Addr: *s.listen, Handler: mux, CertFile: *s.tlsCert, KeyFile: *s.tlsKey, Log: log,
		Listening: func(at net.Addr) { log.Info("edge listens", "address", at.String()) }}
	log.Info("edge starts", "node", node.ID, "renderer", node.Renderer, "codecs", node.Codecs, "broker", broker.Host)
	parts := []service.Part{{Name: "http", Run: server.Run}, {Name: "agent", Run: a.Run},
		{Name: "studies", Run: func(ctx context.Context) error { return sources.Rescan(ctx, rescanEvery) }}}
	if *s.mdns {
		parts = append(parts, service.Part{Name: "mdns", Run: func(ctx context.Context) error {
			if err := lan.Announce(ctx, lan.Edge{Node: node.ID, URL: node.URL, Pool: public.Host}, nil); err != nil {
				log.Warn("terminals do not find this edge by themselves", "err", err)
			}
			<-ctx.Done()
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

// publicURL is where terminals reach the broker.
func publicURL(flag string, broker *url.URL) (*url.URL, error) {
	if flag == "" {
		return broker, nil
	}
	u, err := url.Parse(flag)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%w: --broker-public-url %.100q is no http or https URL", service.ErrUsage, flag)
	}
	return u, nil
}

// parseStudies takes the folders of --local-source apart.
func parseStudies(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, entry := range list {
		name, dir, ok := strings.Cut(entry, "=")
		switch {
		case !ok || dir == "" || !signaling.ValidName(name):
			return nil, fmt.Errorf("%w: --local-source %.100q: write it like NAME=DIR with the name of a source", service.ErrUsage, entry)
		case out[name] != "":
			return nil, fmt.Errorf("%w: --local-source names the source %s twice", service.ErrUsage, name)
		}
		out[name] = dir
	}
	return out, nil
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
