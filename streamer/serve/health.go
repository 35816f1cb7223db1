package serve

import (
	"net/http"
)

// health answers OK: the process serves.
func (e *Endpoints) health(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "OK") }

// live answers whether the process is in order; nothing outside of it counts.
func (e *Endpoints) live(w http.ResponseWriter, _ *http.Request) { writeProbe(w, e.sources.Live()) }

// ready answers whether new clients should come here.
func (e *Endpoints) ready(w http.ResponseWriter, _ *http.Request) { writeProbe(w, e.sources.Ready()) }

func writeProbe(w http.ResponseWriter, err error) {
	if err != nil {
		writeText(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeText(w, http.StatusOK, "ok")
}

// DeepHealth is what /health/deep shows, in the terms of the Rust server.
type DeepHealth struct {
	Status            string  `json:"status"`
	LogsHealthy       int     `json:"logs_healthy"`
	LogsDegraded      int     `json:"logs_degraded"`
	LogsUnhealthy     int     `json:"logs_unhealthy"`
	LogsTotal         int     `json:"logs_total"`
	ActiveConnections int     `json:"active_connections"`
	UptimeSecs        int64   `json:"uptime_secs"`
	LogListError      string  `json:"log_list_error,omitempty"`
	EntriesPerSecond  float64 `json:"entries_per_second"`
}

// deepHealth judges the logs: 503 when most of them are unhealthy, or there are none. It is for people and dashboards: trouble
// with CT logs is no reason to restart anything.
func (e *Endpoints) deepHealth(w http.ResponseWriter, _ *http.Request) {
	s := e.sources.Status()
	h := DeepHealth{
		Status:            Healthy,
		LogsTotal:         len(s.Logs),
		ActiveConnections: s.connections(""),
		UptimeSecs:        int64(s.UptimeSeconds),
		LogListError:      s.LogList.Error,
		EntriesPerSecond:  s.EntriesPerSecond,
	}
	h.LogsHealthy, h.LogsDegraded, h.LogsUnhealthy = s.judged()
	status := http.StatusOK
	switch {
	case h.LogsTotal == 0 || 2*h.LogsUnhealthy > h.LogsTotal:
		h.Status, status = Unhealthy, http.StatusServiceUnavailable
	case h.LogsHealthy < h.LogsTotal || h.LogListError != "":
		h.Status = Degraded
	}
	writeJSON(w, status, h)
}
