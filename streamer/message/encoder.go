package message

import (
	"crypto/sha1" // the contract's fingerprint, not a security measure
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// Issuers knows issuing certificates by fingerprint. It is safe for concurrent use.
type Issuers interface {
	// Chain returns the element of `chain` for a certificate, as AppendChainElement makes it; ok is false when the certificate
	// is not known (yet). The bytes must not be modified.
	Chain(fp engine.Fingerprint) (element []byte, ok bool)
}

// maxProblem bounds parse_error.
const maxProblem = 512

// keptBytes is how much room an encoder keeps from one entry to the next.
const keptBytes = 256 << 10

// maxSources bounds the cache of what is constant per log.
const maxSources = 1024

// Encoder writes the messages of one entry at a time. What several stream kinds share is made once per entry, and only when
// asked for; hashes too. It is not safe for concurrent use: have one per goroutine.
type Encoder struct {
	cursor  []byte // `,"cursor":"<epoch>-`
	sources map[*engine.Source]*sourceText
	leafs   leafWriter

	entry   *engine.Entry
	record  *certificate.Record
	issuers Issuers

	leaf, tail []byte // shared by Full and Lite
	hasLeaf    bool
	sums       fingerprints
	hashed     bool // both
	hasSHA256  bool
}

// sourceText is what is constant per log: link up to the entry's number or tile, and the source object up to its timestamp.
type sourceText struct {
	link, object []byte
}

// NewEncoder makes an encoder for the entries of an epoch.
func NewEncoder(epoch string) *Encoder {
	return &Encoder{
		cursor:  append(append([]byte(`,"cursor":"`), epoch...), '-'),
		sources: make(map[*engine.Source]*sourceText),
	}
}

// Begin makes e the entry to encode; r is its certificate, parsed. All three are borrowed until the next Begin. Issuers may be
// nil: chains are empty then.
func (x *Encoder) Begin(e *engine.Entry, r *certificate.Record, issuers Issuers) {
	x.entry, x.record, x.issuers = e, r, issuers
	x.hasLeaf, x.hashed, x.hasSHA256 = false, false, false
	if cap(x.leaf) > keptBytes {
		x.leaf = nil
	}
}

// Append appends the entry's message of a kind. ok is false, and dst as it was, when there is nothing to send: a certificate
// without a DNS name on the domains-only stream.
func (x *Encoder) Append(dst []byte, k Kind) (_ []byte, ok bool) {
	if k == Domains {
		return x.appendDomains(dst)
	}
	x.share()
	dst = append(dst, x.leaf...)
	if k == Full {
		dst = appendDER(dst, x.entry.DER)
		dst = x.appendChain(append(dst, `},"chain":`...))
	} else {
		dst = append(dst, '}')
	}
	dst = append(dst, x.tail...)
	return x.appendCursor(dst), true
}

func (x *Encoder) appendDomains(dst []byte) ([]byte, bool) {
	names := x.record.Domains()
	if len(names) == 0 {
		return dst, false
	}
	dst = append(dst, `{"message_type":"dns_entries","data":`...)
	if x.hasLeaf {
		dst = append(dst, x.leaf[x.leafs.domainsStart:x.leafs.domainsEnd]...)
	} else {
		dst, _ = appendDomains(dst, names)
	}
	return x.appendCursor(dst), true
}

// SHA256 is the fingerprint of the entry's certificate, computed once per entry.
func (x *Encoder) SHA256() engine.Fingerprint {
	if !x.hasSHA256 {
		x.sums.sha256, x.hasSHA256 = sha256.Sum256(x.entry.DER), true
	}
	return x.sums.sha256
}

// hash computes both fingerprints, once per entry.
func (x *Encoder) hash() {
	if x.hashed {
		return
	}
	x.SHA256()
	x.sums.sha1, x.hashed = sha1.Sum(x.entry.DER), true
}

func (x *Encoder) appendCursor(dst []byte) []byte {
	dst = append(dst, x.cursor...)
	dst = strconv.AppendUint(dst, x.entry.Offset, 10)
	return append(dst, `"}`...)
}

// share makes the parts that Full and Lite have in common.
func (x *Encoder) share() {
	if x.hasLeaf {
		return
	}
	x.hasLeaf = true
	e := x.entry
	var sums *fingerprints
	if len(e.DER) > 0 {
		x.hash()
		sums = &x.sums
	}
	update := "X509LogEntry"
	if e.Type == engine.PrecertEntry {
		update = "PrecertLogEntry"
	}
	b := append(x.leaf[:0], `{"message_type":"certificate_update","data":{"update_type":"`...)
	b = append(b, update...)
	b = append(b, `","leaf_cert":{`...)
	poison := x.record.Poison || e.Type == engine.PrecertEntry
	x.leaf = x.leafs.appendFields(b, x.record, sums, poison, x.problem())
	x.tail = x.appendTail(x.tail[:0])
}

// problem is the text of parse_error.
func (x *Encoder) problem() string {
	e := x.entry
	text := e.Malformed
	if e.Type != engine.X509Entry && e.Type != engine.PrecertEntry && text == "" {
		text = fmt.Sprintf("entry: unknown type %d", e.Type)
	}
	if len(e.DER) == 0 {
		if text == "" {
			text = "entry: no certificate"
		}
	} else if p := x.record.ParseError(); text == "" {
		text = p
	} else if p != "" {
		text += "; " + p
	}
	return text[:min(len(text), maxProblem)]
}

// appendTail appends what follows leaf_cert and chain.
func (x *Encoder) appendTail(dst []byte) []byte {
	e := x.entry
	source := x.source(e.Source)
	dst = append(dst, `,"cert_index":`...)
	dst = strconv.AppendUint(dst, e.Index, 10)
	dst = append(dst, source.link...)
	dst = appendLinkEnd(dst, e)
	dst = append(dst, `","seen":`...)
	dst = appendSeconds(dst, uint64(max(e.Seen, 0)))
	dst = append(dst, `,"submission_timestamp":`...)
	start := len(dst)
	dst = appendSeconds(dst, e.Timestamp)
	end := len(dst)
	dst = append(dst, source.object...)
	dst = append(dst, dst[start:end]...)
	return append(dst, `}}`...)
}

func (x *Encoder) source(s *engine.Source) *sourceText {
	if text, ok := x.sources[s]; ok {
		return text
	}
	if len(x.sources) >= maxSources {
		clear(x.sources)
	}
	path := "/ct/v1/get-entries?start="
	if s.Protocol == engine.Tiled {
		path = "/tile/data/"
	}
	link := appendEscaped([]byte(`,"cert_link":"`), []byte(s.URL))
	object := appendText([]byte(`,"source":{"url":`), s.URL)
	object = appendText(append(object, `,"name":`...), s.Name)
	object = appendText(append(object, `,"operator":`...), s.Operator)
	object = appendText(append(object, `,"type":`...), string(s.Protocol))
	object = append(object, `,"log_id":"`...)
	object = base64.StdEncoding.AppendEncode(object, s.LogID[:])
	object = append(object, `","timestamp":`...)
	text := &sourceText{link: append(link, path...), object: object}
	x.sources[s] = text
	return text
}

// appendLinkEnd appends the part of cert_link that is the entry's own.
func appendLinkEnd(dst []byte, e *engine.Entry) []byte {
	if e.Source.Protocol == engine.Tiled {
		return appendTilePath(dst, e.Index/256)
	}
	dst = strconv.AppendUint(dst, e.Index, 10)
	dst = append(dst, "&end="...)
	return strconv.AppendUint(dst, e.Index, 10)
}

// appendTilePath appends a tile's number as paths have it: groups of three digits, all but the last with an x before them.
func appendTilePath(dst []byte, n uint64) []byte {
	if n >= 1000 {
		dst = appendTileParents(dst, n/1000)
	}
	n %= 1000
	return append(dst, '0'+byte(n/100), '0'+byte(n/10%10), '0'+byte(n%10))
}

func appendTileParents(dst []byte, n uint64) []byte {
	if n >= 1000 {
		dst = appendTileParents(dst, n/1000)
	}
	n %= 1000
	return append(dst, 'x', '0'+byte(n/100), '0'+byte(n/10%10), '0'+byte(n%10), '/')
}

// appendChain appends the chain's elements as far as the issuers are known.
func (x *Encoder) appendChain(dst []byte) []byte {
	dst = append(dst, '[')
	if x.issuers != nil {
		first := true
		for _, fp := range x.entry.Chain {
			element, ok := x.issuers.Chain(fp)
			if !ok {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			dst, first = append(dst, element...), false
		}
	}
	return append(dst, ']')
}

// AppendChainElement appends the element of `chain` for an issuing certificate: a leaf object with as_der.
func AppendChainElement(dst, der []byte) []byte {
	var r certificate.Record
	r.Parse(der)
	sums := fingerprints{sha1: sha1.Sum(der), sha256: sha256.Sum256(der)}
	var w leafWriter
	dst = w.appendFields(append(dst, '{'), &r, &sums, r.Poison, r.ParseError())
	return append(appendDER(dst, der), '}')
}
