package engine

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// TestSmallBlockIsRead: of less than 256 bytes zstd does not say how many they are. A quiet stream has such blocks.
func TestSmallBlockIsRead(t *testing.T) {
	k := keep(t, faultfs.New(1), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(1, 8, false)
	if err := k.segments.sync(1); err != nil {
		t.Fatal(err)
	}
	seg := k.segments.list[0]
	if raw := seg.frames[len(seg.frames)-1].raw; raw >= minSized {
		t.Fatalf("a block of %d bytes is not small", raw)
	}
	again := k.restart(1, 1000, SegmentLimits{MaxBytes: plenty})
	again.drain()
	if gaps := again.check(0); len(gaps) > 0 {
		t.Errorf("gaps %+v", gaps)
	}
}
