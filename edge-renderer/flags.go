package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// serveFlags is the command line of an edge in a pool.
type serveFlags struct {
	brokerCA, id, tier, zone, listen, backend *string
	tlsCert, tlsKey, directURL, publicAddress *string
	secret                                    *string
	brokers, origins                          *[]string
	distance                                  *float64
	sessions, workers, udpPort, tcpPort       *int
	volumeMemory, gpuMemory, cacheDisk        *int64
	cacheDir                                  *string
	studies                                   *[]string
	brokerPublic, gpus, until                 *string
	types, handling                           *[]string
	mdns, alone                               *bool
	window, version                           *bool
	logger                                    func() (*slog.Logger, error)
}

func parseServe(args []string) (*serveFlags, error) {
	f := service.NewFlags("edge-renderer", "Renders medical studies on this machine and streams the pictures to browsers. "+
		"It registers with a broker and takes tasks from there.")
	f.Command("render", "render one picture of a folder of DICOM files into a PNG file")
	f.Command("inspect", "say what volumes a folder, a file or a zip archive holds, and what is wrong with it")
	var s serveFlags
	f.Group("Pool")
	s.brokers = f.Strings("broker", "`URL` of the broker; several of one pool with commas or repeated, the first one preferred, and the others for when it is out of reach (default "+defaultBroker+")")
	s.brokerPublic = f.String("broker-public-url", "", "`URL` where terminals reach the broker, where it is not that of --broker; with several brokers, one for all")
	s.brokerCA = f.String("broker-ca", "", "PEM `file` of the authorities that signed the brokers' certificates, where the system does not know them")
	s.secret = f.Secret("edge-secret", "`file` with this edge's credential for the broker")
	s.id = f.String("id", "", "`name` of this edge in the pool; the host's name where empty")
	s.tier = f.String("tier", "edge", "`edge`, or cloud for a renderer beside the broker that works when no edge is free")
	s.zone = f.String("zone", "", "`name` of the site or zone this edge stands in")
	s.distance = f.Float64("distance", 0, "round trip to its terminals in `milliseconds`; the nearest free edge is chosen")
	s.until = f.String("until", "", "`TIME` at which this machine goes (RFC 3339, for example 2026-03-01T18:00:00Z), as spot machines do: nothing is placed on it that would take longer")
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

// defaultBroker is where a broker listens by default.
const defaultBroker = "http://127.0.0.1:8080"

// parseBrokers is the brokers of --broker, the preferred one first.
func parseBrokers(list []string) ([]*url.URL, error) {
	if len(list) == 0 {
		list = []string{defaultBroker}
	}
	out := make([]*url.URL, 0, len(list))
	for _, entry := range list {
		u, err := webURL("broker", entry)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o *url.URL) bool { return *o == *u }) {
			return nil, fmt.Errorf("%w: --broker names %.100s twice", service.ErrUsage, entry)
		}
		out = append(out, u)
	}
	return out, nil
}

// webURL is the http or https URL that a flag says.
func webURL(flag, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%w: --%s %.100q is no http or https URL", service.ErrUsage, flag, value)
	}
	return u, nil
}

// check refuses what cannot be, and returns the brokers' addresses.
func (s *serveFlags) check() ([]*url.URL, error) {
	brokers, err := parseBrokers(*s.brokers)
	if err != nil {
		return nil, err
	}
	if *s.secret == "" {
		return nil, fmt.Errorf("%w: --edge-secret-file or %s is missing: the broker takes only edges with a credential",
			service.ErrUsage, service.EnvName("edge-secret"))
	}
	if err := service.CheckListen("listen", *s.listen, *s.tlsCert != "", "give --tls-cert and --tls-key, for metrics are then asked for with the edge's secret"); err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(*s.publicAddress); err != nil && *s.publicAddress != "" {
		return nil, fmt.Errorf("%w: --public-address %.60q is no IP address", service.ErrUsage, *s.publicAddress)
	}
	if least := signaling.DefaultResources(signaling.Rendering).MemoryMB; *s.volumeMemory < least {
		return nil, fmt.Errorf("%w: --volume-memory %d: a session asks for %d MiB, so this edge would never be given one", service.ErrUsage, *s.volumeMemory, least)
	}
	if *s.cacheDisk < 0 || *s.cacheDisk > 0 && *s.cacheDir == "" {
		return nil, fmt.Errorf("%w: --volume-cache-disk %d: give it with --volume-cache-dir, and not below 0", service.ErrUsage, *s.cacheDisk)
	}
	if *s.mdns && *s.directURL == "" {
		return nil, fmt.Errorf("%w: --mdns announces where terminals reach this edge: give --direct-url", service.ErrUsage)
	}
	return brokers, nil
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
