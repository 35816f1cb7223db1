package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

func subject(attributes ...[]byte) *Record {
	p := certtest.NewParts()
	p.Subject = certtest.Name(attributes...)
	return parse(p.DER())
}

// TestStringTypes reads the same kind of value in each of ASN.1's string types.
func TestStringTypes(t *testing.T) {
	for name, test := range map[string]struct {
		tag         byte
		value, want string
	}{
		"UTF8String":            {certtest.UTF8, "Zürich", "Zürich"},
		"UTF8String, invalid":   {certtest.UTF8, "Z\xfcrich\xff", "Z\ufffdrich\ufffd"},
		"UTF8String, empty":     {certtest.UTF8, "", ""},
		"PrintableString":       {certtest.Printable, "Zurich", "Zurich"},
		"PrintableString, odd":  {certtest.Printable, "a_b@c", "a_b@c"},
		"IA5String":             {certtest.IA5, "a@b", "a@b"},
		"IA5String, 8 bit":      {certtest.IA5, "a\xe4", "a\ufffd"},
		"NumericString":         {0x12, "47 11", "47 11"},
		"VisibleString":         {0x1a, "v", "v"},
		"T61String":             {certtest.T61, "Z\xfcrich", "Zürich"},
		"BMPString":             {certtest.BMP, "\x00Z\x00\xfc", "Zü"},
		"BMPString, surrogates": {certtest.BMP, "\xd8\x3d\xde\x00", "😀"},
		"BMPString, half":       {certtest.BMP, "\xd8\x3d\x00a", "\ufffda"},
		"BMPString, odd length": {certtest.BMP, "\x00a\x00", "a"},
		"BMPString, terminated": {certtest.BMP, "\x00a\x00\x00", "a"},
		"UniversalString":       {certtest.Universal, "\x00\x00\x00Z\x00\x01\xf6\x00", "Z😀"},
		"UniversalString, bad":  {certtest.Universal, "\xff\xff\xff\xff\x00", "\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			r := subject(certtest.Attribute(certtest.Locality, test.tag, test.value))
			got, ok := r.Subject.AppendValue([]byte("before "), Locality)
			if !ok || string(got) != "before "+test.want {
				t.Errorf("got %q %v, want %q; parse error %q", got, ok, test.want, r.ParseError())
			}
		})
	}
}

func TestAggregated(t *testing.T) {
	r := subject(
		certtest.Attribute(certtest.OrgUnit, certtest.UTF8, "one"),
		certtest.Attribute(certtest.Province, certtest.UTF8, "Wien"),
		certtest.Attribute([]byte{0x55, 4, 9}, certtest.UTF8, "a street"),
		certtest.Attribute(certtest.CommonName, certtest.UTF8, "cn"),
		certtest.Attribute(certtest.Email, certtest.IA5, "a@b"),
		certtest.Attribute(certtest.OrgUnit, certtest.BMP, "\x00t\x00w\x00o"),
		certtest.Attribute(certtest.Locality, certtest.UTF8, ""),
		certtest.Attribute(certtest.Country, certtest.Printable, "AT"))
	if got, want := string(r.Subject.AppendAggregated(nil)), "/C=AT/CN=cn/L=/OU=one,two/ST=Wien"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for key, want := range map[Attribute]string{OrganizationalUnit: "one,two", EmailAddress: "a@b", Province: "Wien"} {
		if got, ok := r.Subject.AppendValue(nil, key); !ok || string(got) != want {
			t.Errorf("%s: got %q %v, want %q", key, got, ok, want)
		}
	}
	if got, ok := r.Subject.AppendValue(nil, Organization); ok || got != nil || r.Subject.Has(Organization) {
		t.Errorf("organization: got %q %v where there is none", got, ok)
	}
	if got := subject().Subject.AppendAggregated(nil); len(got) != 0 {
		t.Errorf("empty subject: %q", got)
	}
}

// TestMultiValuedRDN has several attributes in one set, and a long value, beside the usual form.
func TestMultiValuedRDN(t *testing.T) {
	long := strings.Repeat("long ", 60)
	pair := func(oid []byte, value string) []byte {
		return tlv(certtest.Sequence, tlv(certtest.OID, oid), tlv(certtest.UTF8, []byte(value)))
	}
	r := subject(tlv(certtest.SetOf, pair(certtest.Organization, "o"), pair(certtest.OrgUnit, "ou")),
		tlv(certtest.SetOf, pair(certtest.Locality, long)), tlv(certtest.SetOf))
	if got, want := string(r.Subject.AppendAggregated(nil)), "/L="+long+"/O=o/OU=ou"; got != want || r.Partial() {
		t.Errorf("got %q, want %q; parse error %q", got, want, r.ParseError())
	}
}

// TestNamesAsIssued writes random names with encoding/asn1 and reads them back.
func TestNamesAsIssued(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOfN(rapid.Rune(), 1, 40, -1).Filter(utf8.ValidString), 0, 3)
		values := map[Attribute][]string{Organization: words.Draw(t, "O"), Locality: words.Draw(t, "L")}
		var name pkix.Name
		for key, last := range map[Attribute]int{Organization: 10, Locality: 7} {
			for _, value := range values[key] {
				a := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
				name.ExtraNames = append(name.ExtraNames, a)
			}
		}
		p := certtest.NewParts()
		var err error
		if p.Issuer, err = asn1.Marshal(name.ToRDNSequence()); err != nil {
			t.Skip("encoding/asn1 writes no such name")
		}
		r := parse(p.DER())
		for key, want := range values {
			got, ok := r.Issuer.AppendValue(nil, key)
			if ok != (len(want) > 0) || string(got) != strings.Join(want, ",") {
				t.Fatalf("%s: got %q, want %q", key, got, want)
			}
		}
	})
}

// TestBMP compares with unicode/utf16, except for what ends in a terminator.
func TestBMP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOf(rapid.Uint16Range(1, 0xffff)).Draw(t, "units")
		var value []byte
		for _, u := range units {
			value = append(value, byte(u>>8), byte(u))
		}
		if got, want := string(appendBMP(nil, value)), string(utf16.Decode(units)); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
