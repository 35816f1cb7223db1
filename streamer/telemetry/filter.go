package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Filter are the metrics of server-side filters, read when scraped.
type Filter struct {
	// Classes is the number of distinct filters, RegexpClasses that of those with regular expressions.
	Classes, RegexpClasses func() float64
	// RegexpSeconds is the processor time of regular expressions since the start, RegexpBudget the share of a core they may take.
	RegexpSeconds, RegexpBudget func() float64
}

// Register adds the filters' metrics to a registry.
func (f Filter) Register(r prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("certstream_filter_classes", "Distinct filters in use.", f.Classes)
	gauge("certstream_filter_regexp_classes", "Distinct filters in use that need the regular expression engine.", f.RegexpClasses)
	gauge("certstream_filter_regexp_budget_cores", "Share of a processor core that regular expressions may take.", f.RegexpBudget)
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "certstream_filter_regexp_seconds_total", Help: "Processor time of regular expressions.",
	}, f.RegexpSeconds))
}
