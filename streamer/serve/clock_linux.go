package serve

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime does work and returns the processor time that its goroutine used: not the time it waited for the processor, for a
// disk or for others.
func processorTime(work func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := threadTime()
	work()
	return threadTime() - begin
}

func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0 // every Linux has this clock
	}
	return time.Duration(t.Nano())
}
