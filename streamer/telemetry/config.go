package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config are the metrics of the configuration in force and of its reloads.
type Config struct {
	// Reloads counts attempts; after a failed one the last good configuration stays.
	Reloads Attempts

	hash                        *prometheus.GaugeVec
	successful, loaded, waiting prometheus.Gauge
}

// NewConfig makes the metrics and registers them.
func NewConfig(r prometheus.Registerer) *Config {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	reloads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "certstream_config_reloads_total",
		Help: "Attempts to reload the configuration, by outcome; after a failed one the last good one stays.",
	}, []string{"outcome"})
	c := &Config{
		Reloads: Attempts{OK: reloads.WithLabelValues("ok"), Failed: reloads.WithLabelValues("failed")},
		hash: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "certstream_config_info",
			Help: "Always 1; the label is SHA-256, in hex, of the bytes of the configuration file in force.",
		}, []string{"sha256"}),
		successful: gauge("certstream_config_last_reload_successful", "1 unless the last attempt to reload the configuration failed."),
		loaded:     gauge("certstream_config_loaded_seconds", "When the configuration in force was loaded, in seconds since 1970."),
		waiting:    gauge("certstream_config_restart_pending", "Number of changed settings that wait for a restart."),
	}
	r.MustRegister(reloads, c.hash)
	return c
}

// InForce says that the configuration of the given hash was put into force now, and how many settings wait for a restart.
func (c *Config) InForce(hash string, waiting int) {
	c.hash.Reset()
	c.hash.WithLabelValues(hash).Set(1)
	c.successful.Set(1)
	c.loaded.Set(float64(time.Now().UnixMilli()) / 1000)
	c.waiting.Set(float64(waiting))
}

// Reloaded counts an attempt; the hash and number of waiting settings are of a successful one.
func (c *Config) Reloaded(err error, hash string, waiting int) {
	c.Reloads.Count(err)
	if err != nil {
		c.successful.Set(0)
		return
	}
	c.InForce(hash, waiting)
}
