package message

import (
	"bytes"
	"crypto/sha1" // the contract's fingerprint
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// object is a decoded message or a part of one.
type object = map[string]any

// at follows a path of keys separated by dots.
func at(t *testing.T, o any, path string) any {
	t.Helper()
	for _, key := range strings.Split(path, ".") {
		m, ok := o.(object)
		if !ok {
			t.Fatalf("%s: %v is no object", path, o)
		}
		if o, ok = m[key]; !ok {
			t.Fatalf("%s: no %q in %v", path, key, m)
		}
	}
	return o
}

// fataler is a *testing.T or *rapid.T.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func decode(t fataler, text []byte) object {
	var o object
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if d.More() || bytes.ContainsAny(text, "\r\n") {
		t.Fatalf("more than one object or line: %s", text)
	}
	return o
}

// testEntry is an entry of an RFC 6962 log.
func testEntry(der []byte) *engine.Entry {
	return &engine.Entry{Offset: 4711, Source: testSource(engine.RFC6962), Index: 1234067, Timestamp: 1779302890213,
		Seen: 1795209880358, DER: der}
}

// encode makes an entry's message of a kind.
func encode(t *testing.T, e *engine.Entry, k Kind, issuers Issuers) object {
	t.Helper()
	var r certificate.Record
	r.Parse(e.DER)
	x := NewEncoder("1x9k2")
	x.Begin(e, &r, issuers)
	text, ok := x.Append([]byte("before"), k)
	if !ok {
		t.Fatalf("no %s message", k)
	}
	return decode(t, bytes.TrimPrefix(text, []byte("before")))
}

