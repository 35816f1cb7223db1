package certificate

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// view is what a Record and crypto/x509 both know of a certificate, as comparable text.
type view struct {
	Subject, Issuer     map[string]string
	Serial              string
	NotBefore, NotAfter int64
	Algorithm           string
	DNS, Emails, IPs    []string
	Domains             []string
	KeyUsage            int
	Purposes            []string
	IsCA, Constraints   bool
	SubjectKeyID        string
	AuthorityKeyID      string
	Policies            []string
	Poison, SCTList     bool
}

// TestAgreement compares every field with crypto/x509 for every certificate that it accepts, and says how many were read whole.
func TestAgreement(t *testing.T) {
	for _, set := range append(certtest.Shared(t), certtest.Generated(t)...) {
		t.Run(set.Name, func(t *testing.T) {
			var r Record
			agreed, whole := 0, 0
			for i, der := range set.Certificates {
				r.Parse(der)
				if !r.Partial() {
					whole++
				}
				c, err := x509.ParseCertificate(der)
				if err != nil {
					continue
				}
				if diff := disagreement(&r, c); diff != "" {
					t.Errorf("certificate %d (-crypto/x509 +Record):\n%s", i+1, diff)
					continue
				}
				if r.Partial() && r.ParseError() != "subjectAltName: name of an unknown kind or length" { // which crypto/x509 skips
					t.Errorf("certificate %d: crypto/x509 accepts it, we say %q", i+1, r.ParseError())
				}
				agreed++
			}
			t.Logf("%d certificates: %d whole, %d partly, %d agree with crypto/x509", len(set.Certificates), whole,
				len(set.Certificates)-whole, agreed)
		})
	}
}

// disagreement is the difference between what the two parsers read.
func disagreement(r *Record, c *x509.Certificate) string {
	want, got := viewOfX509(c), viewOfRecord(r)
	if want.Algorithm == "" { // crypto/x509 knows fewer
		got.Algorithm = ""
	}
	if c.Version < 3 { // then crypto/x509 looks at no extension
		want.Domains, want.DNS, want.Emails, want.IPs = got.Domains, got.DNS, got.Emails, got.IPs
		want.KeyUsage, want.Purposes, want.IsCA, want.Constraints = got.KeyUsage, got.Purposes, got.IsCA, got.Constraints
		want.SubjectKeyID, want.AuthorityKeyID, want.Policies = got.SubjectKeyID, got.AuthorityKeyID, got.Policies
		want.Poison, want.SCTList = got.Poison, got.SCTList
		return cmp.Diff(want, got)
	}
	diff := cmp.Diff(want, got)
	for _, uris := range [][]string{c.OCSPServer, c.IssuingCertificateURL} {
		if !hasInOrder(r.AccessURIs, uris) {
			diff += fmt.Sprintf("access URIs %q lack %q\n", r.AccessURIs, uris)
		}
	}
	return diff
}

