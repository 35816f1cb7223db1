package certificate

import (
	"bytes"
	"hash/maphash"
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
)

// GeneralName is one of a certificate's alternative names.
type GeneralName struct {
	// Value is the name's octets: text, or 4 or 16 bytes of an IP address.
	Value []byte
	Kind  NameKind
}

// Domains are the certificate's names as messages show them in all_domains: the common name first, when it is a name and not
// that of a CA, then the DNS names of subjectAltName in order, no duplicates. They may hold bytes that are not valid UTF-8.
func (r *Record) Domains() [][]byte { return r.domains }

func (r *Record) parseSubjectAltName(b []byte) string {
	list, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	wrong := wholeOr(whole)
	for len(list) > 0 {
		tag, value, rest, ok := cut(list)
		if !ok {
			return "name cut short"
		}
		list = rest
		kind := DNSName
		switch tag {
		case generalDNS:
		case generalEmail:
			kind = RFC822Name
		case generalIP:
			kind = IPAddress
			if len(value) != 4 && len(value) != 16 {
				wrong = "IP address of a wrong length"
				continue
			}
		case generalURI, generalOther, generalX400, generalDirectory, generalEDI, generalOID:
			continue
		default:
			wrong = "name of an unknown kind"
			continue
		}
		if len(r.SubjectAltNames) == maxNames {
			return "more than 65536 names"
		}
		r.SubjectAltNames = append(r.SubjectAltNames, GeneralName{Value: value, Kind: kind})
	}
	return wrong
}

// collectDomains makes what Domains returns.
func (r *Record) collectDomains() {
	if !r.IsCA {
		for i := range r.Subject.attributes {
			a := &r.Subject.attributes[i]
			if a.key != CommonName {
				continue
			}
			if name := r.commonName(a); isDomain(name) {
				r.domains = append(r.domains, name)
			}
		}
	}
	for i := range r.SubjectAltNames {
		if n := &r.SubjectAltNames[i]; n.Kind == DNSName {
			r.domains = append(r.domains, n.Value)
		}
	}
	r.domains = r.dedup.unique(r.domains)
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
	dot, letters := false, false
	for _, c := range name {
		switch c {
		case '.':
			dot = true
		case ' ', '\t', '\n', '\r', '/', '@', ',', ':', '"', '\'', '`':
			return false
		default:
			letters = letters || c < '0' || c > '9'
		}
	}
	return dot && (letters || !isIPv4(name))
}

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

// fewNames is up to how many names are compared each with each, which then is cheaper than a table.
const fewNames = 8

// dedup drops duplicates from lists of names. Its table is kept from one certificate to the next.
type dedup struct {
	seed   maphash.Seed
	seeded bool
	table  []uint32 // 1 + index of a name, 0 where free; twice as many as names, a power of two
}

// unique moves the first of equal names together, in order, and returns them. The time it takes is linear, whatever the names,
// since the hash is seeded.
func (d *dedup) unique(names [][]byte) [][]byte {
	if len(names) > fewNames {
		return d.uniqueOfMany(names)
	}
	n := 0
next:
	for _, name := range names {
		for _, before := range names[:n] {
			if bytes.Equal(before, name) {
				continue next
			}
		}
		names[n] = name
		n++
	}
	return names[:n]
}

func (d *dedup) uniqueOfMany(names [][]byte) [][]byte {
	table := d.cleared(len(names))
	mask := uint64(len(table) - 1)
	n := 0
next:
	for _, name := range names {
		slot := maphash.Bytes(d.seed, name) & mask
		for ; table[slot] != 0; slot = (slot + 1) & mask {
			if bytes.Equal(names[table[slot]-1], name) {
				continue next
			}
		}
		names[n] = name
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