// check compares values at paths with what they should be.
func check(t *testing.T, o object, want object) {
	t.Helper()
	for path, value := range want {
		got := at(t, o, path)
		if n, ok := got.(json.Number); ok {
			got = n.String()
		}
		if diff := cmp.Diff(value, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// absent fails for keys that are there.
func absent(t *testing.T, o any, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if value, ok := o.(object)[key]; ok {
			t.Errorf("%s is there: %v", key, value)
		}
	}
}

func TestEnvelope(t *testing.T) {
	e := testEntry(certtest.NewParts().DER())
	for _, k := range []Kind{Full, Lite} {
		check(t, encode(t, e, k, nil), object{"message_type": "certificate_update", "cursor": "1x9k2-4711"})
	}
	got := encode(t, e, Domains, nil)
	want := object{"message_type": "dns_entries", "data": []any{"www.example.com", "example.com"}, "cursor": "1x9k2-4711"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("domains-only (-want +got):\n%s", diff)
	}
}

func TestDomainsSkipsNameless(t *testing.T) {
	p := certtest.NewParts()
	p.Subject, p.Extensions = certtest.Name(), nil
	e := testEntry(p.DER())
	var r certificate.Record
	r.Parse(e.DER)
	x := NewEncoder("e")
	x.Begin(e, &r, nil)
	if got, ok := x.Append([]byte("kept"), Domains); ok || string(got) != "kept" {
		t.Errorf("got %q %v, want nothing to send", got, ok)
	}
	if x.hashed || x.hasSHA256 {
		t.Error("domains-only needs no hash")
	}
	check(t, encode(t, e, Lite, nil), object{"data.leaf_cert.all_domains": []any{}})
}

func TestData(t *testing.T) {
	e := testEntry(certtest.NewParts().DER())
	check(t, encode(t, e, Lite, nil), object{
		"data.update_type": "X509LogEntry", "data.cert_index": "1234067", "data.seen": "1795209880.358",
		"data.submission_timestamp": "1779302890.213", "data.source.timestamp": "1779302890.213",
		"data.source.url": "https://log.example.com/2026h1", "data.source.name": "Test log '2026h1'",
		"data.source.operator": "Tests", "data.source.type": "rfc6962",
		"data.source.log_id": base64.StdEncoding.EncodeToString(e.Source.LogID[:]),
		"data.cert_link":     "https://log.example.com/2026h1/ct/v1/get-entries?start=1234067&end=1234067",
	})
	e.Type, e.Source = engine.PrecertEntry, testSource(engine.Tiled)
	check(t, encode(t, e, Lite, nil), object{
		"data.update_type": "PrecertLogEntry", "data.source.type": "tiled",
		"data.cert_link": "https://log.example.com/2026h1/tile/data/x004/820",
	})
}

// TestTimesPassThrough has times that no log should state.
func TestTimesPassThrough(t *testing.T) {
	e := testEntry(nil)
	e.Timestamp, e.Seen = 1<<64-1, -1
	check(t, encode(t, e, Lite, nil), object{"data.submission_timestamp": "18446744073709551.615", "data.seen": "0.000"})
	e.Timestamp, e.Seen = 0, 7
	check(t, encode(t, e, Lite, nil), object{"data.submission_timestamp": "0.000", "data.seen": "0.007"})
}

func TestTilePaths(t *testing.T) {
	for tile, want := range map[uint64]string{0: "000", 7: "007", 999: "999", 1000: "x001/000", 1234067: "x001/x234/067",
		1_000_000_000: "x001/x000/x000/000"} {
		if got := string(appendTilePath(nil, tile)); got != want {
			t.Errorf("tile %d: got %s, want %s", tile, got, want)
		}
	}
}

// TestLiteIsFullWithoutDER has "lite = full minus chain and minus leaf_cert.as_der".
func TestLiteIsFullWithoutDER(t *testing.T) {
	e := testEntry(certtest.NewParts().DER())
	full, lite := encode(t, e, Full, nil), encode(t, e, Lite, nil)
	absent(t, lite["data"], "chain")
	absent(t, at(t, lite, "data.leaf_cert"), "as_der")
	delete(full["data"].(object), "chain")
	delete(at(t, full, "data.leaf_cert").(object), "as_der")
	if diff := cmp.Diff(full, lite); diff != "" {
		t.Errorf("-full +lite:\n%s", diff)
	}
}

// chainOf knows the issuers that it holds.
type chainOf map[engine.Fingerprint][]byte

func (c chainOf) Chain(fp engine.Fingerprint) ([]byte, bool) {
	element, ok := c[fp]
	return element, ok
}

func TestChain(t *testing.T) {
	issuers := chainOf{}
	e := testEntry(exampleLeaf)
	for _, der := range [][]byte{exampleIssuer, exampleRoot} {
		fp := engine.Fingerprint(sha256.Sum256(der))
		issuers[fp] = AppendChainElement(nil, der)
		e.Chain = append(e.Chain, fp)
	}
	chain := at(t, encode(t, e, Full, issuers), "data.chain").([]any)
	if len(chain) != 2 {
		t.Fatalf("%d elements", len(chain))
	}
	check(t, chain[0].(object), object{
		"subject.CN": "GlobalSign Extended Validation CA - G2", "issuer.CN": "GlobalSign", "is_ca": true, "all_domains": []any{},
		"as_der": base64.StdEncoding.EncodeToString(exampleIssuer), "extensions.basicConstraints": "CA:TRUE",
	})
	delete(issuers, e.Chain[0])
	chain = at(t, encode(t, e, Full, issuers), "data.chain").([]any)
	if len(chain) != 1 || chain[0].(object)["as_der"] != base64.StdEncoding.EncodeToString(exampleRoot) {
		t.Errorf("with the first issuer unknown: %v", chain)
	}
	for name, issuers := range map[string]Issuers{"no issuers": nil, "none known": chainOf{}} {
		if chain := at(t, encode(t, e, Full, issuers), "data.chain"); cmp.Diff([]any{}, chain) != "" {
			t.Errorf("%s: chain %v, want []", name, chain)
		}
	}
}

func TestLeaf(t *testing.T) {
	p := certtest.NewParts()
	p.Subject = certtest.Name(certtest.Attribute(certtest.OrgUnit, certtest.UTF8, "one"),
		certtest.Attribute(certtest.Email, certtest.IA5, "a@b.c"), certtest.Attribute(certtest.OrgUnit, certtest.UTF8, "two"),
		certtest.Attribute(certtest.Province, certtest.UTF8, "W"))
	der := p.DER()
	one, two := sha1.Sum(der), sha256.Sum256(der)
	leaf := at(t, encode(t, testEntry(der), Full, nil), "data.leaf_cert").(object)
	check(t, leaf, object{
		"subject": object{"C": nil, "CN": nil, "L": nil, "O": nil, "OU": "one,two", "ST": "W", "aggregated": "/OU=one,two/ST=W",
			"email_address": "a@b.c"},
		"issuer": object{"C": "AT", "CN": "Test CA 1", "L": nil, "O": "Tests", "OU": nil, "ST": nil,
			"aggregated": "/C=AT/CN=Test CA 1/O=Tests", "email_address": nil},
		"serial_number": "C0FFEE", "not_before": "1735787045", "not_after": "2682471845",
		"fingerprint": colons(one[:]), "sha1": colons(one[:]), "sha256": colons(two[:]), "signature_algorithm": "sha256, rsa",
		"is_ca": false, "all_domains": []any{"www.example.com", "example.com"}, "as_der": base64.StdEncoding.EncodeToString(der),
		"extensions": object{"subjectAltName": "DNS:www.example.com, DNS:example.com"},
	})
	absent(t, leaf, "parse_error")
}

// colons is upper hex with colons, in the plainest way.
func colons(b []byte) string {
	var parts []string
	for i := range b {
		parts = append(parts, strings.ToUpper(hex.EncodeToString(b[i:i+1])))
	}
	return strings.Join(parts, ":")
}

func TestEmptySubject(t *testing.T) {
	p := certtest.NewParts()
	p.Subject = certtest.Name()
	check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.subject.aggregated": "",
		"data.leaf_cert.subject.CN": nil})
}

