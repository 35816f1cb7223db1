package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Fanout are the metrics from the engine to the clients' sockets.
type Fanout struct {
	// Entries counts entries parsed and offered to streams; ParseErrors those of them, per log, that could not be read whole.
	Entries     prometheus.Counter
	ParseErrors *prometheus.CounterVec
	// IngestDelay is the time from the SCT to the frame being there for clients, Parse the time to parse and encode one entry.
	IngestDelay, Parse prometheus.Histogram
	// Clients is how many are connected, by protocol and stream.
	Clients *prometheus.GaugeVec
	// Messages and Bytes count what was written to clients, by protocol.
	Messages, Bytes *prometheus.CounterVec
	// Gaps counts gap notices to clients, by reason; Replayed what was encoded again for clients that were behind.
	Gaps     *prometheus.CounterVec
	Replayed prometheus.Counter
	// Disconnects counts connections ended, by reason.
	Disconnects *prometheus.CounterVec
	// Blocked counts how often a client's socket was full.
	Blocked prometheus.Counter
}

// NewFanout makes and registers the metrics.
func NewFanout(r prometheus.Registerer) *Fanout {
	f := &Fanout{
		Entries:     counter("certstream_entries_published_total", "Entries parsed and offered to streams."),
		ParseErrors: counters("certstream_parse_errors_total", "Entries sent with a parse_error, per log.", "log"),
		IngestDelay: histogram("certstream_ingest_delay_seconds", "Time from an entry's SCT until it is ready for clients.",
			[]float64{0.1, 1, 5, 10, 30, 60, 120, 300, 900, 3600, 86400}),
		Parse: histogram("certstream_parse_seconds", "Time to parse and encode one entry, mean of a batch.",
			[]float64{1e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 5e-4, 1e-3, 1e-2}),
		Clients:     gauges("certstream_clients", "Connected clients.", "protocol", "stream"),
		Messages:    counters("certstream_messages_sent_total", "Messages written to clients, heartbeats among them.", "protocol"),
		Bytes:       counters("certstream_sent_bytes_total", "Bytes written to clients.", "protocol"),
		Gaps:        counters("certstream_gaps_total", "Gap notices to clients.", "reason"),
		Replayed:    counter("certstream_entries_replayed_total", "Entries evaluated again for clients that were behind."),
		Disconnects: counters("certstream_disconnects_total", "Client connections ended.", "reason"),
		Blocked:     counter("certstream_client_blocked_total", "Times that a client's socket was found full."),
	}
	r.MustRegister(f.Entries, f.ParseErrors, f.IngestDelay, f.Parse, f.Clients, f.Messages, f.Bytes, f.Gaps, f.Replayed,
		f.Disconnects, f.Blocked)
	return f
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

// histogram makes a histogram that is native where the scraper takes those, classic otherwise.
func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	})
}
