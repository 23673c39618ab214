package session

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what all sessions of an edge count together.
type Metrics struct {
	Sessions                     prometheus.Gauge
	Pictures, Stills             prometheus.Counter
	RenderSeconds, EncodeSeconds prometheus.Histogram
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	times := []float64{.002, .005, .01, .02, .033, .05, .1, .2, .5, 1, 2}
	m := &Metrics{
		Sessions:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "tomocast_sessions", Help: "Rendering sessions that run or wait for their terminal."}),
		Pictures:      prometheus.NewCounter(prometheus.CounterOpts{Name: "tomocast_pictures_total", Help: "Pictures encoded and sent."}),
		Stills:        prometheus.NewCounter(prometheus.CounterOpts{Name: "tomocast_stills_total", Help: "Lossless stills sent."}),
		RenderSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tomocast_render_seconds", Help: "Time to render a picture.", Buckets: times}),
		EncodeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tomocast_encode_seconds", Help: "Time to encode a picture.", Buckets: times}),
	}
	r.MustRegister(m.Sessions, m.Pictures, m.Stills, m.RenderSeconds, m.EncodeSeconds)
	return m
}
