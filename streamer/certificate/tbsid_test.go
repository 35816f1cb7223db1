package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// plainTBS is a TBSCertificate as encoding/asn1 writes it.
type plainTBS struct {
	Version                                   int `asn1:"optional,explicit,default:0,tag:0"`
	Serial                                    *big.Int
	Algorithm, Issuer, Validity, Subject, Key asn1.RawValue
	UniqueID, SubjectUniqueID                 asn1.BitString   `asn1:"optional,tag:1"`
	Extensions                                []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

// plainID is TBSID written down once more, by building the DER; ok is false for what encoding/asn1 would write in another way.
func plainID(t testing.TB, raw []byte) (id [32]byte, ok bool) {
	t.Helper()
	var tbs plainTBS
	if rest, err := asn1.Unmarshal(raw, &tbs); err != nil || len(rest) > 0 {
		return id, false
	}
	if again, err := asn1.Marshal(tbs); err != nil || !bytes.Equal(again, raw) {
		return id, false
	}
	tbs.Extensions = slices.DeleteFunc(tbs.Extensions, func(e pkix.Extension) bool {
		return e.Id.String() == "1.3.6.1.4.1.11129.2.4.2" || e.Id.String() == "1.3.6.1.4.1.11129.2.4.3"
	})
	der, err := asn1.Marshal(tbs)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(der), true
}

func idOf(der []byte, signer *PrecertSigner) [32]byte {
	var r Record
	r.Parse(der)
	return r.TBSID(signer)
}

// TestTBSIDAgreesWithPlainAssembly compares with the DER built whole, for every certificate there is.
func TestTBSIDAgreesWithPlainAssembly(t *testing.T) {
	compared, shortened := 0, 0
	for i, der := range allSets(t) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		want, ok := plainID(t, c.RawTBSCertificate)
		if !ok {
			continue
		}
		if got := idOf(der, nil); got != want {
			t.Errorf("certificate %d: %x, want %x", i+1, got, want)
		}
		if compared++; want != sha256.Sum256(c.RawTBSCertificate) {
			shortened++
		}
	}
	if compared < 30 {
		t.Errorf("only %d certificates compared", compared)
	}
	t.Logf("%d certificates compared, %d of them with poison or SCTs", compared, shortened)
}