func TestSerialNumbers(t *testing.T) {
	for der, want := range map[string]any{
		"\x00\xc4\xe1": "C4E1", "\x0b": "0B", "\x00": "00", "\x00\x00\x01": "01", "\xff\x01": "FF01", "\x80": "80", "": nil,
	} {
		p := certtest.NewParts()
		p.Serial = certtest.TLV(certtest.Integer, []byte(der))
		check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.serial_number": want})
	}
}

// TestExtensionTexts has the formats of the contract's table 2d.
func TestExtensionTexts(t *testing.T) {
	tlv := certtest.TLV
	seq := func(parts ...[]byte) []byte { return tlv(certtest.Sequence, parts...) }
	oid := func(b string) []byte { return tlv(certtest.OID, []byte(b)) }
	purpose := func(n byte) []byte { return oid("\x2b\x06\x01\x05\x05\x07\x03" + string(n)) }
	p := certtest.NewParts()
	p.Extensions = [][]byte{
		certtest.Extension(certtest.AccessInfo, seq(seq(oid("\x2b\x06\x01\x05\x05\x07\x30\x01"), tlv(0x86, []byte("http://ocsp"))),
			seq(oid("\x2b\x06\x01\x05\x05\x07\x30\x02"), tlv(0x86, []byte("http://ca"))))),
		certtest.Extension(certtest.AuthorityKeyID, seq(tlv(0x80, []byte{0xaa, 0xbb}))),
		certtest.Extension(certtest.SubjectKeyID, tlv(certtest.OctetString, []byte{0x0c, 0xdd})),
		certtest.Extension(certtest.BasicConstraints, seq()),
		certtest.Extension(certtest.Policies, seq(seq(oid("\x67\x81\x0c\x01\x02\x01")), seq(oid("\x2a\x03")))),
		certtest.Extension(certtest.ExtKeyUsage, seq(oid("\x55\x1d\x25\x00"), purpose(9), purpose(8), purpose(4), purpose(3),
			purpose(2), purpose(1))),
		certtest.Extension(certtest.KeyUsage, tlv(certtest.BitString, []byte{7, 0xff, 0x80})),
		certtest.Extension(certtest.SubjectAltName, seq(tlv(0x87, []byte{192, 0, 2, 1}), tlv(certtest.DNS, []byte("a.b")),
			tlv(0x86, []byte("https://uri")), tlv(0x81, []byte("a@b")), tlv(0x87, append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte,
				12)...)))),
		certtest.Extension(certtest.Poison, tlv(5)),
		certtest.Extension(certtest.SCTList, tlv(certtest.OctetString)),
	}
	want := object{
		"authorityInfoAccess":    "URI:http://ocsp, URI:http://ca",
		"authorityKeyIdentifier": "keyid:aa:bb",
		"subjectKeyIdentifier":   "keyid:0c:dd",
		"basicConstraints":       "CA:FALSE",
		"certificatePolicies":    "Policy: 2.23.140.1.2.1\nPolicy: 1.2.3\n",
		"extendedKeyUsage": "serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, " +
			"anyExtendedKeyUsage",
		"keyUsage": "Digital Signature, Content Commitment, Key Encipherment, Data Encipherment, Key Agreement, " +
			"Certificate Signing, CRL Signing, Encipher Only, Decipher Only",
		"subjectAltName": "IP Address:192.0.2.1, DNS:a.b, email:a@b, IP Address:2001:db8::",
		"ctlPoisonByte":  true,
	}
	check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.extensions": want})
}

