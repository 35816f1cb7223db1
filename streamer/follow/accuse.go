package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// Misbehaviour is the mark that a log bears once it has been caught. It outlives restarts, as long as its evidence is kept.
type Misbehaviour struct {
	Kind evidence.Kind `json:"kind"`
	Why  string        `json:"why"`
	// Since is when the log was first caught, Count how often it has been.
	Since time.Time `json:"since"`
	Count uint64    `json:"count"`
	// Evidence is the file, below the state directory; empty where there is none.
	Evidence string `json:"evidence,omitempty"`
	// Condemned says that nothing the log proves is worth anything: it is not verified any more.
	Condemned bool `json:"condemned,omitempty"`
}

// condemns says whether a log that has done this has no one tree to verify entries against.
func condemns(k evidence.Kind) bool {
	return k == evidence.TwoRoots || k == evidence.Fork || k == evidence.FinalHead
}

// maxAccusations is how often a log is accused in a run: more would say nothing new.
const maxAccusations = 64

// indict begins evidence against the log.
func (f *follower) indict(kind evidence.Kind, why string, heads ...ctlog.TreeHead) *evidence.Evidence {
	e := &evidence.Evidence{Kind: kind, Why: why, Seen: time.Now().UTC(), Log: f.accusedLog()}
	for _, h := range heads {
		e.Heads = append(e.Heads, evidence.HeadOf(h))
	}
	return e
}

// accusedLog is the log as evidence names it.
func (f *follower) accusedLog() evidence.Log {
	return evidence.Log{
		Name: f.source.Name, Operator: f.source.Operator, URL: f.source.URL, LogID: slices.Clone(f.source.LogID[:]),
		Key: f.spec.Load().Key, MMDSeconds: f.mergeDelay().Seconds(),
	}
}

// caughtLying is a proof of misbehaviour by two heads.
func (f *follower) caughtLying(kind evidence.Kind, why string, a, b ctlog.TreeHead) {
	f.accuse(f.indict(kind, why, a, b))
}

// caughtForking is the proof that two heads are of different trees.
func (f *follower) caughtForking(fork *ctlog.ForkError) {
	if fork.Older.Size == fork.Newer.Size {
		f.caughtLying(evidence.TwoRoots, fork.Error(), fork.Older, fork.Newer)
		return
	}
	e := f.indict(evidence.Fork, fork.Error(), fork.Older, fork.Newer)
	e.Proof = evidence.ProofOf(fork.Last)
	f.accuse(e)
}

// mergeDelay is the log's maximum merge delay, or the usual one where it is not known.
func (f *follower) mergeDelay() time.Duration { return or(f.spec.Load().MMD, 24*time.Hour) }

// checkRollback finds a smaller tree that was signed later than a larger one by more than the merge delay: no cache does that.
func (f *follower) checkRollback(before, now ctlog.TreeHead) {
	delay := uint64(f.mergeDelay().Milliseconds())
	later := now.Timestamp - min(now.Timestamp, before.Timestamp)
	if f.verification() == VerifyOff || now.Size >= before.Size || later <= delay {
		return
	}
	f.caughtLying(evidence.Rollback, fmt.Sprintf("the tree went back from size %d", before.Size), now, before)
}

// accuse keeps evidence and marks the log. The stream goes on; of a log without one tree, marked unverified.
func (f *follower) accuse(e *evidence.Evidence) {
	if f.accused[e.Why] || f.condemned != "" || len(f.accused) == maxAccusations {
		return
	}
	f.accused[e.Why] = true
	path, err := f.shared.evidence(e)
	if err != nil {
		f.logger.Error("keeping the evidence", "error", err)
	}
	attributes := []any{"kind", e.Kind, "why", e.Why, "evidence", path}
	for _, h := range e.Heads {
		attributes = append(attributes, fmt.Sprintf("root_%d", h.Size), fmt.Sprintf("%x", h.Root))
	}
	f.logger.Error("the log misbehaved; its entries go on in the stream", attributes...)
	f.mark(e, path)
	if e.Kind != evidence.Unexplained {
		f.countMisbehaviour()
	}
	if condemns(e.Kind) {
		f.condemn(e.Why)
	}
	f.gauges()
}

// mark shows the first misbehaviour, and the worst: one that condemns the log takes the place of one that does not.
func (f *follower) mark(e *evidence.Evidence, path string) {
	f.look(func(v *view) {
		m := Misbehaviour{Kind: e.Kind, Why: e.Why, Since: e.Seen, Evidence: path, Condemned: condemns(e.Kind)}
		if old := v.saved.Misbehaviour; old != nil {
			m.Since, m.Count = old.Since, old.Count
			if old.Condemned || !m.Condemned && old.Kind != evidence.Unexplained {
				m.Kind, m.Why, m.Evidence, m.Condemned = old.Kind, old.Why, old.Evidence, old.Condemned
			}
		}
		m.Count++
		v.saved.Misbehaviour = &m
	})
}

