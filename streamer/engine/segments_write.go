package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// segmentWriter is what only Run's goroutine uses.
type segmentWriter struct {
	loaded  bool // the folder has been read
	file    durable.File
	known   map[Fingerprint]bool // issuers that the file has
	synced  mark
	retryAt time.Time
	block   blockWriter
	encoder *zstd.Encoder
	raw     []byte
	out     []byte
	buf     [segmentBatch]Entry
}

// mark is a place in the segment being written.
type mark struct {
	pos    uint64
	size   int64
	frames int
}

var errNoRoom = errors.New("the volume is full but for what checkpoints need; make it larger, or lower retention.max_bytes")

// Run writes what comes into the window, until ctx ends. Call Sync before, for what is to be kept.
func (s *Segments) Run(ctx context.Context) {
	defer s.end()
	var aged time.Time
	for ctx.Err() == nil {
		now := time.Now()
		var grown <-chan struct{}
		if s.limits.Load().MaxBytes > 0 && !now.Before(s.writer.retryAt) {
			grown = s.window.grown.wait()
		}
		if now.Sub(aged) >= segmentTick {
			s.age(now)
			aged = now
		}
		if !s.turn(now) {
			s.rest(ctx, grown)
			continue
		}
		select {
		case r := <-s.requests:
			r.done <- s.sync(r.upTo)
		default:
		}
	}
}

// end leaves the file as it is: the next run goes on in it.
func (s *Segments) end() {
	s.window.keep(math.MaxUint64)
	close(s.stopped)
	s.Close()
}

// Close closes the file. Run does it by itself.
func (s *Segments) Close() {
	if s.writer.file != nil {
		_ = s.writer.file.Close() // what counts has been synced
		s.writer.file = nil
	}
}

// turn takes a batch from the window, and says whether there may be more.
func (s *Segments) turn(now time.Time) bool {
	if s.limits.Load().MaxBytes <= 0 {
		s.window.keep(math.MaxUint64)
		s.clear()
		return false
	}
	if now.Before(s.writer.retryAt) {
		return false
	}
	if !s.writer.loaded {
		s.reopen()
		return s.writer.loaded
	}
	more, full := s.take()
	s.window.keep(s.pos)
	if full {
		return s.flush() == nil && more
	}
	return more
}

// rest waits for the window to grow, if grown is not nil, for somebody who wants what there is on disk, or for things to age.
func (s *Segments) rest(ctx context.Context, grown <-chan struct{}) {
	tick := time.NewTimer(segmentTick)
	defer tick.Stop()
	select {
	case <-grown:
		tick.Reset(segmentPause)
	case r := <-s.requests:
		r.done <- s.sync(r.upTo)
		return
	case <-tick.C:
		return
	case <-ctx.Done():
		return
	}
	for { // entries come in small batches: some at a time, unless they are many
		grown = s.window.grown.wait()
		if s.window.behind(s.pos) > uint64(s.window.maxBytes.Load()/4) {
			return
		}
		select {
		case <-grown:
			continue
		case r := <-s.requests:
			r.done <- s.sync(r.upTo)
		case <-tick.C:
		case <-ctx.Done():
		}
		return
	}
}

// take moves on by a batch, or over what is missing. It says whether there may be more, and whether what waits is to be written.
func (s *Segments) take() (more, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pos < s.checkpoint: // written, and lost by a power cut or a disk that was full
		s.skip(s.checkpoint)
		return true, false
	case s.pos < s.begin: // never used
		s.skip(s.begin)
		return true, true
	}
	n, err := s.window.Read(s.pos, s.writer.buf[:])
	if err != nil { // too slow
		if len(s.waiting.entries) == 0 {
			s.skip(s.window.Oldest())
		}
		return true, true
	}
	for i := range s.writer.buf[:n] {
		e := &s.writer.buf[i]
		s.waiting.entries = append(s.waiting.entries, *e)
		s.waiting.bytes += len(e.DER) + minEntryBytes
		if s.pos = e.Offset; s.waiting.bytes >= blockBytes {
			more, full = true, true
			break
		}
	}
	clear(s.writer.buf[:n])
	return more || n == len(s.writer.buf), full || len(s.waiting.gaps) > 0
}

// skip notes that nothing is kept up to an offset. Called with mu held.
func (s *Segments) skip(to uint64) {
	missed := s.window.numbered(s.pos, to)
	s.waiting.gaps = append(s.waiting.gaps, frame{kind: gapFrame, after: s.pos, last: to, count: missed})
	s.pos, s.waiting.after = to, to
}

