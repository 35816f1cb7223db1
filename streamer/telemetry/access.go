package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Access are the metrics of who is let in.
type Access struct {
	refusals *prometheus.CounterVec
	// Tokens is the number of tokens accepted, Addresses that of client addresses remembered.
	Tokens, Addresses prometheus.Gauge
	// TokenReloads and TLSReloads count attempts to read changed files.
	TokenReloads, TLSReloads Attempts
	// TLSExpiry is when the certificate served ends, in seconds since 1970.
	TLSExpiry prometheus.Gauge
}

// Attempts count by outcome.
type Attempts struct {
	OK, Failed prometheus.Counter
}

// Count counts an attempt by its error.
func (a Attempts) Count(err error) {
	if err != nil {
		a.Failed.Inc()
		return
	}
	a.OK.Inc()
}

// NewAccess makes the metrics and registers them. reasons are all there are for refusals.
func NewAccess(r prometheus.Registerer, reasons []string) *Access {
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "certstream_refusals_total",
		Help: "Connections and requests refused, by reason.",
	}, []string{"reason"})
	reloads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "certstream_secret_reloads_total",
		Help: "Attempts to read changed tokens or TLS files, by outcome; after a failure the last good ones stay.",
	}, []string{"secret", "outcome"})
	attempts := func(secret string) Attempts {
		return Attempts{reloads.WithLabelValues(secret, "ok"), reloads.WithLabelValues(secret, "failed")}
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	for _, reason := range reasons {
		refusals.WithLabelValues(reason)
	}
	r.MustRegister(refusals, reloads)
	return &Access{
		refusals:     refusals,
		Tokens:       gauge("certstream_auth_tokens", "Bearer tokens accepted."),
		Addresses:    gauge("certstream_client_addresses", "Client addresses remembered for limits."),
		TokenReloads: attempts("tokens"),
		TLSReloads:   attempts("tls"),
		TLSExpiry:    gauge("certstream_tls_certificate_expiry_timestamp_seconds", "When the TLS certificate served ends."),
	}
}

// Refused counts a refusal.
func (a *Access) Refused(reason string) { a.RefusalsOf(reason).Inc() }

// RefusalsOf is the counter of one reason.
func (a *Access) RefusalsOf(reason string) prometheus.Counter {
	return a.refusals.WithLabelValues(reason)
}
