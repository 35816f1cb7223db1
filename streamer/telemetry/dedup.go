package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Dedup are the metrics of deduplication, read when scraped.
type Dedup struct {
	// Filters is the number of filters with deduplication, Certificates how many are remembered for them, Bytes the memory that
	// takes, MaxBytes what it may.
	Filters, Certificates, Bytes, MaxBytes func() float64
	// Suppressed, Repeated and Expired count copies of certificates by what became of them, Forgotten certificates that made room
	// for others.
	Suppressed, Repeated, Expired, Forgotten func() float64
}

// Register adds the metrics to a registry.
func (d Dedup) Register(r prometheus.Registerer) {
	for _, m := range []struct {
		name, help string
		value      func() float64
	}{
		{"certstream_dedup_filters", "Distinct filters with deduplication in use.", d.Filters},
		{"certstream_dedup_certificates", "Certificates remembered for deduplication.", d.Certificates},
		{"certstream_dedup_bytes", "Memory taken by deduplication.", d.Bytes},
		{"certstream_dedup_max_bytes", "Memory that deduplication may take (dedup.memory).", d.MaxBytes},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, m.value))
	}
	for result, value := range map[string]func() float64{"suppressed": d.Suppressed, "repeated": d.Repeated, "expired": d.Expired} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "certstream_dedup_copies_total", ConstLabels: prometheus.Labels{"result": result},
			Help: "Copies of certificates that a filter with deduplication has had before: suppressed, repeated for clients that came " +
				"after the copy before, or sent because that has expired.",
		}, value))
	}
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "certstream_dedup_forgotten_total", Help: "Certificates that deduplication has forgotten for want of memory.",
	}, d.Forgotten))
}
