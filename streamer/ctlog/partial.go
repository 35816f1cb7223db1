package ctlog

import "time"

// partials decides when the partial data tile at a log's head is worth a request: each holds again what the one before held, and
// the full tile will hold it once more. A partial tile is fetched when
//
//   - the interval since the last one has passed,
//   - the tile will not be full within another interval, at the pace at which the log grows, and
//   - at least a quarter of it is new,
//
// the latter two for no longer than patience intervals after there was something new.
type partials struct {
	first, width uint64 // of the last one that was had
	next         time.Time
	news         sizeAt // when there was something new, and the log's size then
	seen         uint64 // the tile of the news
	pace         growth
}

const (
	patience = 3 // intervals
	freshest = 4 // one in so many entries of a partial tile must be new
)

// wait is how long a partial tile must wait; 0: it may be fetched now, and the next one not before an interval has passed.
func (p *partials) wait(now time.Time, interval time.Duration, first, width uint64) time.Duration {
	p.pace.add(now, first+width)
	if p.seen != first || p.news.at.IsZero() {
		p.seen, p.news = first, sizeAt{now, first + width}
	}
	least, longest := p.next.Sub(now), p.news.at.Add(patience*interval).Sub(now)
	if full := p.until(now, interval, first+tileWidth); full <= interval {
		least = max(least, min(full, longest))
	}
	if had := p.had(first); (width-had)*freshest < width {
		enough := had + (had+freshest-2)/(freshest-1)
		least = max(least, min(p.until(now, interval, first+enough), longest))
	}
	if least > 0 {
		return least
	}
	p.next = now.Add(interval)
	return 0
}

// until is in what time the log will have a size, which it may not if it has hardly grown since there was something new.
func (p *partials) until(now time.Time, interval time.Duration, size uint64) time.Duration {
	if now.Sub(p.news.at) < interval/2 {
		return p.pace.until(size)
	}
	return max(p.pace.until(size), (&growth{older: p.news, last: p.pace.last}).until(size))
}

// had is how much of a tile has been fetched before.
func (p *partials) had(first uint64) uint64 {
	if first != p.first {
		return 0
	}
	return p.width
}

// got notes a partial tile that was had.
func (p *partials) got(first, width uint64) {
	p.first, p.width, p.news = first, width, sizeAt{}
}

// growth estimates how fast a log grows, by sizes seen in the last half minute to minute.
type growth struct {
	older, newer, last sizeAt
}

type sizeAt struct {
	at   time.Time
	size uint64
}

const growthSpan = 30 * time.Second

func (g *growth) add(now time.Time, size uint64) {
	g.last = sizeAt{now, max(size, g.last.size)}
	if g.older.at.IsZero() {
		g.older, g.newer = g.last, g.last
	}
	if now.Sub(g.newer.at) >= growthSpan {
		g.older, g.newer = g.newer, g.last
	}
}

// tooLong is longer than anybody waits.
const tooLong = 24 * time.Hour

// until is in what time the log will have a size.
func (g *growth) until(size uint64) time.Duration {
	grown, took := g.last.size-g.older.size, g.last.at.Sub(g.older.at)
	switch {
	case size <= g.last.size:
		return 0
	case grown == 0 || took <= 0:
		return tooLong
	}
	return time.Duration(min(float64(size-g.last.size)/float64(grown)*float64(took), float64(tooLong)))
}
