package follow

import (
	"slices"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// TestOpenHeads holds which heads wait for a proof, and whose turn it is: one that cannot be proved neither holds up another nor
// is forgotten for it.
func TestOpenHeads(t *testing.T) {
	s := Settings{}.withDefaults()
	head := func(size uint64) ctlog.TreeHead { return ctlog.TreeHead{Size: size, Root: ctlog.Hash{byte(size)}} }
	for _, tc := range []struct {
		name string
		do   func(c *chain)
		open []uint64
		next uint64 // 0: none now
	}{
		{"a growing log's newest", func(c *chain) { c.add(head(110), false); c.add(head(120), false) }, []uint64{120}, 120},
		{"or one before it", func(c *chain) { c.add(head(110), false); c.add(head(120), false); c.add(head(130), false) },
			[]uint64{120}, 120},
		{"a smaller one takes no larger one's place", func(c *chain) { c.add(head(120), false); c.add(head(110), false) },
			[]uint64{120, 110}, 120},
		{"those below the anchor stay", func(c *chain) { c.add(head(90), false); c.add(head(120), false) }, []uint64{90, 120}, 90},
		{"the disputed stay", func(c *chain) { c.add(head(110), true); c.add(head(120), false) }, []uint64{110, 120}, 110},
		{"one without a proof stays, behind the others", func(c *chain) {
			c.add(head(110), false)
			c.open[0].failed(false, 100, &s)
			c.add(head(120), false)
		}, []uint64{110, 120}, 120},
		{"one without a proof waits", func(c *chain) { c.add(head(110), false); c.open[0].failed(false, 100, &s) }, []uint64{110}, 0},
		{"and has its turn again, last", func(c *chain) {
			c.add(head(110), false)
			c.open[0].failed(true, 100, &s)
			c.open[0].again = time.Time{}
			c.add(head(90), false)
		}, []uint64{110, 90}, 90},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain()
			c.anchor, c.chance = head(100), func(n int) int { return n % 2 } // each second one takes the place
			tc.do(c)
			var open []uint64
			for _, o := range c.open {
				open = append(open, o.head.Size)
			}
			if !slices.Equal(open, tc.open) {
				t.Errorf("open are %d, want %d", open, tc.open)
			}
			var next uint64
			if o := c.next(time.Now(), false); o != nil {
				next = o.head.Size
			}
			if next != tc.next {
				t.Errorf("the next is %d, want %d", next, tc.next)
			}
		})
	}
}

// TestProofRetries holds how patiently a proof is asked for again: soon where it was wrong, ever later where it could not be had.
func TestProofRetries(t *testing.T) {
	s := Settings{}.withDefaults()
	for name, tc := range map[string]struct {
		wrong bool
		waits []time.Duration
	}{
		"wrong": {true, []time.Duration{30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 8 * time.Minute,
			10 * time.Minute}},
		"none": {false, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			var o openHead
			for i, want := range tc.waits {
				if o.failed(tc.wrong, 0, &s); time.Until(o.again).Round(time.Second) != want {
					t.Errorf("after %d times the wait is %v, want %v", i+1, time.Until(o.again), want)
				}
			}
		})
	}
}
