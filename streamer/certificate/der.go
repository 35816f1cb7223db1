package certificate

// Tag octets of the DER elements that certificates are made of (X.690 §8.1.2; RFC 5280 §4.1).
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagNumericString   = 0x12
	tagPrintableString = 0x13
	tagT61String       = 0x14
	tagIA5String       = 0x16
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagGraphicString   = 0x19
	tagVisibleString   = 0x1a
	tagGeneralString   = 0x1b
	tagUniversalString = 0x1c
	tagBMPString       = 0x1e
	tagSequence        = 0x30
	tagSet             = 0x31
	tagContext0        = 0xa0
	tagContext1        = 0xa1
	tagContext2        = 0xa2
	tagContext3        = 0xa3
)

// header reads an element's tag octet and length, and says where its contents begin. It takes lengths that are longer than
// DER allows, since what they frame can be read; indefinite lengths and tags of several octets are refused.
func header(b []byte) (tag byte, start, size int, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, 0, 0, false
	}
	if b[1] < 0x80 {
		return b[0], 2, int(b[1]), true
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 4 || len(b) < 2+n {
		return 0, 0, 0, false
	}
	for _, c := range b[2 : 2+n] {
		size = size<<8 | int(c)
	}
	return b[0], 2 + n, size, size >= 0 // less where an int has 32 bits
}

// short says where the element that b begins with ends, when its length has one octet and all of it is there; else 0. Nearly all
// elements are such, and this is inlined.
func short(b []byte) int {
	if len(b) < 2 || int(b[1]) > min(len(b)-2, 0x7f) {
		return 0
	}
	return 2 + int(b[1])
}

// cut splits b after its first element. ok is false when there is no whole element.
func cut(b []byte) (tag byte, body, rest []byte, ok bool) {
	if end := short(b); end != 0 {
		return b[0], b[2:end], b[end:], b[0]&0x1f != 0x1f
	}
	tag, start, size, ok := header(b)
	if !ok || size > len(b)-start {
		return 0, nil, b, false
	}
	return tag, b[start : start+size], b[start+size:], true
}

// open is cut for elements that hold others: one that claims to be longer than what there is gets what there is, so that a
// certificate cut short still shows what came before. whole is false then.
func open(b []byte) (tag byte, body, rest []byte, whole, ok bool) {
	if end := short(b); end != 0 {
		return b[0], b[2:end], b[end:], true, b[0]&0x1f != 0x1f
	}
	tag, start, size, ok := header(b)
	if !ok {
		return 0, nil, b, false, false
	}
	if size > len(b)-start {
		return tag, b[start:], nil, false, true
	}
	return tag, b[start : start+size], b[start+size:], true, true
}

// sequence gives the contents of the SEQUENCE that b begins with. ok is false when it is none, whole is false when there is
// less of it than it claims.
func sequence(b []byte) (body []byte, whole, ok bool) {
	if end := short(b); end != 0 {
		return b[2:end], true, b[0] == tagSequence
	}
	tag, body, _, whole, ok := open(b)
	return body, whole, ok && tag == tagSequence
}
