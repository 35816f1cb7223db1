package certificate

import (
	"crypto/sha256"
	"hash"
)

// tbsHasher computes identities of certificates, with its memory used again from one to the next.
type tbsHasher struct {
	hash   hash.Hash
	parts  tbsParts // here, not on the stack, because hashing borrows from it
	header [8]byte
	sum    [sha256.Size]byte
	done   bool
}

// TBSID is the certificate's identity, which all copies of it share: the SHA-256 of its TBSCertificate in DER without the
// precertificate poison and the list of SCTs. So a precertificate, its final certificate, and the TBSCertificate that logs keep
// of it (RFC 6962 §3.2), parsed by itself, have the same. What is not a certificate, or not whole, is its own identity: the
// SHA-256 of its bytes.
//
// signer is not nil for a precertificate that a dedicated certificate has signed: what its final certificate takes from the
// issuer proper is then taken from there. The first call after Parse computes, later ones return the same.
func (r *Record) TBSID(signer *PrecertSigner) [sha256.Size]byte {
	h := &r.tbs
	if h.done {
		return h.sum
	}
	if h.hash == nil {
		h.hash = sha256.New()
	}
	h.hash.Reset()
	h.parts = tbsParts{}
	if h.parts.split(r.der) {
		if h.parts.signer = signer; signer != nil {
			h.parts.issuer = signer.issuer
		}
		h.write(&h.parts)
	} else {
		h.hash.Write(r.der)
	}
	h.hash.Sum(h.sum[:0])
	h.done = true
	return h.sum
}

// write hashes the DER of a TBSCertificate made of parts.
func (h *tbsHasher) write(p *tbsParts) {
	list := 0
	for rest := p.extensions; len(rest) > 0; {
		var pieces [3][]byte
		pieces, rest = p.extension(rest)
		list += len(pieces[0]) + len(pieces[1]) + len(pieces[2])
	}
	body := len(p.before) + len(p.issuer) + len(p.after)
	wrapped := headerSize(list) + list
	if list > 0 { // where none is left there is no field for them (RFC 5280 §4.1)
		body += headerSize(wrapped) + wrapped
	}
	h.writeHeader(tagSequence, body)
	h.hash.Write(p.before)
	h.hash.Write(p.issuer)
	h.hash.Write(p.after)
	if list > 0 {
		h.writeHeader(tagContext3, wrapped)
		h.writeHeader(tagSequence, list)
		h.writeExtensions(p)
	}
}

// writeExtensions hashes those that stay, as many as lie together at a time.
func (h *tbsHasher) writeExtensions(p *tbsParts) {
	from := p.extensions
	for at := from; len(at) > 0; {
		pieces, rest := p.extension(at)
		if len(pieces[0]) != len(at)-len(rest) { // left out, or another in its place
			h.hash.Write(from[:len(from)-len(at)])
			for _, piece := range pieces {
				h.hash.Write(piece)
			}
			from = rest
		}
		at = rest
	}
	h.hash.Write(from)
}

func (h *tbsHasher) writeHeader(tag byte, size int) {
	h.hash.Write(appendHeader(h.header[:0], tag, size))
}

// headerSize is the length of a DER header for contents of this size, appendHeader writes one (X.690 §10.1).
func headerSize(size int) int {
	n := 2
	if size >= 0x80 {
		for ; size > 0; size >>= 8 {
			n++
		}
	}
	return n
}

func appendHeader(dst []byte, tag byte, size int) []byte {
	n := headerSize(size) - 2
	if n == 0 {
		return append(dst, tag, byte(size))
	}
	dst = append(dst, tag, 0x80|byte(n))
	for n--; n >= 0; n-- {
		dst = append(dst, byte(size>>(8*n)))
	}
	return dst
}

// tbsParts is a TBSCertificate in the pieces that its identity is made of.
type tbsParts struct {
	before, issuer, after []byte // whole elements, up to the extensions
	extensions            []byte // the Extension elements
	signer                *PrecertSigner
	header                [8]byte // of an extension with another value
}

