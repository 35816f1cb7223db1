package certificate

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
)

// Tag octets of GeneralName (RFC 5280 §4.2.1.6).
const (
	generalOther     = 0xa0
	generalEmail     = 0x81
	generalDNS       = 0x82
	generalX400      = 0xa3
	generalDirectory = 0xa4
	generalEDI       = 0xa5
	generalURI       = 0x86
	generalIP        = 0x87
	generalOID       = 0x88
)

// NameKind is the kind of a GeneralName.
type NameKind uint8

// The kinds that messages show.
const (
	DNSName NameKind = iota
	RFC822Name
	IPAddress
	otherName   // legal, not shown
	illegalName // cannot be read
)

// kindOf tells the kind by a name's tag octet and contents.
func kindOf(tag byte, value []byte) NameKind {
	switch tag {
	case generalDNS:
		return DNSName
	case generalEmail:
		return RFC822Name
	case generalIP:
		if len(value) == 4 || len(value) == 16 {
			return IPAddress
		}
	case generalURI, generalOther, generalX400, generalDirectory, generalEDI, generalOID:
		return otherName
	}
	return illegalName
}

// Domains are the certificate's names as messages show them in all_domains: the common name first, when it is a name and not
// that of a CA, then the DNS names of subjectAltName in order, no duplicates. They may hold bytes that are not valid UTF-8.
func (r *Record) Domains() [][]byte { return r.domains }

// AltNames yields the names of subjectAltName of those kinds, in the certificate's order: text, or the 4 or 16 bytes of an
// address.
func (r *Record) AltNames(yield func(NameKind, []byte) bool) {
	names, text := 0, 0
	for _, list := range r.altNames {
		for len(list) > 0 {
			tag, value, rest, ok := cut(list)
			if !ok {
				break
			}
			list = rest
			kind := kindOf(tag, value)
			if kind >= otherName {
				continue
			}
			names, text = names+1, text+len(value)
			if names > maxNames || text > maxNamesText || !yield(kind, value) {
				return
			}
		}
	}
}

// parseSubjectAltName checks the names and collects those for Domains.
func (r *Record) parseSubjectAltName(b []byte) string {
	list, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	r.altNames = append(r.altNames, list)
	wrong, text := wholeOr(whole), 0
	for len(list) > 0 {
		var value []byte
		tag := list[0]
		if end := short(list); end != 0 {
			value, list = list[2:end], list[end:]
		} else if tag, value, list, ok = cut(list); !ok {
			return cutShort
		}
		if tag == generalDNS {
			if text += len(value); len(r.names) > maxNames || text > maxNamesText {
				return "too many names or too much text"
			}
			r.names = append(r.names, value)
		} else if kindOf(tag, value) == illegalName {
			wrong = "name of an unknown kind or length"
		}
	}
	return wrong
}

// collectDomains makes what Domains returns. The first place in r.names is free for the common name.
func (r *Record) collectDomains() {
	common := 0
	for i := range r.Subject.attributes {
		a := &r.Subject.attributes[i]
		if a.key != CommonName || r.IsCA {
			continue
		}
		name := r.commonName(a)
		if !isDomain(name) {
			continue
		}
		if common++; common == 1 {
			r.names[0] = name
		} else {
			r.names = slices.Insert(r.names, common-1, name)
		}
	}
	if common == 0 {
		r.domains = r.dedup.unique(r.names[1:])
		return
	}
	r.domains = r.dedup.unique(r.names)
}

// commonName gives an attribute's text without copying it in the normal case.
func (r *Record) commonName(a *attribute) []byte {
	if isByteText(a.tag) {
		return a.value
	}
	start := len(r.text)
	r.text = appendText(r.text, a.tag, a.value)
	return r.text[start:]
}

// isDomain says whether a common name counts as a DNS name: it has a dot, none of space / @ , : or quotes, and is no IP
// address. (Addresses of version 6 have colons.)
func isDomain(name []byte) bool {
	seen := byte(0)
	for _, c := range name {
		seen |= charClass[c]
	}
	switch seen & (charDot | charOther | charNone) {
	case charDot | charOther:
		return true
	case charDot:
		return !isIPv4(name)
	}
	return false
}