// TestTBSIDOfRealPrecerts: a real precertificate and the TBSCertificate that its log keeps, out of another field of the entry,
// have one identity.
func TestTBSIDOfRealPrecerts(t *testing.T) {
	dir := shareddata.Dir(t)
	if dir == "" {
		t.Skip("no shared data")
	}
	answer, err := os.ReadFile(filepath.Join(dir, "entries", "precert-and-cert-get-entries.json"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := testlog.ParseGetEntries(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tile := range certtest.Tiles(t) {
		more, err := testlog.ParseTile(tile, func(testlog.Hash) []byte { return nil })
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, more...)
	}
	precerts := 0
	for i, e := range entries {
		if !e.Precert {
			continue
		}
		var signer *PrecertSigner
		if len(e.Chain) > 0 {
			signer = NewPrecertSigner(e.Chain[0])
		}
		if precerts++; idOf(e.DER, signer) != sha256.Sum256(e.TBS) || idOf(e.TBS, nil) != sha256.Sum256(e.TBS) {
			t.Errorf("entry %d: the precertificate is another than what the log keeps of it", i)
		}
	}
	t.Logf("%d precertificates of %d entries", precerts, len(entries))
}

// TestTBSIDOfPairs: a precertificate and its certificate, in every shape that the test CA issues.
func TestTBSIDOfPairs(t *testing.T) {
	ca := testlog.NewCA("Pairs")
	shapes := []testlog.Shape{
		{DNS: []string{"a.example"}},
		{Subject: pkix.Name{CommonName: "b.example", Organization: []string{"B"}}, DNS: []string{"b.example", "*.b.example"}},
		{EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, Emails: []string{"a@c.example"}},
		{IsCA: true, Filler: 200},
		{DNS: []string{"d.example"}, Filler: 70000},
	}
	ids := map[[32]byte]bool{}
	for _, shape := range shapes {
		shape.Precert = true
		precert := ca.Issue(shape)
		for _, list := range [][]byte{{0, 0}, make([]byte, 127), make([]byte, 300), make([]byte, 70000)} {
			final := ca.Final(precert, list)
			id := idOf(precert.DER, nil)
			if idOf(final.DER, nil) != id || idOf(precert.TBS, nil) != id || id != sha256.Sum256(precert.TBS) {
				t.Errorf("%+v with SCTs of %d bytes: precertificate and certificate differ", shape, len(list))
			}
			ids[id] = true
		}
		if idOf(ca.Vary(precert).DER, nil) == idOf(precert.DER, nil) {
			t.Error("two serial numbers, one identity")
		}
	}
	if len(ids) != len(shapes) {
		t.Errorf("%d identities of %d certificates", len(ids), len(shapes))
	}
}

// TestTBSIDOfDedicatedSigner: a precertificate whose signer is not the issuer, as RFC 6962 §3.1 allows.
func TestTBSIDOfDedicatedSigner(t *testing.T) {
	for name, keyIDs := range map[string][2][]byte{
		"key identifiers":                  {{1, 2, 3}, {4, 5, 6, 7}},
		"a long one":                       {{1}, bytes.Repeat([]byte{9}, 200)},
		"none on the final certificate":    {{1, 2, 3}, nil},
		"no extension besides the poison":  {nil, nil},
		"identical keys, different issuer": {{5}, {5}},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			root := authority("Issuing CA", keyIDs[1])
			signer := authority("Precertificate signer", keyIDs[0])
			signer.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 11129, 2, 4, 4}}
			signerDER := issue(t, signer, root, key)
			leaf := func(ext asn1.ObjectIdentifier, value []byte, parent *x509.Certificate) []byte {
				return issue(t, &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "a.example"},
					ExtraExtensions: []pkix.Extension{{Id: ext, Value: value}}}, parent, key)
			}
			precert := leaf(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, []byte{5, 0}, signer)
			final := leaf(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, []byte{4, 2, 0, 0}, root)
			found := NewPrecertSigner(signerDER)
			if found == nil {
				t.Fatal("the signer is not recognised")
			}
			if idOf(precert, found) != idOf(final, nil) {
				t.Error("precertificate and certificate differ")
			}
			if idOf(precert, nil) == idOf(final, nil) {
				t.Error("the signer makes no difference: nothing was tested")
			}
			if NewPrecertSigner(final) != nil || NewPrecertSigner(issue(t, root, root, key)) != nil {
				t.Error("an ordinary certificate is taken for a dedicated signer")
			}
		})
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authority(name string, keyID []byte) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		SubjectKeyId: keyID}
}

