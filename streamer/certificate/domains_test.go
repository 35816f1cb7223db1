package certificate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// named makes a certificate with common names and DNS names.
func named(common []string, alternative []string, extensions ...[]byte) *Record {
	p := certtest.NewParts()
	var attributes [][]byte
	for _, name := range common {
		attributes = append(attributes, certtest.Attribute(certtest.CommonName, certtest.UTF8, name))
	}
	p.Subject = certtest.Name(attributes...)
	p.Extensions = append(extensions, certtest.Extension(certtest.SubjectAltName, certtest.AltNames(alternative...)))
	return parse(p.DER())
}

// TestDomains has what the contract says of all_domains.
func TestDomains(t *testing.T) {
	ca := certtest.Extension(certtest.BasicConstraints, tlv(certtest.Sequence, tlv(1, []byte{0xff})))
	notCA := certtest.Extension(certtest.BasicConstraints, tlv(certtest.Sequence))
	for name, test := range map[string]struct {
		common, alternative []string
		extension           []byte
		want                []string
	}{
		"common name first": {[]string{"c.example"}, []string{"a.example", "b.example"}, notCA, []string{"c.example",
			"a.example", "b.example"}},
		"order of the certificate": {nil, []string{"z.example", "a.example"}, notCA, []string{"z.example", "a.example"}},
		"no duplicates": {[]string{"b.example"}, []string{"a.example", "b.example", "a.example"}, notCA,
			[]string{"b.example", "a.example"}},
		"not that of a CA":       {[]string{"ca.example"}, []string{"a.example"}, ca, []string{"a.example"}},
		"not when it is no name": {[]string{"A Person"}, []string{"a.example"}, notCA, []string{"a.example"}},
		"but then when it is a SAN": {[]string{"localhost"}, []string{"a.example", "localhost"}, notCA, []string{"a.example",
			"localhost"}},
		"several": {[]string{"1.example", "no name", "2.example", "3.example"}, []string{"a.example"},
			notCA, []string{"1.example", "2.example", "3.example", "a.example"}},
		"as they stand": {[]string{"A.Example"}, []string{"a.example", "*.Example", "x\xff.example", ""}, notCA,
			[]string{"A.Example", "a.example", "*.Example", "x\xff.example", ""}},
		"none": {nil, nil, notCA, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := named(test.common, test.alternative, test.extension)
			if diff := cmp.Diff(test.want, clone(r.Domains())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCommonNameTranscoded(t *testing.T) {
	r := subject(certtest.Attribute(certtest.CommonName, certtest.BMP, "\x00a\x00.\x00b"),
		certtest.Attribute(certtest.CommonName, certtest.T61, "\xe4.example"))
	want := []string{"a.b", "ä.example", "www.example.com", "example.com"}
	if diff := cmp.Diff(want, clone(r.Domains())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIsDomain(t *testing.T) {
	for name, want := range map[string]bool{
		"example.com": true, "*.example.com": true, "xn--mnchen-3ya.de": true, "münchen.de": true, "a.": true, ".a": true,
		"under_score.example": true, "1.2.3.4.example": true, "1.2.3": true, "1.2.3.4.5": true, "1.2.3.256": true, "1..2.3": true,
		"": false, "localhost": false, "An Organization Inc.": false, "a/b.c": false, "user@example.com": false, "a,b.c": false,
		"host.example:443": false, `"a.b"`: false, "'a.b'": false, "a.b\n": false, "192.0.2.1": false, "2001:db8::1.2.3.4": false,
		"::ffff:192.0.2.1": false,
	} {
		if got := isDomain([]byte(name)); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}

func TestAltNames(t *testing.T) {
	p := certtest.NewParts()
	p.Extensions = [][]byte{certtest.Extension(certtest.SubjectAltName, tlv(certtest.Sequence,
		tlv(0x81, []byte("a@b.c")), tlv(0x86, []byte("https://a.b/")), tlv(certtest.DNS, []byte("a.b")), tlv(0x87, []byte{192,
			0, 2, 1}),
		tlv(0xa4, []byte{0x30, 0}), tlv(0x87, make([]byte, 16)), tlv(0x88, []byte{0x2a}), tlv(0x87, []byte{1})))}
	r := parse(p.DER())
	var got []string
	for kind, value := range r.AltNames {
		got = append(got, fmt.Sprintf("%d %q", kind, value))
	}
	want := []string{`1 "a@b.c"`, `0 "a.b"`, `2 "\xc0\x00\x02\x01"`, fmt.Sprintf("2 %q", make([]byte, 16))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for range r.AltNames {
		break // must be allowed
	}
}

// TestUnique compares with the plainest way, over all the sizes that are treated differently.
func TestUnique(t *testing.T) {
	var d dedup
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, fewNames, fewNames + 1, 50, someNames, someNames + 1, 700}).Draw(t, "size")
		distinct := rapid.IntRange(1, 1000).Draw(t, "distinct")
		form := rapid.SampledFrom([]string{"%d", "host%d.example.com", "same-beginning-%d-same-end.example.com"}).Draw(t, "form")
		numbers := rapid.SliceOfN(rapid.IntRange(1, distinct), size, size).Draw(t, "numbers")
		var names [][]byte
		var want []string
		for _, n := range numbers {
			name := fmt.Sprintf(form, n)
			names = append(names, []byte(name))
			if !slices.Contains(want, name) {
				want = append(want, name)
			}
		}
		if diff := cmp.Diff(want, clone(d.unique(names))); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}
