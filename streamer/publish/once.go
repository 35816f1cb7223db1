package publish

import (
	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
)

// Once is one client of a stream with deduplication: what it has been given everything from, and where it may go on in the feed.
// The nil Once is a client of any other stream. It is for one goroutine at a time.
type Once struct {
	stream *Stream
	seen   *filter.Once
	live   uint64 // what is decided for the feed beyond this offset takes this client into account
	told   bool   // and what it was sent before it joined
}

// Once begins with a client that has what it is entitled to up to an offset, and is to be given everything after it: when it
// comes, and where it goes on after a gap. Close it when done. Without deduplication it is nil.
func (s *Stream) Once(after uint64) *Once {
	if !s.Filter.Dedup() {
		return nil
	}
	p := s.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Once{stream: s, seen: p.options.Filters.Memory().Once(s.class, after), live: p.from}
}

// MayJoin says whether a client that is at an offset may go on in the feed: else it has to be replayed to, for a batch or
// two more.
func (o *Once) MayJoin(offset uint64) bool {
	if o == nil {
		return true
	}
	if offset < o.live {
		return false
	}
	if !o.told {
		o.told = true
		if o.seen.Tell() {
			p := o.stream.publisher
			p.mu.Lock()
			o.live = p.from
			p.mu.Unlock()
		}
	}
	return offset >= o.live
}

// Joined says that the client goes on in the feed. Should it fall behind, what it is sent then is told again.
func (o *Once) Joined() {
	if o != nil {
		o.seen.Close()
		o.told = false
	}
}

// Fresh is feed.Run.Fresh for this client: what of a run of the feed it has not been given yet.
func (o *Once) Fresh(run feed.Run, scratch *feed.Run) feed.Run {
	if o == nil {
		return run
	}
	return run.Fresh(o.seen.After(), scratch)
}

// Close gives back what the client holds.
func (o *Once) Close() {
	if o != nil {
		o.seen.Close()
	}
}

// signers is what Options.Issuers may also be: it knows issuing certificates by fingerprint.
type signers interface {
	DER(fp engine.Fingerprint) ([]byte, bool)
}

// maxSigners bounds how many issuers a lane remembers to be dedicated to precertificates, or not: all there are is some hundred.
const maxSigners = 2048

// identify makes the identity of the entry at work. It returns false where there is no certificate.
func (l *lane) identify(e *engine.Entry) (filter.ID, bool) {
	if len(e.DER) == 0 {
		return filter.ID{}, false
	}
	var signer *certificate.PrecertSigner
	if l.record.Poison && len(e.Chain) > 0 {
		signer = l.signer(e.Chain[0])
	}
	return l.filters.Memory().ID(l.record.TBSID(signer)), true
}

// signer finds out whether a precertificate's issuer is a dedicated one. While its certificate is not known it is taken for an
// ordinary one, which nearly all are: at worst the final certificate counts as another.
func (l *lane) signer(fp engine.Fingerprint) *certificate.PrecertSigner {
	if signer, ok := l.signers[fp]; ok {
		return signer
	}
	known, ok := l.issuers.(signers)
	if !ok {
		return nil
	}
	der, ok := known.DER(fp)
	if !ok {
		return nil
	}
	if l.signers == nil || len(l.signers) >= maxSigners {
		l.signers = map[engine.Fingerprint]*certificate.PrecertSigner{}
	}
	signer := certificate.NewPrecertSigner(der)
	l.signers[fp] = signer
	return signer
}

// decide says whether a class is to send an entry; prior is as in filter.Memory.Decide.
func (p *Publisher) decide(class *filter.Class, it *item) (prior uint64, send bool) {
	if !it.identified || !class.Filter().Dedup() {
		return 0, true
	}
	return p.options.Filters.Memory().Decide(class, it.id, it.entry.Offset, p.kept)
}