// split takes a certificate, or a bare TBSCertificate, apart. It returns false when that cannot be done without a doubt.
func (p *tbsParts) split(der []byte) bool {
	tag, body, rest, ok := cut(der)
	if !ok || tag != tagSequence || len(rest) > 0 {
		return false
	}
	if tag, tbs, _, ok := cut(body); ok && tag == tagSequence {
		body = tbs
	}
	start := body
	if len(body) > 0 && body[0] == tagContext0 {
		body = skip(body)
	}
	body = skip(skip(body)) // serial number, algorithm
	p.before = start[:len(start)-len(body)]
	after := skip(body)
	p.issuer = body[:len(body)-len(after)]
	body = skip(skip(skip(after))) // validity, subject, key
	if len(p.issuer) == 0 || body == nil {
		return false
	}
	for len(body) > 0 && body[0] != tagContext3 {
		if body = skip(body); body == nil {
			return false
		}
	}
	p.after = after[:len(after)-len(body)]
	return len(body) == 0 || p.splitExtensions(body)
}

// skip returns what follows the first element, nil when there is no whole one: not the same as nothing.
func skip(b []byte) []byte {
	if _, _, rest, ok := cut(b); ok {
		return rest
	}
	return nil
}

// splitExtensions looks at the field of extensions, which must be the last.
func (p *tbsParts) splitExtensions(b []byte) bool {
	_, wrapped, rest, ok := cut(b)
	if !ok || len(rest) > 0 {
		return false
	}
	tag, list, rest, ok := cut(wrapped)
	if !ok || tag != tagSequence || len(rest) > 0 {
		return false
	}
	p.extensions = list
	for len(list) > 0 {
		if list = skip(list); list == nil {
			return false
		}
	}
	return true
}

// extension takes the first extension off a list and says what stands in its place: itself, in one piece, for nearly all.
func (p *tbsParts) extension(list []byte) (pieces [3][]byte, rest []byte) {
	_, body, rest, _ := cut(list) // split has made sure
	pieces[0] = list[:len(list)-len(rest)]
	tag, oid, value, ok := cut(body)
	if !ok || tag != tagOID {
		return pieces, rest
	}
	switch {
	case string(oid) == oidPoison || string(oid) == oidSCTList:
		pieces[0] = nil
	case p.signer != nil && string(oid) == oidAuthorityKeyID:
		pieces = p.swapKeyID(body, value)
	}
	return pieces, rest
}

// swapKeyID puts the signer's key identifier into an extension, whose value follows an optional critical flag.
func (p *tbsParts) swapKeyID(body, value []byte) (pieces [3][]byte) {
	if p.signer.keyID == nil {
		return pieces
	}
	if len(value) > 0 && value[0] == tagBoolean {
		value = skip(value)
	}
	front := body[:len(body)-len(value)]
	pieces[0] = appendHeader(p.header[:0], tagSequence, len(front)+len(p.signer.keyID))
	pieces[1], pieces[2] = front, p.signer.keyID
	return pieces
}

// Object identifiers, as DER contents.
const (
	oidAuthorityKeyID = "\x55\x1d\x23"                             // 2.5.29.35
	oidExtKeyUsage    = "\x55\x1d\x25"                             // 2.5.29.37
	oidPrecertSigning = "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x04" // 1.3.6.1.4.1.11129.2.4.4
)

// PrecertSigner is what a precertificate's final certificate takes from its issuer proper, where a dedicated certificate has
// signed the precertificate (RFC 6962 §3.1): the issuer's name and key identifier, as that certificate has them. It borrows from
// that certificate's DER.
type PrecertSigner struct {
	issuer []byte // the element
	keyID  []byte // the extension's OCTET STRING element; nil without one
}

// NewPrecertSigner looks at the certificate that has signed a precertificate, and returns nil unless it is a dedicated one.
func NewPrecertSigner(der []byte) *PrecertSigner {
	var parts tbsParts
	if !parts.split(der) {
		return nil
	}
	signer, dedicated := &PrecertSigner{issuer: parts.issuer}, false
	for list := parts.extensions; len(list) > 0; {
		_, body, rest, _ := cut(list)
		list = rest
		_, oid, value, _ := cut(body)
		if len(value) > 0 && value[0] == tagBoolean {
			value = skip(value)
		}
		switch string(oid) {
		case oidAuthorityKeyID:
			signer.keyID = value
		case oidExtKeyUsage:
			dedicated = dedicated || holdsPurpose(value, oidPrecertSigning)
		}
	}
	if !dedicated {
		return nil
	}
	return signer
}

// holdsPurpose looks for a purpose in an extended key usage's OCTET STRING.
func holdsPurpose(value []byte, purpose string) bool {
	_, octets, _, _ := cut(value)
	_, list, _, _ := cut(octets)
	for len(list) > 0 {
		_, oid, rest, ok := cut(list)
		if !ok {
			return false
		}
		if string(oid) == purpose {
			return true
		}
		list = rest
	}
	return false
}
