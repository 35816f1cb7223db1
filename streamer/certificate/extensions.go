package certificate

import "strconv"

// KeyUsage is the set of RFC 5280 §4.2.1.3: bit i is the extension's bit i, as in crypto/x509.
type KeyUsage uint16

// The bits of KeyUsage.
const (
	DigitalSignature KeyUsage = 1 << iota
	ContentCommitment
	KeyEncipherment
	DataEncipherment
	KeyAgreement
	CertificateSigning
	CRLSigning
	EncipherOnly
	DecipherOnly
)

// ExtKeyUsage is the set of the known purposes of RFC 5280 §4.2.1.12.
type ExtKeyUsage uint8

// The purposes.
const (
	ServerAuth ExtKeyUsage = 1 << iota
	ClientAuth
	CodeSigning
	EmailProtection
	TimeStamping
	OCSPSigning
	AnyExtendedKeyUsage
	OtherPurpose
)

// Object identifiers, as DER contents.
const (
	oidAccess   = "\x2b\x06\x01\x05\x05\x07\x01\x01"         // 1.3.6.1.5.5.7.1.1
	oidPurposes = "\x2b\x06\x01\x05\x05\x07\x03"             // 1.3.6.1.5.5.7.3
	oidAnyUsage = "\x55\x1d\x25\x00"                         // 2.5.29.37.0
	oidPoison   = "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03" // 1.3.6.1.4.1.11129.2.4.3
	oidSCTList  = "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02" // 1.3.6.1.4.1.11129.2.4.2
)

// extFlags is a set of extensions that we know.
type extFlags uint16

const (
	extKeyUsage extFlags = 1 << iota
	extExtKeyUsage
	extBasicConstraints
	extSubjectKeyID
	extAuthorityKeyID
	extSubjectAltName
	extPolicies
	extAccess
	extPoison
	extSCTList
)

// extension describes how an extension is read. The parse method returns what is wrong with it, "" if nothing.
type extension struct {
	flag  extFlags
	name  string
	parse func(r *Record, value []byte) string
}

var (
	keyUsageExtension         = &extension{extKeyUsage, "keyUsage", (*Record).parseKeyUsage}
	extKeyUsageExtension      = &extension{extExtKeyUsage, "extendedKeyUsage", (*Record).parseExtKeyUsage}
	basicConstraintsExtension = &extension{extBasicConstraints, "basicConstraints", (*Record).parseBasicConstraints}
	subjectKeyIDExtension     = &extension{extSubjectKeyID, "subjectKeyIdentifier", (*Record).parseSubjectKeyID}
	authorityKeyIDExtension   = &extension{extAuthorityKeyID, "authorityKeyIdentifier", (*Record).parseAuthorityKeyID}
	subjectAltNameExtension   = &extension{extSubjectAltName, "subjectAltName", (*Record).parseSubjectAltName}
	policiesExtension         = &extension{extPolicies, "certificatePolicies", (*Record).parsePolicies}
	accessExtension           = &extension{extAccess, "authorityInfoAccess", (*Record).parseAccess}
	poisonExtension           = &extension{extPoison, "ctPoison", (*Record).parsePoison}
	sctListExtension          = &extension{extSCTList, "sctList", (*Record).parseSCTList}
)

// extensionOf finds the extension of an object identifier; nil for those that no message shows.
func extensionOf(oid []byte) *extension {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 0x1d { // id-ce, 2.5.29
		switch oid[2] {
		case 14:
			return subjectKeyIDExtension
		case 15:
			return keyUsageExtension
		case 17:
			return subjectAltNameExtension
		case 19:
			return basicConstraintsExtension
		case 32:
			return policiesExtension
		case 35:
			return authorityKeyIDExtension
		case 37:
			return extKeyUsageExtension
		}
		return nil
	}
	switch string(oid) {
	case oidAccess:
		return accessExtension
	case oidPoison:
		return poisonExtension
	case oidSCTList:
		return sctListExtension
	}
	return nil
}

// parseExtensions reads each extension on its own (RFC 5280 §4.1.2.9).
func (r *Record) parseExtensions(b []byte) {
	tag, list, _, whole, ok := open(b)
	if !ok || tag != tagSequence {
		r.note("extensions", "not a sequence")
		return
	}
	if !whole {
		r.noteCut("extensions")
	}
	for len(list) > 0 {
		if end := short(list); end > 2 && list[0] == tagSequence {
			r.parseExtension(list[2:end])
			list = list[end:]
			continue
		}
		var body []byte
		tag, body, list, whole, ok = open(list)
		if !ok || tag != tagSequence {
			r.note("extensions", "not a sequence of extensions")
			return
		}
		if !whole {
			r.noteCut("extensions")
		}
		r.parseExtension(body)
	}
}

func (r *Record) parseExtension(b []byte) {
	end := short(b)
	if end == 0 || b[0] != tagOID {
		r.note("extensions", "one without an identifier")
		return
	}
	x := extensionOf(b[2:end])
	if x == nil {
		return
	}
	b = b[end:]
	if end = short(b); end != 0 && b[0] == tagBoolean { // critical
		b = b[end:]
	}
	if end = short(b); end != 0 && b[0] == tagOctetString {
		r.parseKnown(x, b[2:end])
		return
	}
	tag, value, _, whole, ok := open(b)
	if !ok || tag != tagOctetString {
		r.note(x.name, "without a value")
		return
	}
	if !whole {
		r.noteCut(x.name)
	}
	r.parseKnown(x, value)
}