// hasInOrder says whether all of want are in list, in that order.
func hasInOrder(list [][]byte, want []string) bool {
	for _, uri := range list {
		if len(want) > 0 && string(uri) == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

func viewOfRecord(r *Record) view {
	v := view{
		Subject: nameOfRecord(&r.Subject), Issuer: nameOfRecord(&r.Issuer),
		Serial:    new(big.Int).SetBytes(r.Serial).String(),
		NotBefore: r.NotBefore, NotAfter: r.NotAfter, Algorithm: r.SignatureAlgorithm,
		KeyUsage: int(r.KeyUsage), IsCA: r.IsCA, Constraints: r.HasBasicConstraints,
		SubjectKeyID: string(r.SubjectKeyID), AuthorityKeyID: string(r.AuthorityKeyID),
		Poison: r.Poison, SCTList: r.SCTList,
	}
	for kind, value := range r.AltNames {
		switch kind {
		case DNSName:
			v.DNS = append(v.DNS, string(value))
		case RFC822Name:
			v.Emails = append(v.Emails, string(value))
		case IPAddress:
			ip, _ := netip.AddrFromSlice(value)
			v.IPs = append(v.IPs, ip.Unmap().String())
		}
	}
	for _, name := range r.Domains() {
		v.Domains = append(v.Domains, string(name))
	}
	for bit, name := range purposeNames {
		if r.ExtKeyUsage&(1<<bit) != 0 {
			v.Purposes = append(v.Purposes, name)
		}
	}
	for _, oid := range r.Policies {
		v.Policies = append(v.Policies, string(AppendOID(nil, oid)))
	}
	return v
}

func nameOfRecord(n *Name) map[string]string {
	m := make(map[string]string)
	for key := Country; key <= EmailAddress; key++ {
		if value, ok := n.AppendValue(nil, key); ok {
			m[key.String()] = string(value)
		}
	}
	return m
}

// purposeNames names the bits of ExtKeyUsage for the comparison.
var purposeNames = []string{"server", "client", "code", "email", "time", "ocsp", "any", "other"}

// purposesOf maps crypto/x509's purposes to the bits of ExtKeyUsage.
var purposesOf = map[x509.ExtKeyUsage]int{
	x509.ExtKeyUsageServerAuth: 0, x509.ExtKeyUsageClientAuth: 1, x509.ExtKeyUsageCodeSigning: 2,
	x509.ExtKeyUsageEmailProtection: 3, x509.ExtKeyUsageTimeStamping: 4, x509.ExtKeyUsageOCSPSigning: 5, x509.ExtKeyUsageAny: 6,
}

func viewOfX509(c *x509.Certificate) view {
	v := view{
		Subject: nameOfX509(c.Subject), Issuer: nameOfX509(c.Issuer), Serial: c.SerialNumber.String(),
		NotBefore: c.NotBefore.Unix(), NotAfter: c.NotAfter.Unix(), Algorithm: algorithmsOfX509[c.SignatureAlgorithm],
		DNS: c.DNSNames, Emails: c.EmailAddresses, KeyUsage: int(c.KeyUsage), IsCA: c.IsCA, Constraints: c.BasicConstraintsValid,
		SubjectKeyID: string(c.SubjectKeyId), AuthorityKeyID: string(c.AuthorityKeyId),
		Domains: domainsOfX509(c),
	}
	for _, ip := range c.IPAddresses {
		v.IPs = append(v.IPs, ip.String())
	}
	bits := make([]bool, len(purposeNames))
	for _, usage := range c.ExtKeyUsage {
		bit, ok := purposesOf[usage]
		if !ok {
			bit = 7
		}
		bits[bit] = true
	}
	bits[7] = bits[7] || len(c.UnknownExtKeyUsage) > 0
	for bit, set := range bits {
		if set {
			v.Purposes = append(v.Purposes, purposeNames[bit])
		}
	}
	for _, policy := range c.Policies {
		v.Policies = append(v.Policies, policy.String())
	}
	for _, e := range c.Extensions {
		v.Poison = v.Poison || e.Id.String() == "1.3.6.1.4.1.11129.2.4.3"
		v.SCTList = v.SCTList || e.Id.String() == "1.3.6.1.4.1.11129.2.4.2"
	}
	return v
}

// keysOfX509 maps attribute types to keys of messages.
var keysOfX509 = map[string]string{"2.5.4.6": "C", "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.10": "O", "2.5.4.11": "OU",
	"2.5.4.8": "ST", "1.2.840.113549.1.9.1": "email_address"}

func nameOfX509(n pkix.Name) map[string]string {
	m := make(map[string]string)
	for _, a := range n.Names {
		key, ok := keysOfX509[a.Type.String()]
		if !ok {
			continue
		}
		value := strings.ToValidUTF8(fmt.Sprint(a.Value), "\ufffd")
		if before, ok := m[key]; ok {
			value = before + "," + value
		}
		m[key] = value
	}
	return m
}

// domainsOfX509 is the contract's all_domains, written down once more in the plainest way.
func domainsOfX509(c *x509.Certificate) []string {
	var all []string
	add := func(name string) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, a := range c.Subject.Names {
		name := fmt.Sprint(a.Value)
		_, err := netip.ParseAddr(name)
		if a.Type.String() == "2.5.4.3" && !c.IsCA && strings.Contains(name, ".") && !strings.ContainsAny(name, " \t\r\n/@,:\"'`") &&
			err != nil {
			add(name)
		}
	}
	for _, name := range c.DNSNames {
		add(name)
	}
	return all
}

var algorithmsOfX509 = map[x509.SignatureAlgorithm]string{
	x509.MD2WithRSA: "md2, rsa", x509.MD5WithRSA: "md5, rsa", x509.SHA1WithRSA: "sha1, rsa", x509.SHA256WithRSA: "sha256, rsa",
	x509.SHA384WithRSA: "sha384, rsa", x509.SHA512WithRSA: "sha512, rsa", x509.SHA256WithRSAPSS: "sha256, rsa-pss",
	x509.SHA384WithRSAPSS: "sha384, rsa-pss", x509.SHA512WithRSAPSS: "sha512, rsa-pss", x509.DSAWithSHA1: "dsa, sha1",
	x509.DSAWithSHA256: "dsa, sha256", x509.ECDSAWithSHA1: "ecdsa, sha1", x509.ECDSAWithSHA256: "ecdsa, sha256",
	x509.ECDSAWithSHA384: "ecdsa, sha384", x509.ECDSAWithSHA512: "ecdsa, sha512", x509.PureEd25519: "ed25519",
}

// allSets are all the certificates that there are.
func allSets(tb testing.TB) [][]byte {
	var all [][]byte
	for _, set := range append(certtest.Shared(tb), certtest.Generated(tb)...) {
		all = append(all, set.Certificates...)
	}
	return all
}

// clone keeps what Domains returned beyond the next Parse.
func clone(names [][]byte) []string {
	var all []string
	for _, name := range names {
		all = append(all, string(bytes.Clone(name)))
	}
	return all
}
