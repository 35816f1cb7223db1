package engine

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// slowDisk takes its time for each write; stuck, it takes all the time.
type slowDisk struct {
	durable.FS
	took  time.Duration
	stuck chan struct{}
}

type slowFile struct {
	durable.File
	disk *slowDisk
}

func (d *slowDisk) Create(path string, mode os.FileMode) (durable.File, error) {
	f, err := d.FS.Create(path, mode)
	return &slowFile{f, d}, err
}

func (f *slowFile) WriteAt(b []byte, at int64) (int, error) {
	time.Sleep(f.disk.took)
	if f.disk.stuck != nil && at > 0 {
		<-f.disk.stuck
	}
	return f.File.WriteAt(b, at)
}

// burst appends entries as fast as they are taken, and says how long that took.
func (k *kept) burst(n int, append func(context.Context, []Entry) (uint64, int, error)) time.Duration {
	k.t.Helper()
	begin := time.Now()
	for range n {
		e := source(k.Head()+1, 1500)
		last, _, err := append(context.Background(), []Entry{e})
		if err != nil {
			k.t.Fatal(err)
		}
		k.window.Consumed(last)
		e.Offset = last
		k.all[last] = e
	}
	return time.Since(begin)
}

// running has segments written on a disk while do runs, by the clock of a bubble.
func running(t *testing.T, disk durable.FS, do func(k *kept)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
		ctx, cancel := context.WithCancel(context.Background())
		var writer sync.WaitGroup
		writer.Go(func() { k.segments.Run(ctx) })
		synctest.Wait()
		do(k)
		cancel()
		writer.Wait()
	})
}

// TestBacklogWaitsForASlowDisk: a backlog goes at the disk's pace, and nothing of it is missing; live entries never wait, and what
// the disk is too slow for is a gap with exact bounds.
func TestBacklogWaitsForASlowDisk(t *testing.T) {
	running(t, &slowDisk{FS: faultfs.New(1), took: 20 * time.Millisecond}, func(k *kept) {
		if took := k.burst(6000, k.window.AppendBacklog); took < 100*time.Millisecond {
			t.Errorf("the backlog took %s: it did not wait", took)
		}
		if gaps := k.check(0); len(gaps) > 0 {
			t.Errorf("gaps %+v", gaps)
		}
		if took := k.burst(6000, k.window.Append); took > 0 {
			t.Errorf("live entries waited for %s", took)
		}
		time.Sleep(time.Second)
		if gaps := k.check(0); len(gaps) == 0 || k.segments.Stats().Totals.Missed == 0 {
			t.Errorf("gaps %+v, %+v: the disk is not as slow as the test wants it", gaps, k.segments.Stats())
		}
	})
}

// TestBacklogDoesNotWaitForADiskThatHangs, or fails: the stream goes on.
func TestBacklogDoesNotWaitForADiskThatHangs(t *testing.T) {
	disk := &slowDisk{FS: faultfs.New(1)}
	running(t, disk, func(k *kept) {
		disk.stuck = make(chan struct{}) // of the bubble
		if took := k.burst(6000, k.window.AppendBacklog); took != keeperPatience {
			t.Errorf("the backlog took %s, want %s", took, keeperPatience)
		}
		close(disk.stuck)
		time.Sleep(time.Second)
		first := k.check(0)
		k.burst(6000, k.window.AppendBacklog)
		if gaps := k.check(0); len(gaps) == 0 || len(gaps) != len(first) {
			t.Errorf("gaps %+v, of them while the disk hung %+v", gaps, first)
		}
	})
	failing := faultfs.New(1)
	failing.Err = func(call string) error {
		if call == "write" {
			return syscall.EIO
		}
		return nil
	}
	running(t, failing, func(k *kept) {
		if took := k.burst(6000, k.window.AppendBacklog); took > time.Second {
			t.Errorf("on a disk that fails the backlog took %s", took)
		}
	})
}