// parseKnown reads an extension's value.
func (r *Record) parseKnown(x *extension, value []byte) {
	if r.seen&x.flag != 0 {
		r.note(x.name, "more than once")
		if x.flag != extSubjectAltName { // of all others the first counts; names are never dropped
			return
		}
	}
	r.seen |= x.flag
	switch wrong := x.parse(r, value); wrong {
	case "":
	case cutShort:
		r.noteCut(x.name)
	default:
		r.note(x.name, wrong)
	}
}

func (r *Record) parseKeyUsage(b []byte) string {
	tag, bits, _, ok := cut(b)
	if !ok || tag != tagBitString || len(bits) == 0 || bits[0] > 7 {
		return "no bit string"
	}
	r.HasKeyUsage = true
	unused := int(bits[0])
	bits = bits[1:]
	for i := range min(9, len(bits)*8-unused) {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			r.KeyUsage |= 1 << i
		}
	}
	return ""
}

func (r *Record) parseExtKeyUsage(b []byte) string {
	list, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	r.HasExtKeyUsage = true
	wrong := wholeOr(whole)
	for len(list) > 0 {
		tag, oid, rest, ok := cut(list)
		if !ok {
			return cutShort
		}
		list = rest
		if tag != tagOID {
			wrong = "purpose is no object identifier"
			continue
		}
		r.ExtKeyUsage |= purpose(oid)
	}
	return wrong
}

func purpose(oid []byte) ExtKeyUsage {
	if len(oid) == 8 && string(oid[:7]) == oidPurposes {
		switch oid[7] {
		case 1:
			return ServerAuth
		case 2:
			return ClientAuth
		case 3:
			return CodeSigning
		case 4:
			return EmailProtection
		case 8:
			return TimeStamping
		case 9:
			return OCSPSigning
		}
	} else if string(oid) == oidAnyUsage {
		return AnyExtendedKeyUsage
	}
	return OtherPurpose
}

func (r *Record) parseBasicConstraints(b []byte) string {
	body, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	r.HasBasicConstraints = true
	if len(body) > 0 && body[0] == tagBoolean {
		_, value, _, ok := cut(body)
		if !ok || len(value) != 1 {
			return "no boolean"
		}
		r.IsCA = value[0] != 0
	}
	return wholeOr(whole)
}

func (r *Record) parseSubjectKeyID(b []byte) string {
	tag, id, _, ok := cut(b)
	if !ok || tag != tagOctetString || len(id) > maxText {
		return "no octet string, or too long"
	}
	r.SubjectKeyID = id
	return ""
}

func (r *Record) parseAuthorityKeyID(b []byte) string {
	body, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	if len(body) > 0 && body[0] == 0x80 { // keyIdentifier [0] IMPLICIT OCTET STRING
		_, id, _, ok := cut(body)
		if !ok || len(id) > maxText {
			return "key identifier cut short, or too long"
		}
		r.AuthorityKeyID = id
	}
	return wholeOr(whole)
}

func (r *Record) parsePolicies(b []byte) string {
	list, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	wrong := wholeOr(whole)
	for len(list) > 0 {
		tag, policy, rest, ok := cut(list)
		if !ok {
			return cutShort
		}
		list = rest
		tagOf, oid, _, ok := cut(policy)
		if tag != tagSequence || !ok || tagOf != tagOID || !validOID(oid) {
			wrong = "policy without an identifier"
			continue
		}
		if len(r.Policies) == maxListed {
			return "too many policies"
		}
		r.Policies = append(r.Policies, oid)
	}
	return wrong
}

func (r *Record) parseAccess(b []byte) string {
	list, whole, ok := sequence(b)
	if !ok {
		return "no sequence"
	}
	wrong, text := wholeOr(whole), 0
	for len(list) > 0 {
		tag, description, rest, ok := cut(list)
		if !ok {
			return cutShort
		}
		list = rest
		method, _, description, ok1 := cut(description)
		kind, location, _, ok2 := cut(description)
		if tag != tagSequence || !ok1 || method != tagOID || !ok2 {
			wrong = "description without method or location"
			continue
		}
		if kind != generalURI {
			continue
		}
		if text += len(location); len(r.AccessURIs) == maxListed || text > maxText {
			return "too many descriptions or too much text"
		}
		r.AccessURIs = append(r.AccessURIs, location)
	}
	return wrong
}

func (r *Record) parsePoison([]byte) string {
	r.Poison = true
	return ""
}

func (r *Record) parseSCTList([]byte) string {
	r.SCTList = true
	return ""
}

// cutShort is what parsers of extensions return for one that is not whole; wholeOr chooses it.
const cutShort = "cut short"

func wholeOr(whole bool) string {
	if whole {
		return ""
	}
	return cutShort
}

// validOID says whether the contents of an object identifier can be written: whole arcs of at most 63 bits, not too many.
func validOID(b []byte) bool {
	if len(b) > 1024 {
		return false
	}
	run := 0
	for _, c := range b {
		if run++; run > 9 {
			return false
		}
		if c < 0x80 {
			run = 0
		}
	}
	return len(b) > 0 && run == 0
}

// AppendOID appends the dotted form of an object identifier, given its DER contents (X.690 §8.19).
func AppendOID(dst, oid []byte) []byte {
	arc, first := uint64(0), true
	for _, c := range oid {
		arc = arc<<7 | uint64(c&0x7f)
		if c >= 0x80 {
			continue
		}
		if first {
			root := min(arc/40, 2)
			dst = append(dst, '0'+byte(root))
			arc -= root * 40
			first = false
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, arc, 10)
		arc = 0
	}
	return dst
}
