package certtest

import (
	"syscall"
	"testing"
	"time"
)

// CPU makes a benchmark report the CPU time of an operation beside the time that passes, which on a machine that has other
// things to do says little. To be deferred before the loop.
func CPU(b *testing.B) func() {
	b.Helper()
	start := cpuTime(b)
	return func() {
		b.Helper()
		b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
