// Package certificate reads what a message needs out of a certificate's DER: fast, without allocating, and tolerantly. A part
// that cannot be read is left out and noted; it hides no other part, and never a name.
package certificate

import (
	"bytes"
	"math"
)

// NoTime stands for a date that could not be read.
const NoTime = math.MinInt64

// Bounds of what one certificate may make us keep and write, far above what certificates have. What lies beyond is left out
// and noted. The DER itself is at most 16 MiB (RFC 6962 §3.1); as JSON, a control character takes six bytes.
const (
	maxNames      = 1 << 16 // names of subjectAltName
	maxNamesText  = 4 << 20 // bytes of all of them
	maxAttributes = 256     // attributes of a distinguished name that messages show
	maxListed     = 1024    // access descriptions, policies
	maxText       = 1 << 16 // bytes of a serial number, a key identifier, a distinguished name's or access description's values
	maxProblem    = 240     // bytes of the text that says what is wrong
	keptNames     = 8192    // room for names kept from one certificate to the next
)

// Record is a certificate as messages need it. Its slices borrow from the DER and from the Record itself: they are good until
// the next Parse, and as long as the DER is not modified. The zero value is ready for Parse. A Record is not safe for
// concurrent use by several goroutines while Parse runs.
type Record struct {
	// Serial holds the serial number's octets as they stand in the certificate: big-endian, two's complement; nil if unread.
	Serial []byte
	// SignatureAlgorithm is the text for messages, such as "sha256, rsa"; "unknown" for what the list has not.
	SignatureAlgorithm string
	// Issuer and Subject are the two distinguished names.
	Issuer, Subject Name
	// NotBefore and NotAfter are in s since 1970, or NoTime.
	NotBefore, NotAfter int64
	// IsCA is the cA field of the basic constraints; HasBasicConstraints says whether there are any.
	IsCA, HasBasicConstraints bool
	// KeyUsage and ExtKeyUsage are the two sets of usages, with whether the extension is there.
	KeyUsage       KeyUsage
	ExtKeyUsage    ExtKeyUsage
	HasKeyUsage    bool
	HasExtKeyUsage bool
	// SubjectKeyID and AuthorityKeyID are nil when there is none.
	SubjectKeyID, AuthorityKeyID []byte
	// AccessURIs are the URIs of the authority information access extension, in the certificate's order.
	AccessURIs [][]byte
	// Policies holds the policies' object identifiers, as their DER contents; AppendOID writes them.
	Policies [][]byte
	// Poison says that the certificate has the precertificate poison (RFC 6962 §3.1), SCTList that it has embedded SCTs.
	Poison, SCTList bool

	altNames [][]byte // contents of subjectAltName; a second one is an error, but its names count
	names    [][]byte // a free place, then the DNS names of altNames
	domains  [][]byte // part of names, without duplicates
	dedup    dedup
	text     []byte   // common names that had to be transcoded
	seen     extFlags // extensions met so far
	problem  []byte
	noted    [2]string // what was added to problem last
	clipped  bool
	empty    bool
	der      []byte
	tbs      tbsHasher
}

// Parse resets the record and fills it from a certificate's DER. It never fails: ParseError says what could not be read.
func (r *Record) Parse(der []byte) {
	r.reset()
	r.der, r.tbs.done = der, false
	r.parse(der)
	r.collectDomains()
}

func (r *Record) parse(der []byte) {
	tag, body, rest, whole, ok := open(der)
	if !ok || tag != tagSequence {
		r.empty = true
		r.note("certificate", "not DER")
		return
	}
	if !whole {
		r.noteCut("certificate")
	}
	if len(rest) > 0 {
		r.note("certificate", "data after its end")
	}
	tag, tbs, after, whole, ok := open(body)
	switch {
	case ok && (tag == tagContext0 || tag == tagInteger): // a version or serial number: the bare TBSCertificate
		r.note("certificate", "no signature")
		r.parseTBS(body)
	case !ok || tag != tagSequence:
		r.empty = true
		r.note("tbsCertificate", "not a sequence")
	case !whole:
		r.noteCut("tbsCertificate")
		r.parseTBS(tbs)
	default:
		r.parseOuter(after, r.parseTBS(tbs))
	}
}

// Unreadable says that nothing of the certificate could be read.
func (r *Record) Unreadable() bool { return r.empty }

// IsPrecert says that the certificate is a precertificate.
func (r *Record) IsPrecert() bool { return r.Poison }

// ParseError says which parts could not be read and why, in at most some hundred bytes of ASCII; it is empty when all were.
func (r *Record) ParseError() string { return string(r.problem) }

// Partial says that something could not be read.
func (r *Record) Partial() bool { return len(r.problem) > 0 }

