package telemetry

import "github.com/prometheus/client_golang/prometheus"

// LogList are the metrics of the log list. Sources are google, google_all, apple and custom.
type LogList struct {
	// Fetches counts looks at a list by source and outcome.
	Fetches *prometheus.CounterVec
	// Timestamp is when the list in force was made, Fetched when it was last seen to be current, in seconds since 1970.
	Timestamp, Fetched *prometheus.GaugeVec
	// Stale is 1 while the list in force is an older one that was kept because of an error.
	Stale *prometheus.GaugeVec
	// Followed and Left are the numbers of logs that the selection takes and leaves; Warnings that of entries left out.
	Followed, Left, Warnings prometheus.Gauge
}

// NewLogList makes the metrics and registers them.
func NewLogList(r prometheus.Registerer) *LogList {
	vec := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"source"})
	}
	logs := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "certstream_loglist_logs",
		Help: "Logs of the log lists and the configuration, by whether they are followed.",
	}, []string{"followed"})
	warnings := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "certstream_loglist_entries_left_out",
		Help: "Entries of the log lists in force that make no sense and were left out.",
	})
	m := &LogList{
		Fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "certstream_loglist_fetches_total",
			Help: "Looks at a log list, by source and outcome; after all but changed and unchanged the last good list stays.",
		}, []string{"source", "outcome"}),
		Timestamp: vec("certstream_loglist_timestamp_seconds", "When the log list in force was made, in seconds since 1970."),
		Fetched:   vec("certstream_loglist_fetched_seconds", "When the log list was last seen to be current, in seconds since 1970."),
		Stale:     vec("certstream_loglist_stale", "1 while the last look at the log list failed: an older one is in force, or none."),
		Followed:  logs.WithLabelValues("true"),
		Left:      logs.WithLabelValues("false"),
		Warnings:  warnings,
	}
	r.MustRegister(logs, warnings, m.Fetches, m.Timestamp, m.Fetched, m.Stale)
	return m
}
