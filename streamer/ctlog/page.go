package ctlog

import "sync"

// niceSizes are page sizes that servers are configured with; an answer that ends at a multiple of one was cut for alignment.
var niceSizes = [...]uint64{32, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 2048, 4096}

// pager learns how many entries a log serves at once. A short answer says it, unless the log has been seen to serve more: then
// it may come from a lagging frontend, and three in a row are needed. After a row of full answers it tries for more.
type pager struct {
	mu      sync.Mutex
	size    uint64
	most    uint64 // the longest answer seen
	short   int    // short answers in a row
	full    int    // full answers in a row
	probing bool   // size was doubled, and has not been answered in full yet
	probe   int    // how many full answers before trying for more
}

const (
	firstProbe    = 16
	lastProbe     = 4096
	believedShort = 3
)

func newPager(hint uint64) *pager { return &pager{size: hint, probe: firstProbe} }

func (p *pager) get() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// end cuts a range for one request: at the next multiple of the page.
func (p *pager) end(start, end uint64) uint64 {
	size := p.get()
	return min(end, start-start%size+size)
}

// learn is told of an answer: asked for [start, end), got n entries.
func (p *pager) learn(start, end, n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case n < end-start:
		p.learnShort(start, n)
	case n >= p.size:
		p.short, p.probing = 0, false
		if p.full++; p.full >= p.probe && p.size < maxPage {
			p.size, p.full, p.probing = min(2*p.size, maxPage), 0, true
		}
	}
	p.most = max(p.most, n)
}

func (p *pager) learnShort(start, n uint64) {
	p.full = 0
	if p.short++; n < p.most && p.short < believedShort {
		return
	}
	if p.probing {
		p.probe = min(2*p.probe, lastProbe)
	}
	p.size, p.most, p.short, p.probing = cutSize(start, n), n, 0, false
}

// cutSize guesses the page of a log that answered n entries from start, fewer than asked.
func cutSize(start, n uint64) uint64 {
	for _, nice := range niceSizes {
		if nice >= n && (start+n)%nice == 0 {
			return nice
		}
	}
	return n
}

// shrink asks for less after an answer that was too large or too slow.
func (p *pager) shrink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.less(1)
}

// leastRefused is the size below which a refusal has other reasons.
const leastRefused = 32

// refused is told that a request for n entries was refused. Where no answer has ever been as long, its size may be the reason:
// CTFE answers 429 for pages beyond what its backend's messages hold.
func (p *pager) refused(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > p.most {
		p.less(leastRefused)
	}
}

// less halves the page, down to some size. If it had just been doubled, that will be tried less often.
func (p *pager) less(least uint64) {
	if p.probing {
		p.probe = min(2*p.probe, lastProbe)
	}
	p.size, p.full, p.probing = min(p.size, max(least, p.size/2)), 0, false
}
