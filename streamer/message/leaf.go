package message

import (
	"crypto/sha1" // the contract's fingerprint, not a security measure
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strconv"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
)

// fingerprints are the two hashes that messages show.
type fingerprints struct {
	sha1   [sha1.Size]byte
	sha256 [sha256.Size]byte
}

// leafWriter appends leaf objects. It keeps room for texts in between, and the texts of issuers.
type leafWriter struct {
	scratch []byte
	issuers map[string][]byte

	domainsStart, domainsEnd int // where the value of all_domains stands in what was written last
}

// Bounds of the texts of issuers' names kept: their number, of which some hundred matter, and the bytes of each.
const (
	maxIssuers    = 2048
	maxIssuerText = 2048
)

// appendFields appends a leaf object's fields, all but as_der, with no brace around them. No fingerprints means that there is
// no certificate.
func (w *leafWriter) appendFields(dst []byte, r *certificate.Record, sums *fingerprints, poison bool, problem string) []byte {
	dst = append(dst, `"subject":`...)
	dst = w.appendName(dst, &r.Subject)
	dst = append(dst, `,"issuer":`...)
	dst = w.appendIssuer(dst, &r.Issuer)
	dst = append(dst, `,"serial_number":`...)
	dst = appendSerial(dst, r.Serial)
	dst = append(dst, `,"not_before":`...)
	dst = appendTime(dst, r.NotBefore)
	dst = append(dst, `,"not_after":`...)
	dst = appendTime(dst, r.NotAfter)
	dst = appendFingerprints(dst, sums)
	dst = append(dst, `,"signature_algorithm":"`...)
	dst = append(dst, r.SignatureAlgorithm...)
	dst = append(dst, `","is_ca":`...)
	dst = strconv.AppendBool(dst, r.IsCA)
	dst = append(dst, `,"all_domains":`...)
	w.domainsStart = len(dst)
	dst, asIs := appendDomains(dst, r.Domains())
	w.domainsEnd = len(dst)
	dst = append(dst, `,"extensions":`...)
	dst = appendExtensions(dst, r, poison, asIs)
	if problem != "" {
		dst = append(dst, `,"parse_error":`...)
		dst = appendText(dst, problem)
	}
	return dst
}

// appendIssuer is appendName with the texts of issuers seen before at hand.
func (w *leafWriter) appendIssuer(dst []byte, n *certificate.Name) []byte {
	if text, ok := w.issuers[string(n.Raw())]; ok {
		return append(dst, text...)
	}
	start := len(dst)
	dst = w.appendName(dst, n)
	if len(n.Raw()) > maxIssuerText || len(dst)-start > maxIssuerText {
		return dst
	}
	if len(w.issuers) >= maxIssuers || w.issuers == nil {
		w.issuers = make(map[string][]byte)
	}
	w.issuers[string(n.Raw())] = append([]byte(nil), dst[start:]...)
	return dst
}

func (w *leafWriter) appendName(dst []byte, n *certificate.Name) []byte {
	sep := byte('{')
	for key := certificate.Country; key <= certificate.Province; key++ {
		dst = append(dst, sep)
		dst = w.appendAttribute(dst, n, key)
		sep = ','
	}
	dst = append(dst, `,"aggregated":`...)
	w.scratch = n.AppendAggregated(w.scratch[:0])
	dst = appendString(dst, w.scratch)
	dst = append(dst, ',')
	dst = w.appendAttribute(dst, n, certificate.EmailAddress)
	return append(dst, '}')
}

func (w *leafWriter) appendAttribute(dst []byte, n *certificate.Name, key certificate.Attribute) []byte {
	dst = append(dst, '"')
	dst = append(dst, key.String()...)
	dst = append(dst, `":`...)
	var ok bool
	if w.scratch, ok = n.AppendValue(w.scratch[:0], key); !ok {
		return append(dst, `null`...)
	}
	return appendString(dst, w.scratch)
}

// appendSerial appends upper hex of even length: without the octet that only keeps a positive number positive, and a negative
// number's octets as they stand.
func appendSerial(dst, serial []byte) []byte {
	if len(serial) == 0 {
		return append(dst, `null`...)
	}
	for len(serial) > 1 && serial[0] == 0 {
		serial = serial[1:]
	}
	dst = append(dst, '"')
	dst = appendHex(dst, serial, upperHex)
	return append(dst, '"')
}

func appendTime(dst []byte, at int64) []byte {
	if at == certificate.NoTime {
		return append(dst, `null`...)
	}
	return strconv.AppendInt(dst, at, 10)
}

func appendFingerprints(dst []byte, sums *fingerprints) []byte {
	if sums == nil {
		return append(dst, `,"fingerprint":null,"sha1":null,"sha256":null`...)
	}
	dst = append(dst, `,"fingerprint":"`...)
	start := len(dst)
	dst = appendColonHex(dst, sums.sha1[:], upperHex)
	end := len(dst)
	dst = append(dst, `","sha1":"`...)
	dst = append(dst, dst[start:end]...)
	dst = append(dst, `","sha256":"`...)
	dst = appendColonHex(dst, sums.sha256[:], upperHex)
	return append(dst, '"')
}

