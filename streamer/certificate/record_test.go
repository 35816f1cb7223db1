package certificate

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// Shorter words for what the tables below are made of.
var (
	tlv   = certtest.TLV
	octet = func(n byte) []byte { return tlv(certtest.Integer, []byte{n}) }
)

func parse(der []byte) *Record {
	r := new(Record)
	r.Parse(der)
	return r
}

func TestSoundParts(t *testing.T) {
	r := parse(certtest.NewParts().DER())
	if r.Partial() || r.Unreadable() {
		t.Fatalf("the certificate that the other tests break is not sound: %s", r.ParseError())
	}
	want := []string{"www.example.com", "example.com"}
	if diff := cmp.Diff(want, clone(r.Domains())); diff != "" {
		t.Error(diff)
	}
	if got := string(r.AppendIssuerAggregated(nil)); got != "/C=AT/CN=Test CA 1/O=Tests" {
		t.Errorf("issuer %q", got)
	}
	if !bytes.Equal(r.Serial, []byte{0, 0xc0, 0xff, 0xee}) || r.SignatureAlgorithm != "sha256, rsa" {
		t.Errorf("serial %x, algorithm %q", r.Serial, r.SignatureAlgorithm)
	}
	if r.NotBefore != 1735787045 || r.NotAfter != time.Date(2055, 1, 2, 3, 4, 5, 0, time.UTC).Unix() {
		t.Errorf("validity %d to %d", r.NotBefore, r.NotAfter)
	}
}

// TestBrokenParts breaks one part at a time: the names stay, and the error names the part.
func TestBrokenParts(t *testing.T) {
	octets := tlv(certtest.OctetString, []byte("what is this"))
	for name, test := range map[string]struct {
		change func(p *certtest.Parts)
		want   string
	}{
		"no version":             {func(p *certtest.Parts) { p.Version = nil }, ""},
		"negative serial":        {func(p *certtest.Parts) { p.Serial = octet(0x80) }, ""},
		"serial of another type": {func(p *certtest.Parts) { p.Serial = octets }, "serialNumber: of another type"},
		"no serial":              {func(p *certtest.Parts) { p.Serial = nil }, "serialNumber: missing"},
		"algorithm of another type": {func(p *certtest.Parts) { p.Algorithm = octets },
			"signature: of another type"},
		"two algorithms": {func(p *certtest.Parts) { p.Outer = tlv(certtest.Sequence, tlv(certtest.OID, []byte("\x2b\x65\x70"))) },
			"signatureAlgorithm: not the one that is signed"},
		"issuer of another type": {func(p *certtest.Parts) { p.Issuer = octets }, "issuer: of another type"},
		"issuer is no name": {func(p *certtest.Parts) { p.Issuer = tlv(certtest.Sequence, octets) },
			"issuer: not a sequence of sets"},
		"validity of another type": {func(p *certtest.Parts) { p.Validity = octets }, "validity: of another type"},
		"no dates": {func(p *certtest.Parts) { p.Validity = tlv(certtest.Sequence) },
			"notBefore: missing; notAfter: missing"},
		"subject attribute without a value": {func(p *certtest.Parts) {
			p.Subject = certtest.Name(tlv(certtest.SetOf, tlv(certtest.Sequence, tlv(certtest.OID, certtest.CommonName))))
		}, "subject: attribute without a value"},
		"subject attribute that is no sequence": {func(p *certtest.Parts) { p.Subject = certtest.Name(tlv(certtest.SetOf, octets)) },
			"subject: attribute is not a sequence"},
		"subject attribute without a type": {func(p *certtest.Parts) {
			p.Subject = certtest.Name(tlv(certtest.SetOf, tlv(certtest.Sequence, octets)))
		}, "subject: attribute without a type"},
		"subject value that is no text": {func(p *certtest.Parts) {
			p.Subject = certtest.Name(certtest.Attribute(certtest.CommonName, certtest.BitString, "\x00x"))
		}, "subject: value of CN is no text"},
		"key of another type": {func(p *certtest.Parts) { p.Key = octets }, "subjectPublicKeyInfo: of another type"},
		"no outer algorithm":  {func(p *certtest.Parts) { p.Outer = nil }, "signatureAlgorithm: missing"},
		"no signature":        {func(p *certtest.Parts) { p.Signature = nil }, "signatureValue: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := certtest.NewParts()
			test.change(&p)
			r := parse(p.DER())
			if got := r.ParseError(); got != test.want {
				t.Errorf("parse error %q, want %q", got, test.want)
			}
			if names := clone(r.Domains()); !slices.Contains(names, "www.example.com") || !slices.Contains(names, "example.com") {
				t.Errorf("names lost: %q", names)
			}
		})
	}
}

