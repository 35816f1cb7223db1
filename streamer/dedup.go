package streamer

import (
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// registerDedup adds the metrics of deduplication.
func (s *Streamer) registerDedup() {
	read := func(value func(filter.MemoryStats) float64) func() float64 {
		return func() float64 { return value(s.filters.Memory().Stats()) }
	}
	telemetry.Dedup{
		Filters:      read(func(m filter.MemoryStats) float64 { return float64(m.Classes) }),
		Certificates: read(func(m filter.MemoryStats) float64 { return float64(m.Certificates) }),
		Bytes:        read(func(m filter.MemoryStats) float64 { return float64(m.Bytes) }),
		MaxBytes:     read(func(m filter.MemoryStats) float64 { return float64(m.MaxBytes) }),
		Suppressed:   read(func(m filter.MemoryStats) float64 { return float64(m.Suppressed) }),
		Repeated:     read(func(m filter.MemoryStats) float64 { return float64(m.Repeated) }),
		Expired:      read(func(m filter.MemoryStats) float64 { return float64(m.Expired) }),
		Forgotten:    read(func(m filter.MemoryStats) float64 { return float64(m.Forgotten) }),
	}.Register(s.registry)
}