// TestAbsentExtensions has no extension, and ones with nothing to show.
func TestAbsentExtensions(t *testing.T) {
	p := certtest.NewParts()
	p.Extensions = nil
	check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.extensions": object{}})
	empty := certtest.TLV(certtest.Sequence)
	for _, oid := range [][]byte{certtest.AccessInfo, certtest.Policies, certtest.SubjectAltName, certtest.AuthorityKeyID} {
		p.Extensions = append(p.Extensions, certtest.Extension(oid, empty))
	}
	check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.extensions": object{}})
	p.Extensions = [][]byte{certtest.Extension(certtest.BasicConstraints, certtest.TLV(certtest.Sequence, certtest.TLV(1,
		[]byte{0xff})))}
	check(t, encode(t, testEntry(p.DER()), Lite, nil), object{"data.leaf_cert.extensions": object{"basicConstraints": "CA:TRUE"},
		"data.leaf_cert.is_ca": true})
}

// TestPrecert has a precertificate whose poison cannot be found: the entry's type counts too.
func TestPrecert(t *testing.T) {
	e := testEntry(certtest.NewParts().DER())
	e.Type = engine.PrecertEntry
	check(t, encode(t, e, Full, nil), object{"data.leaf_cert.extensions.ctlPoisonByte": true,
		"data.leaf_cert.as_der": base64.StdEncoding.EncodeToString(e.DER)})
}

func TestUnreadableCertificate(t *testing.T) {
	e := testEntry([]byte("no certificate"))
	sum := sha256.Sum256(e.DER)
	check(t, encode(t, e, Full, nil), object{
		"data.leaf_cert.all_domains": []any{}, "data.leaf_cert.sha256": colons(sum[:]), "data.chain": []any{},
		"data.leaf_cert.as_der":      base64.StdEncoding.EncodeToString(e.DER),
		"data.leaf_cert.parse_error": "certificate: not DER", "data.leaf_cert.not_before": nil, "data.leaf_cert.serial_number": nil,
		"data.leaf_cert.subject.aggregated": "", "data.leaf_cert.signature_algorithm": "unknown", "data.leaf_cert.extensions": object{},
	})
}

func TestUnknownEntryType(t *testing.T) {
	e := testEntry(nil)
	e.Type = 7
	want := object{"data.update_type": "X509LogEntry", "data.leaf_cert.fingerprint": nil, "data.leaf_cert.sha1": nil,
		"data.leaf_cert.sha256": nil, "data.leaf_cert.as_der": nil, "data.leaf_cert.parse_error": "entry: unknown type 7",
		"data.leaf_cert.all_domains": []any{}}
	check(t, encode(t, e, Full, nil), want)
	e.Malformed = "entry type 7"
	check(t, encode(t, e, Full, nil), object{"data.leaf_cert.parse_error": "entry type 7"})
	e.Type, e.Malformed = engine.PrecertEntry, ""
	check(t, encode(t, e, Full, nil), object{"data.leaf_cert.parse_error": "entry: no certificate", "data.leaf_cert.as_der": nil})
}