// TestBrokenExtensions has one bad extension before subjectAltName: the names stay, and the error names the extension.
func TestBrokenExtensions(t *testing.T) {
	junk := tlv(certtest.IA5, []byte("junk"))
	seq := func(parts ...[]byte) []byte { return tlv(certtest.Sequence, parts...) }
	for name, test := range map[string]struct {
		extension []byte
		want      string
	}{
		"no identifier":        {seq(junk), "extensions: one without an identifier"},
		"no value":             {seq(tlv(certtest.OID, certtest.KeyUsage)), "keyUsage: without a value"},
		"unknown and no value": {seq(tlv(certtest.OID, []byte{0x55, 0x1d, 99})), ""},
		"unknown":              {certtest.Extension([]byte{0x2a, 3}, junk), ""},
		"key usage":            {certtest.Extension(certtest.KeyUsage, junk), "keyUsage: no bit string"},
		"key usage, empty":     {certtest.Extension(certtest.KeyUsage, tlv(certtest.BitString)), "keyUsage: no bit string"},
		"purposes":             {certtest.Extension(certtest.ExtKeyUsage, junk), "extendedKeyUsage: no sequence"},
		"purpose": {certtest.Extension(certtest.ExtKeyUsage, seq(junk)),
			"extendedKeyUsage: purpose is no object identifier"},
		"constraints":          {certtest.Extension(certtest.BasicConstraints, junk), "basicConstraints: no sequence"},
		"constraints, boolean": {certtest.Extension(certtest.BasicConstraints, seq(tlv(1))), "basicConstraints: no boolean"},
		"subject key":          {certtest.Extension(certtest.SubjectKeyID, junk), "subjectKeyIdentifier: no octet string, or too long"},
		"authority key":        {certtest.Extension(certtest.AuthorityKeyID, junk), "authorityKeyIdentifier: no sequence"},
		"authority key, short": {certtest.Extension(certtest.AuthorityKeyID, seq([]byte{0x80, 9, 1})),
			"authorityKeyIdentifier: key identifier cut short, or too long"},
		"policies": {certtest.Extension(certtest.Policies, junk), "certificatePolicies: no sequence"},
		"policy": {certtest.Extension(certtest.Policies, seq(junk)),
			"certificatePolicies: policy without an identifier"},
		"policy, open arc": {certtest.Extension(certtest.Policies, seq(seq(tlv(certtest.OID, []byte{0x81})))),
			"certificatePolicies: policy without an identifier"},
		"access": {certtest.Extension(certtest.AccessInfo, junk), "authorityInfoAccess: no sequence"},
		"access description": {certtest.Extension(certtest.AccessInfo, seq(junk)),
			"authorityInfoAccess: description without method or location"},
		"access method": {certtest.Extension(certtest.AccessInfo, seq(seq(junk))),
			"authorityInfoAccess: description without method or location"},
		"access location": {certtest.Extension(certtest.AccessInfo, seq(seq(tlv(certtest.OID, []byte{1})))),
			"authorityInfoAccess: description without method or location"},
		"other names": {certtest.Extension(certtest.SubjectAltName, junk),
			"subjectAltName: no sequence; subjectAltName: more than once"},
		"address of five bytes": {certtest.Extension(certtest.SubjectAltName, seq(tlv(0x87, []byte("12345")))),
			"subjectAltName: name of an unknown kind or length; subjectAltName: more than once"},
		"name cut short": {certtest.Extension(certtest.SubjectAltName, seq([]byte{0x82, 9, 'x'})),
			"subjectAltName: cut short; subjectAltName: more than once"},
		"value cut short": {seq(tlv(certtest.OID, certtest.SubjectKeyID), []byte{4, 9, 4, 1, 7}),
			"subjectKeyIdentifier: cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			p := certtest.NewParts()
			p.Extensions = slices.Insert(p.Extensions, 0, test.extension)
			r := parse(p.DER())
			if got := r.ParseError(); got != test.want {
				t.Errorf("parse error %q, want %q", got, test.want)
			}
			if diff := cmp.Diff([]string{"www.example.com", "example.com"}, clone(r.Domains())); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExtensionTwice(t *testing.T) {
	p := certtest.NewParts()
	p.Extensions = append(p.Extensions,
		certtest.Extension(certtest.SubjectAltName, certtest.AltNames("second.example.com")),
		certtest.Extension(certtest.SubjectKeyID, tlv(certtest.OctetString, []byte{1})),
		certtest.Extension(certtest.SubjectKeyID, tlv(certtest.OctetString, []byte{2})))
	r := parse(p.DER())
	if diff := cmp.Diff([]string{"www.example.com", "example.com", "second.example.com"}, clone(r.Domains())); diff != "" {
		t.Errorf("names of both count:\n%s", diff)
	}
	if !bytes.Equal(r.SubjectKeyID, []byte{1}) {
		t.Errorf("the first of two counts, got %x", r.SubjectKeyID)
	}
	if got := r.ParseError(); got != "subjectAltName: more than once; subjectKeyIdentifier: more than once" {
		t.Errorf("parse error %q", got)
	}
}

// TestUnreadable has input of which nothing can be read: an empty record with an error, also after a sound certificate.
func TestUnreadable(t *testing.T) {
	var r Record
	for name, der := range map[string][]byte{
		"nothing": nil, "one byte": {0x30}, "garbage": []byte("certificate"), "indefinite length": {0x30, 0x80, 0, 0},
		"length of five octets": {0x30, 0x85, 0, 0, 0, 0, 1, 0}, "empty": {0x30, 0}, "not a sequence": {0x31, 2, 0x30, 0},
		"no tbsCertificate": {0x30, 3, 1, 1, 1}, "tag of two octets": {0x3f, 0x10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r.Parse(certtest.NewParts().DER())
			r.Parse(der)
			if !r.Unreadable() || !r.Partial() || r.ParseError() == "" {
				t.Errorf("unreadable %v, error %q", r.Unreadable(), r.ParseError())
			}
			if len(r.Domains()) != 0 || r.Serial != nil || r.NotBefore != NoTime || len(r.AppendIssuerAggregated(nil)) != 0 ||
				r.SignatureAlgorithm != "unknown" {
				t.Errorf("something is left of the certificate before: %+v", r)
			}
		})
	}
}

func TestDataAfterTheEnd(t *testing.T) {
	r := parse(append(certtest.NewParts().DER(), "more"...))
	if got := r.ParseError(); got != "certificate: data after its end" || len(r.Domains()) != 2 {
		t.Errorf("parse error %q, names %q", got, r.Domains())
	}
}

// TestBareTBS has what is signed, without the signature around it.
func TestBareTBS(t *testing.T) {
	_, body, _, _ := cut(certtest.NewParts().DER())
	_, start, size, _ := header(body)
	r := parse(body[:start+size])
	if got := r.ParseError(); got != "certificate: no signature" || len(r.Domains()) != 2 {
		t.Errorf("parse error %q, names %q", got, r.Domains())
	}
}

// TestLongLengths has lengths written longer than DER allows.
func TestLongLengths(t *testing.T) {
	names := append([]byte{0x30, 0x82, 0, 13, 0x82, 0x81, 10}, "long.check"...)
	p := certtest.NewParts()
	p.Subject = certtest.Name()
	p.Extensions = [][]byte{certtest.Extension(certtest.SubjectAltName, names)}
	if got := clone(parse(p.DER()).Domains()); len(got) != 1 || got[0] != "long.check" {
		t.Errorf("names %q", got)
	}
}

// TestCutAnywhere cuts certificates after every byte: no panic, no name that is not there, an error each time.
func TestCutAnywhere(t *testing.T) {
	var r Record
	for _, der := range [][]byte{certtest.NewParts().DER(), certtest.Names(t, 20)} {
		r.Parse(der)
		all, most := clone(r.Domains()), 0
		for n := range der {
			r.Parse(der[:n])
			if !r.Partial() {
				t.Fatalf("cut to %d of %d bytes: no error", n, len(der))
			}
			for _, name := range clone(r.Domains()) {
				if !slices.Contains(all, name) {
					t.Fatalf("cut to %d bytes: invented the name %q", n, name)
				}
			}
			if len(r.Domains()) < most {
				t.Fatalf("cut to %d bytes: %d names, fewer than in less", n, len(r.Domains()))
			}
			most = len(r.Domains())
		}
		if most != len(all) {
			t.Errorf("%d of %d names with only the last byte missing", most, len(all))
		}
	}
}

// TestFlippedBytes changes each byte of a certificate in several ways: no panic, and a bounded error in ASCII.
func TestFlippedBytes(t *testing.T) {
	var r Record
	sound := certtest.Generated(t)[0].Certificates[7] // all extensions
	der := bytes.Clone(sound)
	for i := range der {
		for _, c := range []byte{0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff, sound[i] ^ 1, sound[i] ^ 0x20, sound[i] + 1} {
			der[i] = c
			r.Parse(der)
			if text := r.ParseError(); len(text) > maxProblem || strings.IndexFunc(text, func(c rune) bool {
				return c < ' ' ||
					c > '~'
			}) >= 0 {
				t.Fatalf("byte %d set to %#x: parse error %q", i, c, text)
			}
			var scratch []byte
			for key := Country; key <= EmailAddress; key++ {
				scratch, _ = r.Subject.AppendValue(scratch[:0], key)
			}
		}
		der[i] = sound[i]
	}
}

// TestErrorsAreBounded has more wrong parts than the text has room for.
func TestErrorsAreBounded(t *testing.T) {
	p := certtest.NewParts()
	p.Extensions = nil
	for range 1000 {
		p.Extensions = append(p.Extensions, certtest.Extension(certtest.KeyUsage, []byte("xx")),
			certtest.Extension(certtest.SubjectKeyID, []byte("xx")))
	}
	if text := parse(p.DER()).ParseError(); len(text) < maxProblem/2 || len(text) > maxProblem {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

// TestNoAllocations parses all certificates there are, once to warm up.
func TestNoAllocations(t *testing.T) {
	var r Record
	all := append(allSets(t), certtest.Names(t, 2000))
	run := func() {
		for _, der := range all {
			r.Parse(der)
			if !r.Partial() && len(r.Serial) == 0 {
				t.Fatal("a certificate without a serial number")
			}
		}
	}
	run()
	whole := all[:0:0]
	for _, der := range all {
		if r.Parse(der); !r.Partial() {
			whole = append(whole, der)
		}
	}
	all = whole
	if n := testing.AllocsPerRun(5, run); n != 0 {
		t.Errorf("%v allocations for %d certificates", n, len(all))
	}
}

// TestLongValues has a value that is too long in each place: they are left out, the rest stays.
func TestLongValues(t *testing.T) {
	long := bytes.Repeat([]byte("x"), maxText+1)
	p := certtest.NewParts()
	p.Serial = tlv(certtest.Integer, long)
	p.Subject = certtest.Name(certtest.Attribute(certtest.Organization, certtest.UTF8, string(long)),
		certtest.Attribute(certtest.CommonName, certtest.UTF8, "cn.example.com"))
	seq := func(parts ...[]byte) []byte { return tlv(certtest.Sequence, parts...) }
	p.Extensions = append(p.Extensions,
		certtest.Extension(certtest.SubjectKeyID, tlv(certtest.OctetString, long)),
		certtest.Extension(certtest.AuthorityKeyID, seq(tlv(0x80, long))),
		certtest.Extension(certtest.Policies, seq(seq(tlv(certtest.OID, long)))),
		certtest.Extension(certtest.AccessInfo, seq(seq(tlv(certtest.OID, []byte{0x2b}), tlv(0x86, long)))),
		certtest.Extension(certtest.SubjectAltName, certtest.AltNames("third.example.com", strings.Repeat("x", maxNamesText))))
	r := parse(p.DER())
	want := []string{"cn.example.com", "www.example.com", "example.com", "third.example.com"}
	if diff := cmp.Diff(want, clone(r.Domains())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.Serial != nil || r.SubjectKeyID != nil || r.AuthorityKeyID != nil || r.Subject.Has(Organization) ||
		len(r.Policies)+len(r.AccessURIs) > 0 {
		t.Error("a long value was kept")
	}
	shown := 0
	for range r.AltNames {
		shown++
	}
	if !r.Partial() || shown != 3 {
		t.Errorf("parse error %q, %d alternative names", r.ParseError(), shown)
	}
}

// TestHugeCertificate has megabytes of names, attributes and policies: what is kept is bounded, and let go afterwards.
func TestHugeCertificate(t *testing.T) {
	name := tlv(certtest.DNS, []byte("a.b"))
	many := func(element []byte, n int) []byte { return tlv(certtest.Sequence, bytes.Repeat(element, n)) }
	attribute := certtest.Attribute(certtest.OrgUnit, certtest.UTF8, "unit")
	p := certtest.NewParts()
	p.Subject = many(attribute, 100_000)
	p.Extensions = [][]byte{
		certtest.Extension(certtest.Policies, many(tlv(certtest.Sequence, tlv(certtest.OID, []byte{0x2a, 3})), 100_000)),
		certtest.Extension(certtest.AccessInfo, many(tlv(certtest.Sequence, tlv(certtest.OID, []byte{0x2a}), tlv(0x86,
			[]byte("u"))), 100_000)),
		certtest.Extension(certtest.SubjectAltName, many(name, 1_000_000)),
	}
	var r Record
	r.Parse(p.DER())
	want := "subject: too many attributes or too much text"
	if text := r.ParseError(); !strings.HasPrefix(text, want) || len(text) > maxProblem {
		t.Errorf("parse error %q, want %q first", text, want)
	}
	if len(r.names) > maxNames+1 || len(r.Subject.attributes) > maxAttributes || len(r.Policies) > maxListed ||
		len(r.AccessURIs) > maxListed {
		t.Errorf("kept %d names, %d attributes, %d policies, %d URIs", len(r.names), len(r.Subject.attributes),
			len(r.Policies), len(r.AccessURIs))
	}
	if got := clone(r.Domains()); len(got) != 1 || got[0] != "a.b" {
		t.Errorf("%d names", len(got))
	}
	shown := 0
	for range r.AltNames {
		shown++
	}
	if shown != maxNames {
		t.Errorf("%d alternative names shown, want %d", shown, maxNames)
	}
	r.Parse(certtest.NewParts().DER())
	if cap(r.names) > keptNames || len(r.dedup.table) > keptNames {
		t.Errorf("room for %d names, a table of %d are kept", cap(r.names), len(r.dedup.table))
	}
}
