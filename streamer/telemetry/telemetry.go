// Package telemetry holds all metrics of the streamer: one file per room, each a struct of pre-bound handles that the room's
// constructor takes. Labels are bounded: by the log list, by enumerations, by the configuration, never by clients.
package telemetry

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build describes the program.
type Build struct {
	Version, Revision string
}

// NewRegistry makes a registry with the Go runtime's, the process's and the build's metrics.
func NewRegistry(b Build) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "certstream_build_info",
		Help:        "Always 1; the labels name the build.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves a registry in the format the scraper asks for, OpenMetrics included.
func Handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// Engine are the metrics of the engine, read when scraped.
type Engine struct {
	// Head is the last offset, Entries and Bytes what is kept, Seconds the age of the oldest kept entry.
	Head, Entries, Bytes, Seconds func() float64
	// Issuers is the number of issuing certificates kept.
	Issuers func() float64
}

// Register adds the engine's metrics to a registry.
func (e Engine) Register(r prometheus.Registerer) {
	for _, m := range []struct {
		name, help string
		value      func() float64
	}{
		{"certstream_engine_head_offset", "Offset of the newest entry.", e.Head},
		{"certstream_window_entries", "Entries kept in memory for resume.", e.Entries},
		{"certstream_window_bytes", "Memory taken by the entries kept for resume.", e.Bytes},
		{"certstream_window_seconds", "Age of the oldest entry kept for resume.", e.Seconds},
		{"certstream_issuers", "Issuing certificates kept.", e.Issuers},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, m.value))
	}
}
