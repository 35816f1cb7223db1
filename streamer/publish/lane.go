package publish

import (
	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// lane is what one goroutine needs to turn entries into messages. Its memory is used again for the next entries.
type lane struct {
	record  certificate.Record
	encoder *message.Encoder
	issuers message.Issuers
	filters *filter.Set
	issuer  []byte
	signers map[engine.Fingerprint]*certificate.PrecertSigner

	items   []item
	json    []byte
	matches []*filter.Class
	damaged []*engine.Entry // entries that did not parse whole
}

// item is one entry, encoded in the kinds that somebody reads.
type item struct {
	entry   *engine.Entry
	json    [message.Kinds]span
	matches span
	// id is the certificate's identity, if a class that matches asks for it and there is one.
	id         filter.ID
	identified bool
}

// span is a part of a lane's slices.
type span struct{ from, to int }

func (s span) empty() bool { return s.from == s.to }

// keptJSON is how much encoded text a lane keeps room for between batches.
const keptJSON = 1 << 20

func newLane(o Options) *lane {
	return &lane{encoder: message.NewEncoder(o.Engine.Epoch()), issuers: o.Issuers, filters: o.Filters}
}

// begin makes e the entry at work.
func (l *lane) begin(e *engine.Entry) {
	l.record.Parse(e.DER)
	l.encoder.Begin(e, &l.record, l.issuers)
}

// subject is what filters see of the entry at work.
func (l *lane) subject(e *engine.Entry) filter.Subject {
	l.issuer = l.record.AppendIssuerAggregated(l.issuer[:0])
	return filter.Subject{Domains: l.record.Domains(), Issuer: l.issuer, Source: e.Source}
}

// encode makes the messages of entries that the plan asks for.
func (l *lane) encode(entries []engine.Entry, p *plan) {
	if cap(l.json) > keptJSON {
		l.json = nil
	}
	l.items, l.json, l.matches, l.damaged = l.items[:0], l.json[:0], l.matches[:0], l.damaged[:0]
	for i := range entries {
		e := &entries[i]
		l.begin(e)
		if l.record.Partial() || e.Malformed != "" {
			l.damaged = append(l.damaged, e)
		}
		it := item{entry: e}
		wanted := p.wanted
		if len(p.classes) > 0 {
			wanted = l.match(e, p, &it)
		}
		for kind := message.Kind(0); kind < message.Kinds; kind++ {
			if wanted.has(kind) {
				it.json[kind] = l.append(kind)
			}
		}
		l.items = append(l.items, it)
	}
}

func (l *lane) append(kind message.Kind) span {
	from := len(l.json)
	l.json, _ = l.encoder.Append(l.json, kind)
	return span{from, len(l.json)}
}

// match finds the filter classes of the entry at work, and with them the kinds it is wanted in.
func (l *lane) match(e *engine.Entry, p *plan, it *item) kinds {
	from, wanted, subject := len(l.matches), p.wanted, l.subject(e)
	l.matches = l.filters.Match(&subject, l.matches)
	dedup := false
	for _, class := range l.matches[from:] {
		if to := p.classes[class]; to != nil {
			wanted |= to.wanted
			dedup = dedup || class.Filter().Dedup()
		}
	}
	it.matches = span{from, len(l.matches)}
	if dedup {
		it.id, it.identified = l.identify(e)
	}
	return wanted
}
