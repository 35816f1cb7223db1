package ctlog

import (
	"testing"
	"time"
)

// TestWhenAPartialTileIsDue steps through what a tile at the head may do, second by second.
func TestWhenAPartialTileIsDue(t *testing.T) {
	const interval = 10 * time.Second
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		// size is the log's at a second.
		size func(second int) uint64
		// seconds are those at which a partial tile is fetched.
		seconds []int
	}{
		{"nothing more comes", func(int) uint64 { return 100 }, []int{0}},
		{"one more, which waits for more of its kind", func(s int) uint64 { return 100 + min(uint64(s), 1) }, []int{0, 31}},
		{"a quarter more, at once", func(s int) uint64 { return 100 + 40*min(uint64(s), 1) }, []int{0, 10}},
		{"a second tile begins", func(s int) uint64 { return 250 + 10*min(uint64(s), 1) }, []int{0, 10}},
		{"fast: the full tile comes before", func(s int) uint64 { return 5130 + 60*uint64(s) }, []int{0}},
		{"it was fast, and stops", func(s int) uint64 { return min(60*uint64(s)+10, 300) }, []int{0, 10}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p partials
			var got []int
			for s := range 45 {
				size := tc.size(s)
				first, width := size-size%tileWidth, size%tileWidth
				if width == 0 || width <= p.had(first) {
					continue
				}
				if p.wait(begin.Add(time.Duration(s)*time.Second), interval, first, width) == 0 {
					p.got(first, width)
					got = append(got, s)
				}
			}
			if len(got) != len(tc.seconds) {
				t.Fatalf("fetched at %d, want %d", got, tc.seconds)
			}
			for i, s := range got {
				if s != tc.seconds[i] {
					t.Errorf("fetched at %d, want %d", got, tc.seconds)
				}
			}
		})
	}
}

// TestAWaitIsNotTooLong holds that asking again after the wait told leads to the tile, whatever the growth was.
func TestAWaitIsNotTooLong(t *testing.T) {
	for _, perSecond := range []uint64{0, 1, 5, 30, 200} {
		var p partials
		now, had := time.Unix(0, 0), uint64(3)
		if p.wait(now, 10*time.Second, 0, had) != 0 {
			t.Fatal("the first is not due")
		}
		p.got(0, had)
		for asked := 0; ; asked++ {
			seconds := uint64(now.Unix())
			width := min(had+1+seconds*perSecond, tileWidth-1)
			d := p.wait(now, 10*time.Second, 0, width)
			if d <= 0 {
				break
			}
			if now = now.Add(max(d, 2*time.Second)); asked > 20 || now.Sub(time.Unix(0, 0)) > 33*time.Second {
				t.Fatalf("at %d a second: not due after %v, asked %d times", perSecond, now.Sub(time.Unix(0, 0)), asked)
			}
		}
	}
}
