// Package audit checks a range of a log's entries again, from outside: everything is asked for anew and computed anew.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// Options say what to check.
type Options struct {
	Log ctlog.Log
	// Unsigned says that Log checks no signatures, for want of a key: then Run ends with ErrNoKey at best.
	Unsigned bool
	// From and To are the range [From, To); To 0 is the head.
	From, To uint64
	// Kept are tree heads that the log has shown before.
	Kept []ctlog.TreeHead
	// Tell is told of each check as it is made.
	Tell func(Check)
	// Wait is the time before the first repetition of a request that failed (default 1 s). It doubles.
	Wait time.Duration
}

// Check is something that holds or does not, or that could not be checked: then Unchecked says why.
type Check struct {
	Holds     bool
	What      string
	Unchecked error
}

// Result sums up.
type Result struct {
	// Entries have been read; Wrong are those that are not in the tree. Checks counts all that was checked, Failed what did not
	// hold.
	Entries, Wrong uint64
	Checks, Failed int
}

const (
	block    = 8192 // entries between two proofs
	maxWrong = 100  // wrong entries that are named
	tries    = 6
	maxWait  = time.Minute
)

// ErrRange says that the log does not have the range.
var ErrRange = errors.New("the range is not in the log")

// ErrNoKey says that nothing shows whose the tree is.
var ErrNoKey = errors.New("no key: set custom_logs[].key to have the tree head's signature checked")

// errGivenUp ends an audit that has found more than it names.
var errGivenUp = fmt.Errorf("more than %d wrong entries; the rest is not checked", maxWrong)

type auditor struct {
	Options
	head   ctlog.TreeHead
	result Result
}

// Run checks the log's tree head, that it continues the kept ones, and that each entry of the range is in its tree. An error
// says that something could not be checked; what does not hold is in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	a := &auditor{Options: o}
	if a.Wait == 0 {
		a.Wait = time.Second
	}
	if err := a.checkHead(ctx); err != nil || a.result.Failed > 0 {
		return a.result, err
	}
	if a.To == 0 {
		a.To = a.head.Size
	}
	if a.From >= a.To || a.To > a.head.Size {
		return a.result, fmt.Errorf("%w: [%d, %d) of a tree of %d entries", ErrRange, a.From, a.To, a.head.Size)
	}
	err := errors.Join(a.checkKept(ctx), a.checkEntries(ctx))
	if a.Unsigned {
		err = errors.Join(ErrNoKey, err)
	}
	return a.result, err
}

func (a *auditor) tell(holds bool, format string, v ...any) {
	a.result.Checks++
	if !holds {
		a.result.Failed++
	}
	a.Tell(Check{Holds: holds, What: fmt.Sprintf(format, v...)})
}

