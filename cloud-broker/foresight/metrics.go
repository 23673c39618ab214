package foresight

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tomocast/tomocast/internal/service"
)

// collector tells how good predictions are. Its labels have few values: types of task, and why an entry taught nothing.
type collector struct {
	f                                                             *Foresight
	errorLog, within2, covered, scored, unknown, learned, refused *prometheus.Desc
}

func newCollector(f *Foresight) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(service.MetricsNamespace, "", name), help, labels, nil)
	}
	return &collector{
		f:        f,
		errorLog: desc("prediction_error_log", "Median of |ln(predicted/real)| of run times, of the last ended tasks of a type, as predicted when they were asked for.", "type"),
		within2:  desc("prediction_within_factor_2_ratio", "Share of run times that were predicted within a factor of 2, of the last ended tasks.", "type"),
		covered:  desc("prediction_covered_90_ratio", "Share of the last ended tasks that took no longer than nine tenths were said to take.", "type"),
		scored:   desc("predictions_scored", "Ended tasks that the errors are of.", "type"),
		unknown:  desc("predictions_unknown_total", "Ended tasks of which nothing was known when they were asked for.", "type"),
		learned:  desc("history_learned_total", "Tasks of the history that predictions were learnt from."),
		refused:  desc("history_refused_total", "Entries of the history that taught nothing since they cannot be, by why.", "why"),
	}
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.errorLog, c.within2, c.covered, c.scored, c.unknown, c.learned, c.refused} {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	learned, refused, scores := c.f.l.figures()
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, s := range scores {
		t := string(s.Type)
		tell(c.scored, prometheus.GaugeValue, float64(s.Tasks), t)
		tell(c.unknown, prometheus.CounterValue, float64(s.Unknown), t)
		if s.Tasks > 0 {
			tell(c.errorLog, prometheus.GaugeValue, s.ErrorLog, t)
			tell(c.within2, prometheus.GaugeValue, s.Within2, t)
			tell(c.covered, prometheus.GaugeValue, s.Covered90, t)
		}
	}
	tell(c.learned, prometheus.CounterValue, float64(learned))
	for why, n := range refused {
		tell(c.refused, prometheus.CounterValue, float64(n), why)
	}
}