// flush writes what is waiting.
func (s *Segments) flush() error {
	if len(s.waiting.gaps) == 0 && len(s.waiting.entries) == 0 {
		return nil
	}
	err := s.prepare()
	var frames []frame
	var known []Fingerprint
	if err == nil {
		frames, known, err = s.write()
	}
	if err != nil {
		s.fail(err)
		return err
	}
	for _, fp := range known {
		s.writer.known[fp] = true
	}
	s.mu.Lock()
	seg := s.list[len(s.list)-1]
	seg.frames = append(seg.frames, frames...)
	seg.size += int64(len(s.writer.out))
	seg.last = seg.frames[len(seg.frames)-1].last
	seg.count, seg.missed, seg.first, seg.latest = summary(seg.frames)
	for _, g := range s.waiting.gaps {
		s.totals.Missed += g.count
	}
	entries := s.waiting.entries
	s.waiting = waiting{after: s.pos, entries: entries[:0]}
	clear(entries)
	if s.failure != nil {
		s.log.Info("entries are kept on disk again", "after", frames[0].after, "missed_since_the_start", s.totals.Missed)
	}
	s.failure = nil
	s.mu.Unlock()
	if cap(s.writer.out) > 4*blockBytes {
		s.writer.out, s.writer.raw = nil, nil
	}
	if seg.size >= s.segmentBytes() {
		return s.seal()
	}
	return nil
}

// newEncoder makes a compressor for blocks.
func newEncoder() (*zstd.Encoder, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(blockBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("making a compressor: %w", err)
	}
	return encoder, nil
}

// newDecoder makes a decompressor for blocks, which any number may use at a time.
func newDecoder() (*zstd.Decoder, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBlockBytes), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("making a decompressor: %w", err)
	}
	return decoder, nil
}

func (s *Segments) segmentBytes() int64 {
	if s.options.segment > 0 {
		return s.options.segment
	}
	return min(max(s.limits.Load().MaxBytes/16, minSegmentBytes), maxSegmentBytes)
}

// prepare makes room, and a segment where none is open.
func (s *Segments) prepare() error {
	s.letGo()
	need := int64(s.waiting.bytes) + 4*frameHeader
	s.shrink(need)
	free, err := s.fs.Free(s.dir)
	if err != nil {
		return fmt.Errorf("looking for room: %w", err)
	}
	if free >= 0 && free < need+s.options.reserve {
		return errNoRoom
	}
	if s.writer.file != nil {
		return nil
	}
	seg := &segment{after: s.writer.synced.pos, last: s.writer.synced.pos, open: true}
	head := appendFrame(nil, frame{kind: headFrame, after: seg.after, last: seg.after}, append([]byte{formatOne}, s.window.epoch...))
	f, err := s.fs.Create(s.path(seg), 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(head, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.fs.SyncDir(s.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close(), s.fs.RemoveAll(s.path(seg)))
	}
	seg.size = int64(len(head))
	s.writer.file, s.writer.known = f, map[Fingerprint]bool{}
	s.writer.synced.size, s.writer.synced.frames = seg.size, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	seg.id = s.ids
	s.list = append(s.list, seg)
	return nil
}

// letGo closes the open segment where a reader has found that it cannot be read: another one goes on after it.
func (s *Segments) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer.file == nil {
		return
	}
	if seg := s.list[len(s.list)-1]; seg.aside {
		_ = s.writer.file.Close() // nobody reads it any more
		s.writer.file, s.writer.synced, seg.open = nil, mark{pos: seg.last}, false
	}
}

// write puts what is waiting at the end of the open segment, and returns its frames and issuers.
func (s *Segments) write() (frames []frame, known []Fingerprint, err error) {
	w := &s.writer
	seg := s.list[len(s.list)-1]
	w.out = w.out[:0]
	known = s.writeIssuers(seg.last)
	add := func(f frame, body []byte) {
		f = f.of(body, seg.size+int64(len(w.out)))
		w.out = appendFrame(w.out, f, body)
		frames = append(frames, f)
	}
	for _, g := range s.waiting.gaps {
		add(g, nil)
	}
	if entries := s.waiting.entries; len(entries) > 0 {
		add(w.encode(s.waiting.after, entries))
	}
	if _, err := w.file.WriteAt(w.out, seg.size); err != nil {
		return nil, nil, fmt.Errorf("writing a segment: %w", err)
	}
	return frames, known, nil
}

// encode makes a frame of entries.
func (w *segmentWriter) encode(after uint64, entries []Entry) (frame, []byte) {
	w.raw = w.block.append(w.raw[:0], after, entries)
	f := frame{
		kind: entryFrame, raw: uint32(len(w.raw)), after: after, last: entries[len(entries)-1].Offset, count: uint64(len(entries)),
		first: entries[0].Seen, latest: entries[0].Seen, // not 0: then the times are not known
	}
	for i := range entries {
		f.first, f.latest = min(f.first, entries[i].Seen), max(f.latest, entries[i].Seen)
	}
	return f, w.encoder.EncodeAll(w.raw, nil)
}