func (a *auditor) checkHead(ctx context.Context) error {
	err := a.patiently(ctx, func() (err error) {
		a.head, err = a.Log.Head(ctx)
		return err
	})
	if is(err, ctlog.BadSignature) {
		a.tell(false, "the tree head is signed by the log: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	what := fmt.Sprintf("the tree head of size %d, root %x, is signed by the log", a.head.Size, a.head.Root)
	if a.Unsigned {
		a.Tell(Check{What: what, Unchecked: ErrNoKey})
		return nil
	}
	a.tell(true, "%s", what)
	return nil
}

func (a *auditor) checkKept(ctx context.Context) error {
	for _, kept := range a.Kept {
		err := a.patiently(ctx, func() error { return ctlog.CheckHeads(ctx, a.Log, kept, a.head) })
		if err != nil && !errors.As(err, new(*ctlog.ForkError)) {
			return fmt.Errorf("comparing with the kept tree head of size %d: %w", kept.Size, err)
		}
		a.tell(err == nil, "the tree agrees with the kept tree head of size %d", kept.Size)
	}
	return nil
}

// checkEntries reads the range block by block, and compares the tree that comes of it with the log's.
func (a *auditor) checkEntries(ctx context.Context) error {
	base, err := a.frontier(ctx, a.From)
	if err != nil {
		return fmt.Errorf("the log's proof for entry %d: %w", a.From, err)
	}
	first := a.From
	for first < a.To {
		end := min((first/block+1)*block, a.To)
		hashes, err := a.read(ctx, first, end)
		if err != nil {
			return err
		}
		wrong := a.result.Wrong
		base, err = a.checkBlock(ctx, base, hashes)
		if err != nil {
			return err
		}
		if a.result.Wrong == wrong {
			a.tell(true, "entries %d to %d are in the tree", first, end-1)
		}
		first = end
	}
	return nil
}

// checkBlock names the entries that are not the tree's. It returns the tree after them.
func (a *auditor) checkBlock(ctx context.Context, base *ctlog.Frontier, hashes []ctlog.Hash) (*ctlog.Frontier, error) {
	for {
		end := base.Clone()
		for _, h := range hashes {
			end.Append(h)
		}
		theirs, err := a.frontier(ctx, end.Size)
		if err == nil && slices.Equal(theirs.Nodes, end.Nodes) {
			return end, nil
		}
		if err != nil && !is(err, ctlog.BadProof) {
			return nil, fmt.Errorf("the log's proof for entry %d: %w", end.Size-1, err)
		}
		index, err := a.firstWrong(ctx, base, hashes)
		if err != nil {
			return nil, err
		}
		leaf, err := a.inclusion(ctx, index)
		if err != nil {
			return nil, fmt.Errorf("entry %d is not proved to be in the tree, and which one is cannot be told: %w", index, err)
		}
		served := &hashes[index-base.Size]
		if *served == leaf.Leaf {
			return nil, fmt.Errorf("entry %d is the one in the tree, but the log's other proofs contradict it", index)
		}
		if a.result.Wrong == maxWrong {
			return nil, errGivenUp
		}
		a.result.Wrong++
		a.tell(false, "entry %d is the one in the tree: its leaf hash is %x, the tree's is %x", index, *served, leaf.Leaf)
		*served = leaf.Leaf
	}
}

func (a *auditor) frontier(ctx context.Context, size uint64) (f *ctlog.Frontier, err error) {
	err = a.patiently(ctx, func() (err error) {
		f, err = ctlog.TreeAt(ctx, a.Log, a.head, size)
		return err
	})
	return f, err
}

func (a *auditor) firstWrong(ctx context.Context, base *ctlog.Frontier, hashes []ctlog.Hash) (index uint64, err error) {
	err = a.patiently(ctx, func() (err error) {
		index, err = ctlog.FirstWrong(ctx, a.Log, a.head, *base, hashes)
		return err
	})
	return index, err
}

func (a *auditor) inclusion(ctx context.Context, index uint64) (i ctlog.Inclusion, err error) {
	err = a.patiently(ctx, func() (err error) {
		i, err = a.Log.Inclusion(ctx, a.head, index)
		return err
	})
	return i, err
}

// read gives the leaf hashes of entries.
func (a *auditor) read(ctx context.Context, first, end uint64) (hashes []ctlog.Hash, err error) {
	for first < end {
		var b *ctlog.Batch
		if err := a.patiently(ctx, func() (err error) {
			b, err = a.Log.Entries(ctx, a.head, first, end)
			return err
		}); err != nil {
			return nil, err
		}
		for i := range b.Entries {
			hashes = append(hashes, b.Entries[i].LeafHash)
		}
		first += uint64(len(b.Entries))
		a.result.Entries += uint64(len(b.Entries))
		b.Release()
	}
	return hashes, nil
}

// patiently repeats what may go better the next time, as the log asks for it.
func (a *auditor) patiently(ctx context.Context, ask func() error) error {
	wait := a.Wait
	for try := 1; ; try++ {
		err := ask()
		var e *ctlog.Error
		if err == nil || try == tries || !errors.As(err, &e) || !passing(e.Kind) {
			return err
		}
		timer := time.NewTimer(min(max(wait, e.RetryAfter), maxWait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait *= 2
	}
}

// passing says whether a failure of this kind may be over soon.
func passing(k ctlog.Kind) bool {
	switch k {
	case ctlog.RateLimited, ctlog.NotYet, ctlog.ServerError, ctlog.Timeout, ctlog.Network:
		return true
	}
	return false
}

func is(err error, k ctlog.Kind) bool {
	var e *ctlog.Error
	return errors.As(err, &e) && e.Kind == k
}
