package api

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/cloud-broker/control"
	"github.com/tomocast/tomocast/cloud-broker/dispatch"
	"github.com/tomocast/tomocast/internal/service"
)

// callMetrics measures requests.
type callMetrics struct {
	total *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newCallMetrics(r *prometheus.Registry, hub *control.Hub, d *dispatch.Dispatcher) *callMetrics {
	m := &callMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: service.MetricsNamespace, Name: "http_requests_total", Help: "HTTP requests, by route and status.",
		}, []string{"route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: service.MetricsNamespace, Name: "http_request_seconds", Help: "Time to answer an HTTP request, by route.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 30},
		}, []string{"route"}),
	}
	edges := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: service.MetricsNamespace, Name: "edges_linked", Help: "Edges connected to this broker.",
	}, func() float64 { return float64(hub.Links()) })
	terminals := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: service.MetricsNamespace, Name: "signaling_connections", Help: "Terminals' signalling connections relayed by this broker.",
	}, func() float64 { return float64(hub.Terminals()) })
	desired := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: service.MetricsNamespace, Name: "pool_desired_nodes", Help: "How many nodes there should be by the buffer policy, for autoscalers.",
	}, func() float64 {
		o, err := d.Overview(context.Background())
		if err != nil {
			return math.NaN() // unknown: an autoscaler keeps what it has
		}
		return float64(o.Desired)
	})
	r.MustRegister(m.total, m.took, edges, terminals, desired)
	return m
}

// observe logs and measures every request. Logged are route patterns, never paths or queries: those have UIDs and names.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, &call{}))
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				s.Log.Error("a request failed in an unforeseen way", "route", route(r), "cause", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				if !rec.wrote {
					Refuse(rec, fmt.Errorf("unforeseen"))
				}
			}
			s.record(r, rec.status, time.Since(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

func (s *server) record(r *http.Request, status int, took time.Duration) {
	name := route(r)
	s.calls.total.WithLabelValues(name, strconv.Itoa(status)).Inc()
	if status != http.StatusSwitchingProtocols && !callOf(r.Context()).streamed { // that would measure how long connections last
		s.calls.took.WithLabelValues(name).Observe(took.Seconds())
	}
	level := slog.LevelDebug
	switch {
	case status == http.StatusTooManyRequests:
		return // the limit says so, once for all of them
	case status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodDelete:
		level = slog.LevelInfo
	}
	s.Log.Log(r.Context(), level, "request", "method", r.Method, "route", name, "status", status, "took", took.Round(time.Microsecond))
}

// route is the pattern that a request matched: a bounded label without data.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, status >= 200
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack is for WebSockets.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status, r.wrote = http.StatusSwitchingProtocols, true
	return http.NewResponseController(r.ResponseWriter).Hijack()
}