func issue(t testing.TB, template, parent *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTBSIDOfBroken: what cannot be taken apart without a doubt is its own identity.
func TestTBSIDOfBroken(t *testing.T) {
	whole := certtest.NewParts()
	whole.Extensions = append(whole.Extensions, certtest.Extension(certtest.Poison, certtest.TLV(5)))
	der := whole.DER()
	parts := func(change func(*certtest.Parts)) []byte {
		p := whole
		p.Extensions = slices.Clone(p.Extensions)
		change(&p)
		return p.DER()
	}
	for name, der := range map[string][]byte{
		"nothing":                    nil,
		"one byte":                   {0x30},
		"no DER":                     []byte("GET / HTTP/1.1"),
		"cut short":                  der[:len(der)-1],
		"data after it":              append(slices.Clone(der), 0),
		"no issuer and what follows": certtest.TLV(certtest.Sequence, certtest.TLV(certtest.Sequence, whole.Version, whole.Serial)),
		"an extension cut short":     parts(func(p *certtest.Parts) { p.Extensions[0] = p.Extensions[0][:5] }),
		"an extension of one byte":   parts(func(p *certtest.Parts) { p.Extensions = append(p.Extensions, []byte{0x30}) }),
		"something behind extensions": parts(func(p *certtest.Parts) {
			p.Extensions = nil
			p.Key = slices.Concat(p.Key, certtest.TLV(0xa3), []byte{5, 0})
		}),
		"extensions of another type": parts(func(p *certtest.Parts) {
			p.Extensions = nil
			p.Key = slices.Concat(p.Key, certtest.TLV(0xa3, certtest.TLV(5)))
		}),
	} {
		if got, want := idOf(der, nil), sha256.Sum256(der); got != want {
			t.Errorf("%s: %x, want the hash of all of it", name, got)
		}
	}
	for name, same := range map[string][]byte{
		"without the poison": parts(func(p *certtest.Parts) { p.Extensions = p.Extensions[:1] }),
		"another signature":  parts(func(p *certtest.Parts) { p.Signature = certtest.TLV(certtest.BitString, []byte{0, 9}) }),
		"both extensions": parts(func(p *certtest.Parts) {
			p.Extensions = append([][]byte{certtest.Extension(certtest.SCTList, certtest.TLV(4))}, p.Extensions...)
		}),
	} {
		if idOf(same, nil) != idOf(der, nil) {
			t.Errorf("%s: another identity", name)
		}
	}
	only := parts(func(p *certtest.Parts) { p.Extensions = p.Extensions[1:] })
	none := parts(func(p *certtest.Parts) { p.Extensions = nil })
	empty := parts(func(p *certtest.Parts) { p.Extensions = [][]byte{} })
	if idOf(only, nil) != idOf(none, nil) || idOf(empty, nil) != idOf(none, nil) {
		t.Error("no extensions are not the same as none left")
	}
}

func TestTBSIDAllocatesNothingAndIsKept(t *testing.T) {
	der := certtest.Names(t, 50)
	other := certtest.Names(t, 51)
	var r Record
	r.Parse(der)
	first := r.TBSID(nil)
	if n := testing.AllocsPerRun(100, func() { r.Parse(der); r.TBSID(nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	r.Parse(other)
	second := r.TBSID(nil)
	if second == first || r.TBSID(nil) != second {
		t.Error("the identity of the certificate before it")
	}
}

// FuzzTBSID holds that any bytes have an identity, the same with or without poison and signature where they can be taken apart,
// and that it is encoding/asn1's where that reads and writes them back.
func FuzzTBSID(f *testing.F) {
	ca := testlog.NewCA("Fuzz")
	precert := ca.Issue(testlog.Shape{Precert: true, DNS: []string{"a.example"}})
	f.Add(precert.DER)
	f.Add(precert.TBS)
	f.Add(ca.Final(precert, make([]byte, 40)).DER)
	f.Add(certtest.NewParts().DER())
	f.Add([]byte{})
	signer := &PrecertSigner{issuer: certtest.Name(certtest.Attribute(certtest.CommonName, certtest.UTF8, "CA")),
		keyID: certtest.TLV(4, []byte{1})}
	var r Record
	f.Fuzz(func(t *testing.T, der []byte) {
		r.Parse(der)
		id := r.TBSID(nil)
		if found := NewPrecertSigner(der); found != nil {
			signer = found
		}
		if signed := idOf(der, signer); r.TBSID(nil) != id || idOf(der, signer) != signed {
			t.Fatal("two identities")
		}
		if c, err := x509.ParseCertificate(der); err == nil {
			if want, ok := plainID(t, c.RawTBSCertificate); ok && id != want {
				t.Fatalf("%x, want %x", id, want)
			}
			if got := idOf(c.RawTBSCertificate, nil); got != id && id != sha256.Sum256(der) {
				t.Fatalf("the bare TBSCertificate is %x, the certificate %x", got, id)
			}
		}
	})
}