// condemn ends verification: a log that has signed two trees can prove anything.
func (f *follower) condemn(why string) {
	f.condemned = why
	f.distrust(why)
	f.chain.open = nil
}

// restoreMark takes over the mark of an earlier run, unless somebody has removed the evidence to lift it, or has asked for that.
func (f *follower) restoreMark(m *Misbehaviour) {
	if m == nil {
		return
	}
	if f.shared.lift(f.accusedLog()) {
		f.logger.Warn("the log's mark is lifted, as asked", "kind", m.Kind, "since", m.Since)
		f.forgive()
		return
	}
	if m.Evidence == "" {
		f.logger.Warn("the log's mark has no evidence; an empty file in the state directory lifts it at the next start",
			"kind", m.Kind, "since", m.Since, "file", LiftPath(f.accusedLog()))
	}
	if m.Evidence != "" && !f.shared.hasEvidence(m.Evidence) {
		f.logger.Warn("the log's mark is lifted: its evidence has been removed", "kind", m.Kind, "since", m.Since,
			"evidence", m.Evidence)
		f.forgive()
		return
	}
	f.look(func(v *view) { v.saved.Misbehaviour = m })
	f.accused[m.Why] = true
	if m.Condemned {
		f.condemn(m.Why)
	}
	f.gauges()
}

// forgive forgets the heads of earlier runs: they would mark the log again for what the mark was lifted from.
func (f *follower) forgive() {
	saved := *f.saved
	saved.Anchor, saved.Joined, saved.Open, saved.Head = nil, false, nil, SavedHead{}
	f.saved = &saved
}

func (s *shared) lift(l evidence.Log) bool { return s.store != nil && s.store.Lift(l) }

// finding is what came of looking for a wrong entry.
type finding struct {
	evidence *evidence.Evidence
}

// investigate looks for the first entry that is not the tree's, beside the stream. Before, the verifier still knows the hashes.
func (f *follower) investigate(ctx context.Context, why string, head ctlog.TreeHead) {
	v := f.verify
	e := f.indict(evidence.Unexplained, why, head)
	if v.first != v.base || head.Size <= v.base || len(v.hashes) == 0 {
		f.accuse(e)
		return
	}
	base := cloneFrontier(v.verified)
	hashes := slices.Clone(v.hashes[:min(uint64(len(v.hashes)), head.Size-base.Size)])
	log := f.log
	f.helpers.Go(func() {
		if err := findWrong(ctlog.Fresh(ctx), log, head, base, hashes, e); err != nil {
			e.Why += "; looking for the entry: " + clip(err.Error())
		}
		select {
		case f.findings <- finding{e}:
		case <-ctx.Done():
		}
	})
}

// findWrong completes the evidence with the entry as it is served and the tree's own leaf.
func findWrong(
	ctx context.Context, log ctlog.Log, head ctlog.TreeHead, base ctlog.Frontier, hashes []ctlog.Hash, e *evidence.Evidence,
) error {
	index, err := ctlog.FirstWrong(ctx, log, head, base, hashes)
	if err != nil {
		return err
	}
	leaf, err := log.Inclusion(ctx, head, index)
	if err != nil {
		return err
	}
	served, err := servedLeaf(ctx, log, head, index)
	if err != nil {
		return err
	}
	if ctlog.LeafHash(served) == leaf.Leaf {
		return fmt.Errorf("entry %d is served as it is in the tree now", index)
	}
	e.Kind, e.Why = evidence.WrongEntry, fmt.Sprintf("entry %d is not the one in the tree of size %d", index, head.Size)
	e.Proof, e.Entry = evidence.ProofOf(leaf), &evidence.Entry{Index: index, LeafInput: served}
	return nil
}

// servedLeaf asks for one entry, and again when it is not due yet.
func servedLeaf(ctx context.Context, log ctlog.Log, head ctlog.TreeHead, index uint64) ([]byte, error) {
	for try := 0; ; try++ {
		b, err := log.Entries(ctx, head, index, index+1)
		if err == nil {
			leaf := b.Entries[0].LeafInput()
			b.Release()
			return leaf, nil
		}
		var refused *ctlog.Error
		if try == 3 || !errors.As(err, &refused) || refused.Kind != ctlog.NotYet || !sleep(ctx, max(refused.RetryAfter, time.Second)) {
			return nil, err
		}
	}
}