// Classes of characters in common names; digits have none.
const (
	charDot   = 1 << iota
	charOther // in names, not in addresses of version 4
	charNone  // not in names
)

var charClass = func() (class [256]byte) {
	for c := range class {
		switch {
		case c == '.':
			class[c] = charDot
		case strings.IndexByte(" \t\n\r/@,:\"'`", byte(c)) >= 0:
			class[c] = charNone
		case c < '0' || c > '9':
			class[c] = charOther
		}
	}
	return class
}()

// isIPv4 says whether a string of digits and dots is an address in dotted form.
func isIPv4(b []byte) bool {
	parts, value, digits := 1, 0, 0
	for _, c := range b {
		if c == '.' {
			if digits == 0 {
				return false
			}
			parts, value, digits = parts+1, 0, 0
			continue
		}
		if value, digits = value*10+int(c-'0'), digits+1; value > 255 {
			return false
		}
	}
	return parts == 4 && digits > 0
}

// Up to fewNames names are compared each with each, and up to someNames those whose sketches are equal: cheaper than a table.
const (
	fewNames  = 6
	someNames = 256
)

// dedup drops duplicates from lists of names. Its table is kept from one certificate to the next.
type dedup struct {
	seed   maphash.Seed
	seeded bool
	table  []uint32 // 1 + index of a name, 0 where free; twice as many as names, a power of two
}

// unique moves the first of equal names together, in order, and returns them. The time it takes is linear, whatever the names,
// since the hash of long lists is seeded.
func (d *dedup) unique(names [][]byte) [][]byte {
	switch {
	case len(names) <= fewNames:
		return uniqueOfFew(names)
	case len(names) <= someNames:
		return uniqueOfSome(names)
	}
	return d.uniqueOfMany(names)
}

func uniqueOfFew(names [][]byte) [][]byte {
	n := 0
	for i, name := range names {
		if contains(names[:n], name) {
			continue
		}
		if n != i {
			names[n] = name
		}
		n++
	}
	return names[:n]
}

func contains(names [][]byte, name []byte) bool {
	for _, other := range names {
		if bytes.Equal(other, name) {
			return true
		}
	}
	return false
}

// uniqueOfSome compares only names whose sketch another name has had.
func uniqueOfSome(names [][]byte) [][]byte {
	var had [sketches / 64]uint64
	n := 0
	for i, name := range names {
		s := sketch(name)
		if had[s/64]&(1<<(s%64)) != 0 && contains(names[:n], name) {
			continue
		}
		had[s/64] |= 1 << (s % 64)
		if n != i {
			names[n] = name
		}
		n++
	}
	return names[:n]
}

const sketches = 1 << 12

// sketch is a number below sketches that equal names share, made of their first and last bytes.
func sketch(name []byte) uint64 {
	const k1, k2 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f
	if n := len(name); n >= 8 {
		return (binary.LittleEndian.Uint64(name)*k1 ^ binary.LittleEndian.Uint64(name[n-8:])*k2 ^ uint64(n)*k1) >> (64 - 12)
	}
	h := uint64(len(name))
	for _, c := range name {
		h = (h ^ uint64(c)) * k1
	}
	return h >> (64 - 12)
}

func (d *dedup) uniqueOfMany(names [][]byte) [][]byte {
	table := d.cleared(len(names))
	mask := uint64(len(table) - 1)
	n := 0
next:
	for i, name := range names {
		slot := maphash.Bytes(d.seed, name) & mask
		for ; table[slot] != 0; slot = (slot + 1) & mask {
			if bytes.Equal(names[table[slot]-1], name) {
				continue next
			}
		}
		if n != i {
			names[n] = name
		}
		n++
		table[slot] = uint32(n)
	}
	return names[:n]
}

// cleared returns a free table for so many names.
func (d *dedup) cleared(names int) []uint32 {
	if !d.seeded {
		d.seed, d.seeded = maphash.MakeSeed(), true
	}
	size := 32
	for size < 2*names {
		size *= 2
	}
	if size > len(d.table) {
		d.table = make([]uint32, size)
		return d.table
	}
	table := d.table[:size]
	clear(table)
	return table
}