// writeIssuers begins the output with the issuers that the segment does not have yet. One that is not known yet, because it is
// still being fetched, is looked for again with the next entry that names it.
func (s *Segments) writeIssuers(at uint64) (known []Fingerprint) {
	var ders [][]byte
	seen := map[Fingerprint]bool{}
	for i := range s.waiting.entries {
		for _, fp := range s.waiting.entries[i].Chain {
			if s.writer.known[fp] || seen[fp] {
				continue
			}
			seen[fp] = true
			if der, ok := s.options.Issuers.DER(fp); ok {
				ders, known = append(ders, der), append(known, fp)
			}
		}
	}
	if len(ders) > 0 {
		raw := appendIssuers(nil, ders)
		f := frame{kind: issuerFrame, after: at, last: at, raw: uint32(len(raw)), count: uint64(len(ders))}
		s.writer.out = appendFrame(s.writer.out, f, s.writer.encoder.EncodeAll(raw, nil))
	}
	return known
}

// seal ends the open segment, after reading it once again: what cannot be read now is written anew.
func (s *Segments) seal() error {
	w := &s.writer
	seg := s.list[len(s.list)-1]
	c, err := scan(w.file, seg.size)
	for _, l := range c.lost {
		if l.at >= w.synced.size {
			err = cmp.Or(err, l.cause)
		}
	}
	if err == nil && c.last() != seg.last {
		err = fmt.Errorf("%w: it ends at offset %d, not %d", errTorn, c.last(), seg.last)
	}
	if err == nil {
		end := c.seal()
		if _, err = w.file.WriteAt(end, c.size); err == nil {
			err = w.file.Sync()
		}
		c.size += int64(len(end))
	}
	if err != nil {
		s.fail(fmt.Errorf("ending a segment: %w", err))
		return err
	}
	_ = w.file.Close() // it is on disk
	w.file = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose(seg, c.lost)
	seg.open, seg.frames, seg.size = false, nil, c.size
	w.synced = mark{pos: seg.last}
	return nil
}

// sync has all up to an offset on disk.
func (s *Segments) sync(upTo uint64) error {
	for s.pos < upTo && s.turn(time.Now()) {
	}
	s.letGo()
	if s.limits.Load().MaxBytes <= 0 {
		return nil
	}
	if s.writer.loaded && !time.Now().Before(s.writer.retryAt) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.writer.file != nil && s.writer.synced.pos != s.last() {
		if err := s.writer.file.Sync(); err != nil {
			err = fmt.Errorf("syncing a segment: %w", err)
			s.fail(err)
			return err
		}
		seg := s.list[len(s.list)-1]
		s.writer.synced = mark{pos: seg.last, size: seg.size, frames: len(seg.frames)}
	}
	return s.failed()
}

// last is where the open segment ends, or where the next one begins.
func (s *Segments) last() uint64 {
	if s.writer.file == nil {
		return s.writer.synced.pos
	}
	return s.list[len(s.list)-1].last
}

func (s *Segments) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// fail stops retention for a while. What was written and may not be on disk is written again, if the window still has it.
func (s *Segments) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window.keep(math.MaxUint64)
	w := &s.writer
	w.retryAt = time.Now().Add(segmentRetry)
	if s.failure == nil {
		s.log.Error("entries are not kept on disk for now; the stream goes on", "error", err, "after", w.synced.pos)
	}
	s.failure = err
	s.totals.Errors++
	if !w.loaded {
		return
	}
	if w.file != nil && !errors.Is(err, errNoRoom) {
		s.rollBack()
	}
	s.pos = s.last()
	s.waiting = waiting{after: s.pos}
}

// rollBack gives up the open segment behind what is on disk for certain. Called with mu held.
func (s *Segments) rollBack() {
	w := &s.writer
	_ = w.file.Truncate(w.synced.size) // if it fails, reading stops at what is whole
	_ = w.file.Close()
	w.file = nil
	seg := s.list[len(s.list)-1]
	seg.open, seg.size = false, w.synced.size
	seg.frames = slices.Clone(seg.frames[:w.synced.frames])
	seg.last = max(seg.after, lastOf(seg.frames))
	seg.count, seg.missed, seg.first, seg.latest = summary(seg.frames)
	s.ids++
	seg.id = s.ids
	if len(seg.frames) == 0 {
		s.list = s.list[:len(s.list)-1]
		_ = s.fs.RemoveAll(s.path(seg)) // if it fails, the next of this name replaces it
	}
}
