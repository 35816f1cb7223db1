package telemetry

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestConfig holds that one hash is shown, that of the configuration in force, whatever a reload tries.
func TestConfig(t *testing.T) {
	r := prometheus.NewRegistry()
	c := NewConfig(r)
	c.InForce("aa", 0)
	c.Reloaded(nil, "bb", 2)
	c.Reloaded(errors.New("bad"), "cc", 0)
	want := `
# HELP certstream_config_info Always 1; the label is SHA-256, in hex, of the bytes of the configuration file in force.
# TYPE certstream_config_info gauge
certstream_config_info{sha256="bb"} 1
# HELP certstream_config_last_reload_successful 1 unless the last attempt to reload the configuration failed.
# TYPE certstream_config_last_reload_successful gauge
certstream_config_last_reload_successful 0
# HELP certstream_config_reloads_total Attempts to reload the configuration, by outcome; after a failed one the last good one stays.
# TYPE certstream_config_reloads_total counter
certstream_config_reloads_total{outcome="failed"} 1
certstream_config_reloads_total{outcome="ok"} 1
# HELP certstream_config_restart_pending Number of changed settings that wait for a restart.
# TYPE certstream_config_restart_pending gauge
certstream_config_restart_pending 2
`
	names := []string{
		"certstream_config_info", "certstream_config_last_reload_successful", "certstream_config_reloads_total",
		"certstream_config_restart_pending",
	}
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}
