package follow

import (
	"context"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// begin finds where to start, once: where it stopped the last time, or where the spec says.
func (f *follower) begin(ctx context.Context) error {
	if f.begun {
		return nil
	}
	head := f.latest()
	if f.saved != nil {
		f.restore(*f.saved)
	} else {
		kind, index, err := f.startIndex(ctx, head)
		if err != nil {
			return err
		}
		f.startAt(StartInfo{Kind: kind, Index: index, At: time.Now().UTC()})
	}
	f.begun, f.target = true, head
	if f.position() >= head.Size {
		f.atHead = time.Now()
	}
	if f.unsigned() {
		f.logger.Warn("the log's entries are sent unverified", "why", noKey)
	}
	f.logger.Info("following the log", "start", f.startInfo().Kind, "position", f.position(), "tree_size", head.Size)
	return nil
}

func (f *follower) startAt(info StartInfo) {
	f.look(func(v *view) { v.started = info })
	f.jump(info.Index)
	if info.Index == 0 && f.full() && f.condemned == "" {
		f.trust(ctlog.Frontier{})
		return
	}
	f.distrust("the log's proof for the start is not here yet")
}

func (f *follower) startInfo() (info StartInfo) {
	f.look(func(v *view) { info = v.started })
	return info
}

// restore goes on from a checkpoint.
func (f *follower) restore(s LogState) {
	f.look(func(v *view) {
		v.started = StartInfo{Kind: StartFromSaved, Index: s.Position, At: time.Now().UTC()}
		v.resumed = s.Heard
		if s.Head.Size > s.Position && !s.Head.Seen.IsZero() {
			v.resumed = s.Head.Seen
		}
	})
	verified, tip, err := s.trees()
	if err != nil || !f.full() {
		f.startAt(f.startInfo())
	} else {
		f.verify.restore(verified, tip)
		f.jump(s.Position)
		f.showTree()
	}
	f.restoreChain(s)
}

// startIndex is the first index to emit of a log that has never been followed.
func (f *follower) startIndex(ctx context.Context, head ctlog.TreeHead) (StartKind, uint64, error) {
	if index, ok := f.shared.imported(f.source.URL); ok {
		return StartFromImport, min(index, head.Size), nil
	}
	start := f.spec.Load().Start
	switch start.Kind {
	case StartBeforeHead:
		return start.Kind, head.Size - min(start.N, head.Size), nil
	case StartAtIndex:
		if start.N > head.Size {
			f.logger.Warn("the start index is beyond the log's tree; starting at its head", "index", start.N, "tree_size", head.Size)
		}
		return start.Kind, min(start.N, head.Size), nil
	case StartAtTime:
		index, err := f.searchTime(ctx, head, start.Time)
		return start.Kind, index, err
	}
	if head.Size < smallLog {
		return StartAtHead, 0, nil
	}
	return StartAtHead, head.Size, nil
}

// timeSearch is a binary search that goes on where a failed request has interrupted it.
type timeSearch struct {
	begun     bool
	low, high uint64
}

// searchTime finds the first entry at or after a time. Timestamps are only roughly sorted, so it begins some thousand entries
// earlier.
func (f *follower) searchTime(ctx context.Context, head ctlog.TreeHead, at time.Time) (uint64, error) {
	s := &f.search
	if !s.begun {
		*s = timeSearch{begun: true, high: head.Size}
	}
	for s.low < s.high {
		middle := s.low + (s.high-s.low)/2
		b, err := f.log.Entries(ctx, head, middle, middle+1)
		if err != nil {
			return 0, err
		}
		before := len(b.Entries) > 0 && b.Entries[0].Timestamp < uint64(max(at.UnixMilli(), 0))
		b.Release()
		if before {
			s.low = middle + 1
		} else {
			s.high = middle
		}
	}
	return s.low - min(s.low, timeStartSafety), nil
}
