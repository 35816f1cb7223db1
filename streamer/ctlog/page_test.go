package ctlog

import "testing"

// server answers ranges as logs do: at most max entries, ending at its multiples when aligned.
type pageServer struct {
	max     uint64
	aligned bool
}

func (s pageServer) answer(start, end uint64) uint64 {
	n := min(end-start, s.max)
	if s.aligned && end-start >= s.max {
		n = s.max - start%s.max
	}
	return n
}

// read asks for entries from start on and gives the number of requests it took to get to end.
func (p *pager) read(s pageServer, start, end uint64) (requests int) {
	for start < end {
		to := p.end(start, end)
		n := s.answer(start, to)
		p.learn(start, to, n)
		start += n
		requests++
	}
	return requests
}

func TestPageSizeIsLearned(t *testing.T) {
	for _, c := range []struct {
		name   string
		server pageServer
		start  uint64
		want   uint64
	}{
		{"Google", pageServer{32, false}, 5, 32},
		{"Sectigo", pageServer{256, false}, 1000, 256},
		{"CTFE", pageServer{1000, true}, 1234, 1000},
		{"aligned", pageServer{256, true}, 100, 256},
		{"odd", pageServer{77, false}, 3, 77},
		{"more than the hint", pageServer{2048, false}, 0, 2048},
	} {
		p := newPager(1024)
		p.read(c.server, c.start, c.start+100*c.server.max)
		if got := p.get(); got != c.want && got != 2*c.want { // or it is just trying for more
			t.Errorf("%s: page %d, want %d", c.name, got, c.want)
		}
		end := c.start/c.server.max*c.server.max + 4100*c.server.max
		if requests := p.read(c.server, end-2000*c.server.max, end); requests > 2100 {
			t.Errorf("%s: %d requests for 2,000 pages", c.name, requests)
		}
	}
}

// TestOneLaggingAnswerIsNotThePage has one short answer among many full ones, and then a log that has become stingier.
func TestOneLaggingAnswerIsNotThePage(t *testing.T) {
	p := newPager(256)
	p.learn(0, 256, 256)
	p.learn(256, 512, 3)
	if p.get() != 256 {
		t.Errorf("page %d after one short answer", p.get())
	}
	for i := range uint64(3) {
		p.learn(512+32*i, 768, 32)
	}
	if p.get() != 32 {
		t.Errorf("page %d after three short answers", p.get())
	}
}

func TestShrinkEndsAtOne(t *testing.T) {
	p := newPager(4)
	for range 5 {
		p.shrink()
	}
	if p.get() != 1 || p.end(7, 100) != 8 {
		t.Errorf("page %d", p.get())
	}
}

// TestRefusedPagesBecomeSmaller has a log that answers 429 beyond what its backend can carry, as CTFE does, and one that
// answers 429 for other reasons: its pages stay as long as they have been seen to be.
func TestRefusedPagesBecomeSmaller(t *testing.T) {
	p := newPager(1024)
	for range 10 {
		p.refused(p.get())
	}
	if p.get() != leastRefused {
		t.Errorf("page %d after ten refusals", p.get())
	}
	p = newPager(256)
	p.learn(0, 256, 256)
	p.refused(256)
	if p.get() != 256 {
		t.Errorf("page %d: a proven page was made smaller", p.get())
	}
	for i := range uint64(2 * firstProbe) {
		p.learn(256*i, 256*i+256, 256)
	}
	if p.get() != 512 {
		t.Fatalf("page %d: nothing more was tried", p.get())
	}
	p.refused(512)
	if p.get() != 256 || p.probe != 2*firstProbe {
		t.Errorf("page %d after a refused trial, the next one after %d answers", p.get(), p.probe)
	}
}