func (r *Record) reset() {
	if cap(r.names) > keptNames {
		r.names, r.dedup = nil, dedup{}
	}
	r.Serial, r.SubjectKeyID, r.AuthorityKeyID = nil, nil, nil
	r.SignatureAlgorithm = unknownAlgorithm
	r.Issuer = Name{attributes: r.Issuer.attributes[:0]}
	r.Subject = Name{attributes: r.Subject.attributes[:0]}
	r.NotBefore, r.NotAfter = NoTime, NoTime
	r.IsCA, r.HasBasicConstraints, r.HasKeyUsage, r.HasExtKeyUsage = false, false, false, false
	r.Poison, r.SCTList, r.empty, r.clipped = false, false, false, false
	r.KeyUsage, r.ExtKeyUsage, r.seen = 0, 0, 0
	r.AccessURIs, r.Policies, r.altNames = r.AccessURIs[:0], r.Policies[:0], r.altNames[:0]
	r.names, r.domains = append(r.names[:0], nil), nil
	r.text, r.problem, r.noted = r.text[:0], r.problem[:0], [2]string{}
}

// note adds to the text of ParseError, within its bound.
func (r *Record) note(field, what string) {
	now := [2]string{field, what}
	if now == r.noted || len(r.problem)+len(field)+len(what)+4 > maxProblem {
		return
	}
	r.noted = now
	if len(r.problem) > 0 {
		r.problem = append(r.problem, "; "...)
	}
	r.problem = append(r.problem, field...)
	r.problem = append(r.problem, ": "...)
	r.problem = append(r.problem, what...)
}

// noteCut notes that an element claims to be longer than what there is. What is inside it then does so too: that is not worth
// a word.
func (r *Record) noteCut(field string) {
	if !r.clipped {
		r.clipped = true
		r.note(field, "cut short")
	}
}

// parseTBS reads the TBSCertificate (RFC 5280 §4.1) and returns the contents of its signature field.
func (r *Record) parseTBS(b []byte) (algorithm []byte) {
	if len(b) > 0 && b[0] == tagContext0 { // version
		if _, _, rest, ok := cut(b); ok {
			b = rest
		}
	}
	r.Serial, b = r.field(b, tagInteger, "serialNumber")
	if len(r.Serial) > maxText {
		r.Serial = nil
		r.note("serialNumber", "too long")
	}
	algorithm, b = r.field(b, tagSequence, "signature")
	if algorithm != nil {
		r.SignatureAlgorithm = signatureText(algorithm)
	}
	r.Issuer.raw, b = r.field(b, tagSequence, "issuer")
	r.parseName(&r.Issuer, "issuer")
	validity, b := r.field(b, tagSequence, "validity")
	r.parseValidity(validity)
	r.Subject.raw, b = r.field(b, tagSequence, "subject")
	r.parseName(&r.Subject, "subject")
	_, b = r.field(b, tagSequence, "subjectPublicKeyInfo")
	r.parseTail(b)
	return algorithm
}

// field takes the next element of the TBSCertificate. An element of another type still fills the place, so that what follows
// is found; the optional fields at the end do not.
func (r *Record) field(b []byte, want byte, name string) (body, rest []byte) {
	tag, body, rest, whole, ok := open(b)
	switch {
	case !ok:
		r.note(name, "missing")
		return nil, nil
	case tag == want && (whole || want == tagSequence):
		if !whole {
			r.noteCut(name)
		}
		return body, rest
	case tag >= tagContext1 && tag <= tagContext3 || tag == tagSequence:
		r.note(name, "missing")
		return nil, b
	}
	r.note(name, "of another type")
	return nil, rest
}

// parseTail reads what follows the public key: the unique identifiers, which no message shows, and the extensions.
func (r *Record) parseTail(b []byte) {
	for len(b) > 0 {
		tag, body, rest, whole, ok := open(b)
		if !ok {
			r.note("extensions", "not DER")
			return
		}
		if tag == tagContext3 {
			r.parseExtensions(body)
		}
		if !whole {
			r.noteCut("tbsCertificate")
		}
		b = rest
	}
}

// parseOuter checks what follows the TBSCertificate.
func (r *Record) parseOuter(b, inner []byte) {
	tag, outer, b, ok := cut(b)
	if !ok || tag != tagSequence {
		r.note("signatureAlgorithm", "missing")
		return
	}
	if inner == nil {
		r.SignatureAlgorithm = signatureText(outer)
	} else if !bytes.Equal(inner, outer) {
		r.note("signatureAlgorithm", "not the one that is signed")
	}
	if tag, _, _, ok = cut(b); !ok || tag != tagBitString {
		r.note("signatureValue", "missing")
	}
}