func TestParseError(t *testing.T) {
	p := certtest.NewParts()
	p.Validity = certtest.TLV(certtest.Sequence)
	e := testEntry(p.DER())
	check(t, encode(t, e, Lite, nil), object{"data.leaf_cert.parse_error": "notBefore: missing; notAfter: missing",
		"data.leaf_cert.not_after": nil, "data.leaf_cert.all_domains": []any{"www.example.com", "example.com"}})
	e.Malformed = "extra_data: \"odd\""
	check(t, encode(t, e, Lite, nil),
		object{"data.leaf_cert.parse_error": `extra_data: "odd"; notBefore: missing; notAfter: missing`})
	e.Malformed = strings.Repeat("long ", 1000)
	if got := at(t, encode(t, e, Lite, nil), "data.leaf_cert.parse_error").(string); len(got) != maxProblem {
		t.Errorf("%d bytes", len(got))
	}
}

func TestNoHTMLEscaping(t *testing.T) {
	p := certtest.NewParts()
	p.Subject = certtest.Name(certtest.Attribute(certtest.Organization, certtest.UTF8, "<&>"))
	e := testEntry(p.DER())
	var r certificate.Record
	r.Parse(e.DER)
	x := NewEncoder("e")
	x.Begin(e, &r, nil)
	if text, _ := x.Append(nil, Lite); !bytes.Contains(text, []byte(`"O":"<&>"`)) || !bytes.Contains(text, []byte(`&end=`)) {
		t.Errorf("escaped: %s", text)
	}
}

func TestInvalidUTF8(t *testing.T) {
	p := certtest.NewParts()
	p.Subject = certtest.Name(certtest.Attribute(certtest.Organization, certtest.UTF8, "a\xff\xc3\x28"))
	p.Extensions = [][]byte{certtest.Extension(certtest.SubjectAltName, certtest.AltNames("x\xe4.example"))}
	o := encode(t, testEntry(p.DER()), Lite, nil)
	check(t, o, object{"data.leaf_cert.subject.O": "a\ufffd\ufffd(", "data.leaf_cert.all_domains": []any{"x\ufffd.example"},
		"data.leaf_cert.extensions.subjectAltName": "DNS:x\ufffd.example"})
}

func TestHeartbeat(t *testing.T) {
	at := time.UnixMilli(1795209880358)
	got := string(AppendHeartbeat([]byte("> "), at, engine.Cursor{Epoch: "1x9k2", Offset: 4711}))
	if want := `> {"message_type":"heartbeat","timestamp":1795209880.358,"cursor":"1x9k2-4711"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestGaps(t *testing.T) {
	from, to := engine.Cursor{Epoch: "a1", Offset: 7}, engine.Cursor{Epoch: "a1", Offset: 19}
	for want, gap := range map[string]Gap{
		`{"reason":"slow","missed":12,"from":"a1-7","to":"a1-19"}`: {Reason: GapSlow, Missed: 12, From: from, To: to},
		`{"reason":"epoch","missed":null,"from":"a1-7","to":"b-0"}`: {Reason: GapEpoch, Unknown: true, From: from,
			To: engine.Cursor{Epoch: "b"}},
		`{"reason":"ingest","missed":90,"log":"A \"log\"","from_index":10,"to_index":100}`: {Reason: GapIngest, Missed: 90,
			Log:       `A "log"`,
			FromIndex: 10, ToIndex: 100},
	} {
		want = `{"message_type":"gap","data":` + want + `}`
		if got := string(AppendGap(nil, gap)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for text, want := range map[string]Kind{"full": Full, "lite": Lite, "domains": Domains, "domains-only": Domains} {
		if got, err := ParseKind(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
		if again, err := ParseKind(want.String()); err != nil || again != want {
			t.Errorf("%s does not come back: %v", want, err)
		}
	}
	for _, text := range []string{"", "FULL", "all"} {
		if _, err := ParseKind(text); err == nil || !strings.Contains(err.Error(), "domains-only") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if got := Kind(9).String(); got != "Kind(9)" {
		t.Errorf("got %s", got)
	}
}
