//go:build !linux

package serve

import "time"

// longestWork is the most that work is charged for: it may have waited for the processor, or for a disk.
const longestWork = 20 * time.Millisecond

// processorTime does work and returns how long it took, which is at least about the processor time that it used.
func processorTime(work func()) time.Duration {
	begin := time.Now()
	work()
	return min(time.Since(begin), longestWork)
}
