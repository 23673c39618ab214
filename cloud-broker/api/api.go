package api

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/cloud-broker/foresight"
	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/cloud-broker/nodetimes"
	"github.com/tomocast/tomocast/cloud-broker/scaling"
	"github.com/tomocast/tomocast/cloud-broker/thumbnail"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/limit"
	"github.com/tomocast/tomocast/internal/service"
)

// Config is what the API serves and whom.
type Config struct {
	Dispatcher *dispatch.Dispatcher
	Hub        *control.Hub
	Keys       *control.Keys
	Library    *library.Library
	Thumbnails *thumbnail.Cache
	Times      *nodetimes.Times
	Foresight  *foresight.Foresight
	Scaler     *scaling.Scaler
	Mover      Mover
	// Identity recognises terminals and operators. Local, where it is set, is the same and gives the viewer's page
	// its cookie.
	Identity identity.Authenticator
	Local    *identity.Local
	// Origins are the origins of other sites' pages that may use this API and show the viewer, as ParseOrigin makes
	// them.
	Origins []string
	// Proxies are the addresses of reverse proxies whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// MetricsSecret lets a collector read /metrics; where it is empty, an operator may.
	MetricsSecret string
	// Viewer answers what is not of the API.
	Viewer  http.Handler
	Health  *service.Health
	Metrics *prometheus.Registry
	Log     *slog.Logger
}

// Limits of requests.
const (
	maxBody    = 128 << 10
	readWithin = 15 * time.Second
)

// server answers requests.
type server struct {
	Config
	calls    *callMetrics
	limits   *limit.Limiter
	pictures *limit.Limiter
	failures *limit.Limiter
	follows  *slots        // streams of tasks' events
	watches  *slots        // streams of the pool
	hellos   chan struct{} // signalling connections that have not said who they are
	// beatEvery is how often something is sent on a stream on which nothing happens.
	beatEvery time.Duration
}

// New returns the handler of everything that the broker serves.
func New(c Config) http.Handler {
	s := &server{
		Config: c, calls: newCallMetrics(c.Metrics, c.Hub, c.Dispatcher), hellos: make(chan struct{}, maxHellos),
		limits: limit.New(callsPerSecond, callBurst), pictures: limit.New(picturesPerSecond, pictureBurst),
		failures: limit.New(failuresPerSecond, failureBurst),
		follows:  newSlots(followsEach, followsAll), watches: newSlots(watchesEach, watchesAll), beatEvery: beatEvery,
	}
	mux := http.NewServeMux()
	s.operations(mux)
	mux.Handle("/api/v1/edges/link", s.Hub)
	mux.HandleFunc("GET "+dispatch.SignalPath+"{attempt}", s.signal)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) { Refuse(w, noSuchResource(r)) })
	s.dicomweb(mux)
	mux.HandleFunc("GET /healthz", s.Health.Live)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.guardMetrics(service.MetricsHandler(s.Metrics)))
	mux.HandleFunc("/", s.viewer)
	return s.observe(s.headers(s.cors(s.identify(mux))))
}

func noSuchResource(*http.Request) error {
	return &Problem{Title: "There is no such resource.", Status: http.StatusNotFound, Code: codeOf(http.StatusNotFound),
		Detail: "/api/v1/openapi.json lists what there is."}
}

// operations registers the API's operations; their OpenAPI document is at /api/v1/openapi.json.
func (s *server) operations(mux *http.ServeMux) {
	config := huma.DefaultConfig("Tomocast broker", service.Version())
	config.Info.Description = "Studies, tasks (a rendering task is a session) and nodes of a Tomocast broker. Errors are problems (RFC 9457) with a code."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/openapi", "", ""
	config.CreateHooks = nil // no links to schemas in answers
	config.RejectUnknownQueryParameters = true
	config.Formats = maps.Clone(config.Formats)
	for kind, f := range config.Formats { // JSON in its names
		f.Unmarshal = decode
		config.Formats[kind] = f
	}
	config.Servers = []*huma.Server{{URL: "/api/v1"}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token of the configured OIDC issuer; on a loopback address, the broker's own token."},
	}
	config.Security = []map[string][]string{{"bearer": {}}}
	// Unknown fields are ignored, as everywhere in the contract, so that a newer terminal can send some.
	config.AllowAdditionalPropertiesByDefault = true
	a := humago.NewWithPrefix(mux, "/api/v1", config)
	s.studyOperations(a)
	s.seriesOperations(a)
	s.taskOperations(a)
	s.eventOperations(a)
	s.edgeOperations(a)
	s.nodeOperations(a)
	s.poolOperations(a)
	s.timeOperations(a)
	s.predictOperations(a)
	s.scalingOperation(a)
	s.moveOperations(a)
	s.sessionOperation(a)
}

// operation describes one operation.
func operation(id, method, path, summary, description string, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
		Errors: append(errors, http.StatusUnauthorized, http.StatusTooManyRequests), MaxBodyBytes: maxBody, BodyReadTimeout: readWithin,
	}
}

// ready answers GET /readyz, and GET /readyz?session=1: whether a session can really be opened.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("session") == "" {
		s.Health.Readiness(w, r)
		return
	}
	var h service.Health
	h.Check("session", s.Dispatcher.CanOpenSession)
	if len(s.Health.Ready(r.Context())) > 0 {
		s.Health.Readiness(w, r)
		return
	}
	h.Readiness(w, r)
}
