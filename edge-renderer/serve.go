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
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/edge-renderer/agent"
	"github.com/tomocast/tomocast/edge-renderer/encode"
	"github.com/tomocast/tomocast/edge-renderer/gpu"
	"github.com/tomocast/tomocast/edge-renderer/local"
	"github.com/tomocast/tomocast/edge-renderer/session"
	"github.com/tomocast/tomocast/edge-renderer/stream"
	"github.com/tomocast/tomocast/edge-renderer/study/cache"
	"github.com/tomocast/tomocast/edge-renderer/task"
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
	s.brokerCA = f.String("broker-ca", "", "PEM `file` of the authority that signed the broker's certificate, where the system does not know it")
	s.secret = f.Secret("edge-secret", "`file` with this edge's credential for the broker")
	s.id = f.String("id", "", "`name` of this edge in the pool; the host's name where empty")
	s.tier = f.String("tier", "edge", "`edge`, or cloud for a renderer beside the broker that works when no edge is free")
	s.zone = f.String("zone", "", "`name` of the site or zone this edge stands in")
	s.distance = f.Float64("distance", 0, "round trip to its terminals in `milliseconds`; the nearest free edge is chosen")
	f.Group("Work")
	s.backend = f.String("backend", "auto", "`auto`, gl or cpu; auto renders with OpenGL on a GPU, and on the processor where there is none")
	s.sessions = f.Int("max-sessions", 4, "`number` of sessions at a time")
	s.workers = f.Int("workers", 0, "`number` of resident compute workers; 0 is one less than the processors")
	s.volumeMemory = f.Int64("volume-memory", 4096, "`MiB` of memory for volumes, which stay until it is needed")
	s.cacheDir = f.String("volume-cache-dir", "", "`folder` of this edge alone (0700) where volumes stay over a restart, patients' data among them; none where empty")
	s.cacheDisk = f.Int64("volume-cache-disk", 0, "`MiB` of that folder to use, least recently used volumes make room; 0 empties it")
	s.studies = f.Strings("local-source", "`NAME=DIR`: the studies of the source of this name lie in this folder too, and are read from there; may be repeated")
	s.gpuMemory = f.Int64("gpu-memory", 8192, "`MiB` of GPU memory to offer")
	s.window = f.Bool("window", false, "show the pictures in a window on this machine too (needs the build tag glfw)")
	f.Group("Media")
	s.udpPort = f.Int("udp-port", 0, "UDP `port` for media; 0 takes free ones")
	s.tcpPort = f.Int("tcp-port", 0, "TCP `port` for media where UDP is blocked; 0 is none")
	s.publicAddress = f.String("public-address", "", "`IP` address under which a 1:1 NAT shows this machine")
	f.Group("HTTP")
	s.listen = f.String("listen", "127.0.0.1:8090", "`address` for /healthz, /readyz, /metrics and direct signalling")
	s.directURL = f.String("direct-url", "", "`URL` of this edge, like wss://edge.example.org:8090, where terminals reach its signalling without the broker")
	s.tlsCert = f.String("tls-cert", "", "PEM `file` of this edge's certificate")
	s.tlsKey = f.String("tls-key", "", "PEM `file` of its key")
	s.origins = f.Strings("allowed-origins", "`origin` of a page that may signal directly; may be repeated")
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
	renderer, fallback, err := openRenderer(*s.backend, log)
	if err != nil {
		return err
	}
	defer renderer.Close()
	node, err := s.node(renderer.Name())
	if err != nil {
		return err
	}
	transport, err := stream.New(stream.Config{UDPPort: *s.udpPort, TCPPort: *s.tcpPort, PublicAddress: *s.publicAddress,
		Loopback: service.IsLoopbackHost(broker.Hostname()), Logger: log})
	if err != nil {
		return err
	}
	defer transport.Close()
	workers := task.NewWorkers(*s.workers)
	defer workers.Close()
	volumes, err := cache.New(cache.Config{Renderer: renderer, MaxBytes: *s.volumeMemory << 20, Dir: *s.cacheDir, MaxDiskBytes: *s.cacheDisk << 20,
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
	rendering := session.Config{Node: node.ID, Renderer: renderer, Fallback: fallback, Volumes: volumes, Sources: sources.Find, Transport: transport,
		Workers: workers, Show: show, Metrics: session.NewMetrics(registry), Logger: log}
	begin := func(i signaling.Instruction, changed func(signaling.Update)) agent.Work {
		c := rendering
		c.Instruction, c.Changed = i, changed
		return session.Start(c)
	}
	a := agent.New(agent.Config{
		Broker: broker, Secret: *s.secret, Node: node, TLS: trust, Load: newLoadMeter(), Logger: log,
		Studies: local.Studies{Cache: volumes, Find: sources.Find},
		Begin:   begin,
	})
	health := &service.Health{}
	health.Check("broker", func(context.Context) error { return a.Linked() })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health.Live)
	mux.HandleFunc("GET /readyz", health.Readiness)
	mux.Handle("GET /metrics", s.guarded(service.MetricsHandler(registry)))
	mux.Handle("GET "+agent.SignalPath, a.ServeSignal(s.originAllowed))
	server := &service.Server{Addr: *s.listen, Handler: mux, CertFile: *s.tlsCert, KeyFile: *s.tlsKey, Log: log,
		Listening: func(at net.Addr) { log.Info("edge listens", "address", at.String()) }}
	log.Info("edge starts", "node", node.ID, "renderer", node.Renderer, "codecs", node.Codecs, "broker", broker.Host)
	err = service.Run(ctx, service.Part{Name: "http", Run: server.Run}, service.Part{Name: "agent", Run: a.Run},
		service.Part{Name: "studies", Run: func(ctx context.Context) error { return sources.Rescan(ctx, rescanEvery) }})
	if errors.Is(err, agent.ErrStuck) { // what the sessions use cannot be closed in order
		log.Error("the edge ends at once", "err", err)
		os.Exit(1)
	}
	return err
}

