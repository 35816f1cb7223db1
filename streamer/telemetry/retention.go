package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Retention are the metrics of what is kept on disk, read when scraped.
type Retention struct {
	// Bytes, MaxBytes, Segments, Entries and Seconds, the age of the oldest entry, describe what is kept; Failing is 1 while
	// nothing can be written, Full while that is for want of room. Aside are segments in which something could not be read.
	Bytes, MaxBytes, Segments, Entries, Seconds, Failing, Full, Aside func() float64
	// Corrupt counts segments in which something could not be read, Damaged the entries that had been kept there, Missed those that
	// never were, Errors failures of the disk.
	Corrupt, Damaged, Missed, Errors func() float64
}

// Register adds the metrics to a registry.
func (t Retention) Register(r prometheus.Registerer) {
	for _, m := range []struct {
		name, help string
		value      func() float64
	}{
		{"certstream_retention_bytes", "Disk space taken by entries kept for resume.", t.Bytes},
		{"certstream_retention_max_bytes", "Disk space that entries kept for resume may take (retention.max_bytes).", t.MaxBytes},
		{"certstream_retention_segments", "Segment files that entries are kept in.", t.Segments},
		{"certstream_retention_entries", "Entries kept on disk.", t.Entries},
		{"certstream_retention_seconds", "Age of the oldest entry kept on disk.", t.Seconds},
		{"certstream_retention_failing", "1 while entries cannot be kept on disk, 0 otherwise.", t.Failing},
		{"certstream_retention_full", "1 while entries cannot be kept because the volume is full, 0 otherwise.", t.Full},
		{"certstream_retention_aside_segments", "Segment files kept in which something cannot be read, found in this run or an earlier one.", t.Aside},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, m.value))
	}
	for _, m := range []struct {
		name, help string
		value      func() float64
	}{
		{"certstream_retention_corrupt_segments_total", "Segment files in which something could not be read.", t.Corrupt},
		{"certstream_retention_damaged_entries_total", "Entries that were kept on disk and cannot be read any more.", t.Damaged},
		{"certstream_retention_missed_entries_total", "Entries never kept on disk, because it was full, failing or too slow.", t.Missed},
		{"certstream_retention_errors_total", "Failures to write or read segment files.", t.Errors},
	} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.name, Help: m.help}, m.value))
	}
}
