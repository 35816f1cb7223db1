package certificate

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Attribute names an attribute type of a distinguished name.
type Attribute uint8

// The attributes that messages show, in the order of their text form.
const (
	Country Attribute = iota
	CommonName
	Locality
	Organization
	OrganizationalUnit
	Province
	EmailAddress
	otherAttribute
)

var attributeKeys = [...]string{"C", "CN", "L", "O", "OU", "ST", "email_address"}

// String is the attribute's key in messages.
func (a Attribute) String() string { return attributeKeys[a] }

// oidEmailAddress is 1.2.840.113549.1.9.1 (RFC 2985 §5.2.1).
const oidEmailAddress = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"

// Name is a distinguished name (RFC 5280 §4.1.2.4).
type Name struct {
	raw        []byte
	attributes []attribute
	text       int // bytes of the values
}

// attribute is one value as it stands in the certificate.
type attribute struct {
	value []byte
	key   Attribute
	tag   byte
}

// Raw is the DER contents of the name's SEQUENCE. Equal bytes are equal names, which is what a cache of texts needs.
func (n *Name) Raw() []byte { return n.raw }

// Has says whether the name has a value of that attribute.
func (n *Name) Has(key Attribute) bool {
	for i := range n.attributes {
		if n.attributes[i].key == key {
			return true
		}
	}
	return false
}

// AppendValue appends the attribute's values as UTF-8, joined with commas, and says whether there were any.
func (n *Name) AppendValue(dst []byte, key Attribute) ([]byte, bool) {
	found := false
	for i := range n.attributes {
		a := &n.attributes[i]
		if a.key != key {
			continue
		}
		if found {
			dst = append(dst, ',')
		}
		dst, found = appendText(dst, a.tag, a.value), true
	}
	return dst, found
}

// AppendAggregated appends the name as `/C=…/CN=…/L=…/O=…/OU=…/ST=…`, of those attributes that are there.
func (n *Name) AppendAggregated(dst []byte) []byte {
	for key := Country; key <= Province; key++ {
		if !n.Has(key) {
			continue
		}
		dst = append(dst, '/')
		dst = append(dst, attributeKeys[key]...)
		dst = append(dst, '=')
		dst, _ = n.AppendValue(dst, key)
	}
	return dst
}

// AppendIssuerAggregated appends the issuer's name as messages show it.
func (r *Record) AppendIssuerAggregated(dst []byte) []byte { return r.Issuer.AppendAggregated(dst) }

// parseName fills n from n.raw: a sequence of sets of attributes.
func (r *Record) parseName(n *Name, field string) {
	for b := n.raw; len(b) > 0; {
		if end := plainAttribute(b); end != 0 {
			r.addAttribute(n, attributeOf(b[6:9]), b[9], b[11:end], field)
			b = b[end:]
			continue
		}
		tag, set, rest, whole, ok := open(b)
		if !ok || tag != tagSet {
			r.note(field, "not a sequence of sets")
			return
		}
		if !whole {
			r.noteCut(field)
		}
		for len(set) > 0 {
			var pair []byte
			if tag, pair, set, ok = cut(set); !ok || tag != tagSequence {
				r.note(field, "attribute is not a sequence")
				break
			}
			r.parseAttribute(n, pair, field)
		}
		b = rest
	}
}

func (r *Record) parseAttribute(n *Name, pair []byte, field string) {
	tag, oid, pair, ok := cut(pair)
	if !ok || tag != tagOID {
		r.note(field, "attribute without a type")
		return
	}
	tag, value, _, ok := cut(pair)
	if !ok {
		r.note(field, "attribute without a value")
		return
	}
	r.addAttribute(n, attributeOf(oid), tag, value, field)
}

// plainAttribute says where the set that b begins with ends, when it has the form of nearly all: one attribute, whose type has
// three octets, all lengths of one octet. Else 0.
func plainAttribute(b []byte) int {
	end := short(b)
	if end < 11 || b[0] != tagSet || b[2] != tagSequence || int(b[3]) != end-4 || b[4] != tagOID || b[5] != 3 ||
		b[9]&0x1f == 0x1f || int(b[10]) != end-11 {
		return 0
	}
	return end
}

// addAttribute keeps a value, if messages show its attribute.
func (r *Record) addAttribute(n *Name, key Attribute, tag byte, value []byte, field string) {
	if key == otherAttribute {
		return
	}
	if !isText(tag) {
		r.note(field, "value of "+attributeKeys[key]+" is no text")
		return
	}
	if len(n.attributes) == maxAttributes || len(value) > maxText-n.text {
		r.note(field, "too many attributes or too much text")
		return
	}
	n.text += len(value)
	n.attributes = append(n.attributes, attribute{value: value, key: key, tag: tag})
}

// attributeOf maps object identifiers under id-at (2.5.4), and e-mail.
func attributeOf(oid []byte) Attribute {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 0x04 {
		switch oid[2] {
		case 3:
			return CommonName
		case 6:
			return Country
		case 7:
			return Locality
		case 8:
			return Province
		case 10:
			return Organization
		case 11:
			return OrganizationalUnit
		}
	} else if string(oid) == oidEmailAddress {
		return EmailAddress
	}
	return otherAttribute
}

// isText says whether a value of that type is text that appendText reads.
func isText(tag byte) bool {
	return isByteText(tag) || tag == tagT61String || tag == tagBMPString || tag == tagUniversalString
}

// isByteText says whether a value of that type is ASCII or UTF-8 as it stands.
func isByteText(tag byte) bool {
	switch tag {
	case tagUTF8String, tagPrintableString, tagIA5String, tagNumericString, tagVisibleString, tagGeneralString, tagGraphicString:
		return true
	}
	return false
}

// appendText appends a string of any of ASN.1's types as UTF-8; what is not valid becomes U+FFFD.
func appendText(dst []byte, tag byte, value []byte) []byte {
	switch tag {
	case tagBMPString:
		return appendBMP(dst, value)
	case tagUniversalString:
		for ; len(value) >= 4; value = value[4:] {
			dst = utf8.AppendRune(dst, rune(uint32(value[0])<<24|uint32(value[1])<<16|uint32(value[2])<<8|uint32(value[3])))
		}
		return dst
	case tagT61String: // read as Latin-1, as all the world does
		for _, c := range value {
			dst = utf8.AppendRune(dst, rune(c))
		}
		return dst
	}
	return AppendValidUTF8(dst, value)
}

// appendBMP appends UTF-16, without a terminator that some issuers add.
func appendBMP(dst, value []byte) []byte {
	if n := len(value); n >= 2 && n%2 == 0 && value[n-1] == 0 && value[n-2] == 0 {
		value = value[:n-2]
	}
	for ; len(value) >= 2; value = value[2:] {
		c := rune(value[0])<<8 | rune(value[1])
		if utf16.IsSurrogate(c) && len(value) >= 4 {
			if pair := utf16.DecodeRune(c, rune(value[2])<<8|rune(value[3])); pair != utf8.RuneError {
				c, value = pair, value[2:]
			}
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// AppendValidUTF8 appends b, with each byte that is not part of valid UTF-8 replaced by U+FFFD.
func AppendValidUTF8(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		c, size := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, c)
		b = b[size:]
	}
	return dst
}
