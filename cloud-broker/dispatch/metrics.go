package dispatch

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// metrics are what a Dispatcher counts and measures. Labels have few values: kinds of answers, task types, problem codes,
// states of nodes and kinds of resources.
type metrics struct {
	grants      *prometheus.CounterVec
	refused     *prometheus.CounterVec
	took        prometheus.Histogram
	claims      prometheus.Histogram
	waited      prometheus.Histogram
	queued      prometheus.Counter
	forwarded   prometheus.Counter
	preemptions prometheus.Counter
	promotions  prometheus.Counter
}

func newMetrics(r *prometheus.Registry) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: service.MetricsNamespace, Name: name, Help: help})
	}
	m := &metrics{
		grants: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: service.MetricsNamespace, Name: "grants_total", Help: "Grants given, by kind of answer and task type; of a task that came back the type is empty.",
		}, []string{"answer", "type"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: service.MetricsNamespace, Name: "requests_refused_total", Help: "Requests for a place that got none, by problem code.",
		}, []string{"code"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: service.MetricsNamespace, Name: "grant_seconds", Help: "Time from a request, or from a waiting task's turn, to its grant.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		claims: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: service.MetricsNamespace, Name: "claim_seconds", Help: "Time of a claim in Redis.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1},
		}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: service.MetricsNamespace, Name: "place_wait_seconds", Help: "Time from a request to its place, with what it waited in the queue.",
			Buckets: []float64{.01, .1, 1, 5, 15, 60, 300, 900, 3600},
		}),
		queued:      counter("requests_queued_total", "Requests that were answered that they wait."),
		forwarded:   counter("requests_forwarded_total", "Requests that edges were too busy for and sent on."),
		preemptions: counter("preemptions_total", "Idle sessions that were ended for an urgent task."),
		promotions:  counter("promotions_total", "Shadows that took over from a lost edge."),
	}
	r.MustRegister(m.grants, m.refused, m.took, m.claims, m.waited, m.queued, m.forwarded, m.preemptions, m.promotions)
	return m
}

// answered counts what a request was answered, and how long its grant took.
func (m *metrics) answered(t signaling.TaskType, a Answer, err error, took time.Duration) {
	var p *signaling.Problem
	switch {
	case errors.As(err, &p):
		m.refused.WithLabelValues(string(p.Code)).Inc()
	case err != nil:
		m.refused.WithLabelValues(string(signaling.ProblemInternal)).Inc()
	case a.Grant != nil:
		m.grants.WithLabelValues(string(a.Grant.Answer), string(t)).Inc()
		m.took.Observe(took.Seconds())
	default:
		m.queued.Inc()
	}
}

// poolGauges are the pool at a glance.
type poolGauges struct {
	d                                      *Dispatcher
	nodes, capacity, free, queue, sessions *prometheus.Desc
}

func newPoolGauges(d *Dispatcher) *poolGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(service.MetricsNamespace, "", name), help, labels, nil)
	}
	return &poolGauges{
		d:        d,
		nodes:    desc("nodes", "Nodes in the pool, by state.", "state"),
		capacity: desc("capacity", "What the nodes that are ready, cordoned or draining have, by resource: MiB, thousandths or a number.", "resource"),
		free:     desc("free", "What is free of the nodes that are ready, by resource: MiB, thousandths or a number.", "resource"),
		queue:    desc("queue_length", "Tasks that wait for a place."),
		sessions: desc("sessions", "Video encoders that are held: one for each session."),
	}
}

// Describe is prometheus.Collector's.
func (g *poolGauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.nodes, g.capacity, g.free, g.queue, g.sessions} {
		c <- d
	}
}

// Collect is prometheus.Collector's.
func (g *poolGauges) Collect(c chan<- prometheus.Metric) {
	o := g.d.overview()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range nodeStates {
		gauge(g.nodes, float64(o.Nodes[s]), string(s))
	}
	amounts := func(d *prometheus.Desc, r signaling.Resources) {
		gauge(d, float64(r.GPUMemoryMB), "gpuMemoryMB")
		gauge(d, float64(r.GPUMilli), "gpuMilli")
		gauge(d, float64(r.EncoderSessions), "encoderSessions")
		gauge(d, float64(r.CPUMilli), "cpuMilli")
		gauge(d, float64(r.MemoryMB), "memoryMB")
	}
	amounts(g.capacity, o.Capacity)
	amounts(g.free, o.Free)
	gauge(g.queue, float64(o.Queue))
	gauge(g.sessions, float64(o.Sessions))
}
