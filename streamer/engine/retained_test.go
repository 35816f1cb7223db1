package engine

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// TestForeignCursorsGetWhatIsOnDisk: a cursor of another numbering, or of an offset that was never given, begins with the oldest
// entry on disk, not in memory.
func TestForeignCursorsGetWhatIsOnDisk(t *testing.T) {
	k := keep(t, faultfs.New(1), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(4000, 2000, false)
	if k.window.Oldest() == 0 || k.Oldest() != 0 {
		t.Fatalf("memory begins after %d, the disk after %d", k.window.Oldest(), k.Oldest())
	}
	for _, c := range []Cursor{{"1x", 99}, {"e1", 99_999_999}} {
		if got, want := k.Resume(c), (Resume{From: 0, Lost: true, EpochUnknown: true}); got != want {
			t.Errorf("%s: %+v, want %+v", c, got, want)
		}
	}
}