// rescanEvery is how often new files are looked for in folders of studies.
const rescanEvery = time.Minute

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

// node is how the edge registers.
func (s *serveFlags) node(renderer string) (signaling.Node, error) {
	n := signaling.Node{
		ID: signaling.NodeID(*s.id), Tier: signaling.Tier(*s.tier), State: signaling.NodeStarting, Version: service.Version(),
		Zone: *s.zone, DistanceMs: *s.distance, Renderer: renderer,
		Types: []signaling.TaskType{signaling.Rendering},
		Capacity: signaling.Resources{GPUMemoryMB: *s.gpuMemory, GPUMilli: max(1000, int64(*s.sessions)*signaling.DefaultResources(signaling.Rendering).GPUMilli), EncoderSessions: int64(*s.sessions),
			CPUMilli: int64(max(runtime.NumCPU(), (*s.sessions+1)/2)) * 1000, MemoryMB: *s.volumeMemory},
	}
	if n.ID == "" {
		host, err := os.Hostname()
		if err != nil || !signaling.ValidName(host) {
			return n, fmt.Errorf("%w: the host's name %.70q cannot name the edge: give --id", service.ErrUsage, host)
		}
		n.ID = signaling.NodeID(host)
	}
	if *s.directURL != "" {
		direct, err := url.Parse(*s.directURL)
		if err != nil || (direct.Scheme != "wss" && direct.Scheme != "ws") || direct.Host == "" || direct.RawQuery != "" || direct.Fragment != "" {
			return n, fmt.Errorf("%w: --direct-url %.100q: write it like wss://edge.example.org:8090", service.ErrUsage, *s.directURL)
		}
		n.DirectURL = direct.JoinPath(agent.SignalPath).String()
	}
	for _, info := range encode.Available() {
		if info.Usable && !slices.Contains(n.Codecs, string(info.Codec)) {
			n.Codecs = append(n.Codecs, string(info.Codec))
		}
	}
	if len(n.Codecs) == 0 {
		return n, errors.New("no video encoder opens on this machine: install libopenh264 or libvpx")
	}
	if err := n.Validate(); err != nil {
		return n, fmt.Errorf("%w: this edge cannot register: %w", service.ErrUsage, err)
	}
	return n, nil
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
	return origin == "" || slices.Contains(*s.origins, origin)
}
