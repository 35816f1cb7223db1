package publish

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// crashed is a window of which a crash has left a hole behind the hundredth entry: offsets that were reserved and never used.
type crashed struct{ *engine.Window }

const hole = 4 << 20

func (c crashed) shown(offset uint64) uint64 {
	if offset > 100 {
		offset += hole
	}
	return offset
}

func (c crashed) Head() uint64 { return c.shown(c.Window.Head()) }

func (c crashed) Consumed(offset uint64) { c.Window.Consumed(offset - min(offset, hole)) }

func (c crashed) Read(after uint64, buf []engine.Entry) (int, error) {
	if after > 100 {
		after = max(after, hole+100) - hole
	}
	n, err := c.Window.Read(after, buf)
	for i := range buf[:n] {
		buf[i].Offset = c.shown(buf[i].Offset)
	}
	return n, err
}

// TestReplayCrossesAHoleAtOnce: 64 offsets at a time would take a client minutes.
func TestReplayCrossesAHoleAtOnce(t *testing.T) {
	window := newRig(Options{}).window
	r := newRig(Options{Engine: crashed{window}})
	r.window = window
	s := r.subscribe(t, message.Lite, feed.WebSocket, nil)
	r.running(t)
	r.add(t, 300)
	await(t, "everything to be published", func() bool { return r.Head() == hole+300 })
	frames, replays := 0, 0
	for at := uint64(0); at < hole+300; replays++ {
		run, upTo, err := s.Replay(at, nil)
		if err != nil || upTo <= at || replays > 50 {
			t.Fatalf("replay %d after %d came to %d, %v", replays, at, upTo, err)
		}
		frames, at = frames+run.Len(), upTo
	}
	if frames != 300 {
		t.Errorf("%d messages, want 300", frames)
	}
}
