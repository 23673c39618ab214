package agent

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what an edge counts of the requests that terminals make of it.
type Metrics struct {
	// Requests are by their answer: accepted, alone (accepted while the broker was out of reach), forwarded or refused.
	Requests *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{Requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tomocast_edge_requests_total",
		Help: "Task requests of terminals at this edge, by their answer."}, []string{"answer"})}
	r.MustRegister(m.Requests)
	return m
}

// count notes the answer to a request.
func (m *Metrics) count(answer string) {
	if m != nil {
		m.Requests.WithLabelValues(answer).Inc()
	}
}