// appendDomains appends the array of names. asIs says that none needed an escape.
func appendDomains(dst []byte, names [][]byte) (_ []byte, asIs bool) {
	if len(names) == 0 {
		return append(dst, `[]`...), true
	}
	asIs = true
	sep := `["`
	for _, name := range names {
		dst = append(dst, sep...)
		start := len(dst)
		dst = appendEscaped(dst, name)
		asIs = asIs && len(dst)-start == len(name) // an escape is longer than what it stands for
		sep = `","`
	}
	return append(dst, `"]`...), asIs
}

// appendDER appends the as_der field.
func appendDER(dst, der []byte) []byte {
	if len(der) == 0 {
		return append(dst, `,"as_der":null`...)
	}
	dst = append(dst, `,"as_der":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, der)
	return append(dst, '"')
}

// appendExtensions appends the extensions object: the texts of those that are there. asIs says that no DNS name needs an escape.
func appendExtensions(dst []byte, r *certificate.Record, poison, asIs bool) []byte {
	start := len(dst)
	dst = appendAccess(dst, r.AccessURIs)
	if r.AuthorityKeyID != nil {
		dst = appendKeyID(append(dst, `,"authorityKeyIdentifier":"keyid:`...), r.AuthorityKeyID)
	}
	if r.HasBasicConstraints {
		if r.IsCA {
			dst = append(dst, `,"basicConstraints":"CA:TRUE"`...)
		} else {
			dst = append(dst, `,"basicConstraints":"CA:FALSE"`...)
		}
	}
	dst = appendPolicies(dst, r.Policies)
	if r.HasExtKeyUsage {
		dst = appendWords(append(dst, `,"extendedKeyUsage":"`...), uint(r.ExtKeyUsage), purposeWords[:])
	}
	if r.HasKeyUsage {
		dst = appendWords(append(dst, `,"keyUsage":"`...), uint(r.KeyUsage), usageWords[:])
	}
	dst = appendAltNames(dst, r, asIs)
	if r.SubjectKeyID != nil {
		dst = appendKeyID(append(dst, `,"subjectKeyIdentifier":"keyid:`...), r.SubjectKeyID)
	}
	if poison {
		dst = append(dst, `,"ctlPoisonByte":true`...)
	}
	if len(dst) == start {
		return append(dst, `{}`...)
	}
	dst[start] = '{' // in place of the first comma
	return append(dst, '}')
}

func appendKeyID(dst, id []byte) []byte {
	return append(appendColonHex(dst, id, lowerHex), '"')
}

func appendAccess(dst []byte, uris [][]byte) []byte {
	if len(uris) == 0 {
		return dst
	}
	dst = append(dst, `,"authorityInfoAccess":"`...)
	for i, uri := range uris {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, "URI:"...)
		dst = appendEscaped(dst, uri)
	}
	return append(dst, '"')
}

func appendPolicies(dst []byte, oids [][]byte) []byte {
	if len(oids) == 0 {
		return dst
	}
	dst = append(dst, `,"certificatePolicies":"`...)
	for _, oid := range oids {
		dst = append(dst, "Policy: "...)
		dst = certificate.AppendOID(dst, oid)
		dst = append(dst, `\n`...)
	}
	return append(dst, '"')
}

// The words for certificate.KeyUsage and certificate.ExtKeyUsage, by bit; purposes without a word are not shown.
var (
	usageWords = [...]string{"Digital Signature", "Content Commitment", "Key Encipherment", "Data Encipherment",
		"Key Agreement", "Certificate Signing", "CRL Signing", "Encipher Only", "Decipher Only"}
	purposeWords = [...]string{"serverAuth", "clientAuth", "codeSigning", "emailProtection", "timeStamping", "OCSPSigning",
		"anyExtendedKeyUsage"}
)

func appendWords(dst []byte, set uint, words []string) []byte {
	sep := ""
	for i, word := range words {
		if set&(1<<i) != 0 {
			dst = append(dst, sep...)
			dst = append(dst, word...)
			sep = ", "
		}
	}
	return append(dst, '"')
}

func appendAltNames(dst []byte, r *certificate.Record, asIs bool) []byte {
	start := len(dst)
	sep := `,"subjectAltName":"`
	for kind, value := range r.AltNames {
		dst = append(dst, sep...)
		sep = ", "
		switch kind {
		case certificate.DNSName:
			if dst = append(dst, "DNS:"...); asIs {
				dst = append(dst, value...)
			} else {
				dst = appendEscaped(dst, value)
			}
		case certificate.RFC822Name:
			dst = appendEscaped(append(dst, "email:"...), value)
		case certificate.IPAddress:
			ip, _ := netip.AddrFromSlice(value) // of 4 or 16 bytes
			dst = ip.AppendTo(append(dst, "IP Address:"...))
		}
	}
	if len(dst) == start {
		return dst
	}
	return append(dst, '"')
}
