package engine

import (
	"context"
	"sync"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// TestSegmentsManyReaders reads from many places while entries come in.
func TestSegmentsManyReaders(t *testing.T) {
	k := keep(t, faultfs.New(1), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	ctx, cancel := context.WithCancel(context.Background())
	var writer, readers sync.WaitGroup
	writer.Go(func() { k.segments.Run(ctx) })
	const all = 4000
	for i := range 8 {
		readers.Go(func() {
			buf := make([]Entry, 1+17*i)
			for after := uint64(0); after < all; {
				if k.Wait(ctx, after) != nil {
					return
				}
				n, err := k.Read(after, buf)
				if err != nil {
					t.Errorf("reader %d after %d: %v", i, after, err)
					return
				}
				for _, e := range buf[:n] {
					if e.Offset != after+1 || e.Index != e.Offset {
						t.Errorf("reader %d: after offset %d came %d, index %d", i, after, e.Offset, e.Index)
						return
					}
					after = e.Offset
				}
			}
		})
	}
	for k.Head() < all {
		k.append(100, 1500, true)
		if err := k.segments.Sync(ctx, k.Head()); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
	cancel()
	writer.Wait()
}

func TestSegmentsRun(t *testing.T) {
	k := keep(t, durable.Disk{}, Numbering{Epoch: "e1"}, SegmentLimits{})
	k.segments.dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { k.segments.Run(ctx); close(done) }()
	if err := k.segments.Sync(ctx, 0); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
	if err := k.segments.Sync(context.Background(), 1); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
