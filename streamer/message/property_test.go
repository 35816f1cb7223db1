package message

import (
	"bytes"
	"crypto/sha1" // the contract's fingerprint
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// The contract's messages once more, as structs for encoding/json, filled from crypto/x509: an independent second writing.
type (
	jsonMessage struct {
		Type   string   `json:"message_type"`
		Data   jsonData `json:"data"`
		Cursor string   `json:"cursor"`
	}
	jsonData struct {
		UpdateType string          `json:"update_type"`
		Leaf       jsonLeaf        `json:"leaf_cert"`
		Chain      *[]jsonLeaf     `json:"chain,omitempty"`
		Index      uint64          `json:"cert_index"`
		Link       string          `json:"cert_link"`
		Seen       json.RawMessage `json:"seen"`
		Submitted  json.RawMessage `json:"submission_timestamp"`
		Source     jsonSource      `json:"source"`
	}
	jsonSource struct {
		URL       string          `json:"url"`
		Name      string          `json:"name"`
		Operator  string          `json:"operator"`
		Type      string          `json:"type"`
		LogID     []byte          `json:"log_id"`
		Timestamp json.RawMessage `json:"timestamp"`
	}
	jsonName struct {
		C          *string `json:"C"`
		CN         *string `json:"CN"`
		L          *string `json:"L"`
		O          *string `json:"O"`
		OU         *string `json:"OU"`
		ST         *string `json:"ST"`
		Aggregated string  `json:"aggregated"`
		Email      *string `json:"email_address"`
	}
	jsonLeaf struct {
		Subject     jsonName       `json:"subject"`
		Issuer      jsonName       `json:"issuer"`
		Serial      string         `json:"serial_number"`
		NotBefore   int64          `json:"not_before"`
		NotAfter    int64          `json:"not_after"`
		Fingerprint string         `json:"fingerprint"`
		SHA1        string         `json:"sha1"`
		SHA256      string         `json:"sha256"`
		Algorithm   string         `json:"signature_algorithm"`
		IsCA        bool           `json:"is_ca"`
		Domains     []string       `json:"all_domains"`
		DER         []byte         `json:"as_der,omitempty"`
		Extensions  jsonExtensions `json:"extensions"`
	}
	jsonExtensions struct {
		AuthorityKeyID string `json:"authorityKeyIdentifier,omitempty"`
		Constraints    string `json:"basicConstraints,omitempty"`
		Policies       string `json:"certificatePolicies,omitempty"`
		AltName        string `json:"subjectAltName,omitempty"`
		SubjectKeyID   string `json:"subjectKeyIdentifier,omitempty"`
		Poison         bool   `json:"ctlPoisonByte,omitempty"`
	}
)

// fromX509 makes a leaf object of what crypto/x509 read. The record gives only what crypto/x509 does not keep in order.
func fromX509(c *x509.Certificate, r *certificate.Record, withDER, poison bool) jsonLeaf {
	one, two := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
	leaf := jsonLeaf{
		Subject: nameFromX509(c.Subject), Issuer: nameFromX509(c.Issuer), Serial: fmt.Sprintf("%X", c.SerialNumber.Bytes()),
		NotBefore: c.NotBefore.Unix(), NotAfter: c.NotAfter.Unix(), Fingerprint: colons(one[:]), SHA1: colons(one[:]),
		SHA256: colons(two[:]), Algorithm: r.SignatureAlgorithm, IsCA: c.IsCA, Domains: []string{},
	}
	if leaf.Serial == "" {
		leaf.Serial = "00"
	}
	for _, name := range r.Domains() {
		leaf.Domains = append(leaf.Domains, strings.ToValidUTF8(string(name), "\ufffd"))
	}
	if withDER {
		leaf.DER = c.Raw
	}
	x := &leaf.Extensions
	x.Poison = poison
	if c.Version < 3 {
		return leaf
	}
	if c.BasicConstraintsValid {
		x.Constraints = "CA:" + strings.ToUpper(fmt.Sprint(c.IsCA))
	}
	if c.AuthorityKeyId != nil {
		x.AuthorityKeyID = "keyid:" + strings.ToLower(colons(c.AuthorityKeyId))
	}
	if c.SubjectKeyId != nil {
		x.SubjectKeyID = "keyid:" + strings.ToLower(colons(c.SubjectKeyId))
	}
	for _, policy := range c.Policies {
		x.Policies += "Policy: " + policy.String() + "\n"
	}
	var names []string
	for kind, value := range r.AltNames {
		switch kind {
		case certificate.DNSName:
			names = append(names, "DNS:"+string(value))
		case certificate.RFC822Name:
			names = append(names, "email:"+string(value))
		case certificate.IPAddress:
			ip, _ := netip.AddrFromSlice(value)
			names = append(names, "IP Address:"+ip.String())
		}
	}
	x.AltName = strings.Join(names, ", ")
	return leaf
}

func nameFromX509(n pkix.Name) jsonName {
	var out jsonName
	keys := map[string]**string{"2.5.4.6": &out.C, "2.5.4.3": &out.CN, "2.5.4.7": &out.L, "2.5.4.10": &out.O, "2.5.4.11": &out.OU,
		"2.5.4.8": &out.ST, "1.2.840.113549.1.9.1": &out.Email}
	for _, a := range n.Names {
		field, ok := keys[a.Type.String()]
		if !ok {
			continue
		}
		value := strings.ToValidUTF8(fmt.Sprint(a.Value), "\ufffd")
		if *field != nil {
			value = **field + "," + value
		}
		*field = &value
	}
	for _, part := range []struct {
		key   string
		value *string
	}{{"C", out.C}, {"CN", out.CN}, {"L", out.L}, {"O", out.O}, {"OU", out.OU}, {"ST", out.ST}} {
		if part.value != nil {
			out.Aggregated += "/" + part.key + "=" + *part.value
		}
	}
	return out
}

// expected is the whole message in the second writing.
func expected(e *engine.Entry, r *certificate.Record, k Kind, chain []jsonLeaf) (jsonMessage, error) {
	c, err := x509.ParseCertificate(e.DER)
	if err != nil {
		return jsonMessage{}, err
	}
	update, poison := "X509LogEntry", r.Poison
	if e.Type == engine.PrecertEntry {
		update, poison = "PrecertLogEntry", true
	}
	stamp := json.RawMessage(fmt.Sprintf("%d.%03d", e.Timestamp/1000, e.Timestamp%1000))
	link := fmt.Sprintf("%s/ct/v1/get-entries?start=%d&end=%d", e.Source.URL, e.Index, e.Index)
	if e.Source.Protocol == engine.Tiled {
		tile := tlog.Tile{H: 8, L: -1, N: int64(e.Index / 256), W: 256}
		link = e.Source.URL + "/" + strings.Replace(tile.Path(), "tile/8/data", "tile/data", 1)
	}
	m := jsonMessage{
		Type: "certificate_update", Cursor: engine.Cursor{Epoch: "e1", Offset: e.Offset}.String(),
		Data: jsonData{
			UpdateType: update, Leaf: fromX509(c, r, k == Full, poison), Index: e.Index, Link: strings.ToValidUTF8(link, "\ufffd"),
			Seen: json.RawMessage(fmt.Sprintf("%d.%03d", e.Seen/1000, e.Seen%1000)), Submitted: stamp,
			Source: jsonSource{URL: e.Source.URL, Name: e.Source.Name, Operator: e.Source.Operator, Type: string(e.Source.Protocol),
				LogID: e.Source.LogID[:], Timestamp: stamp},
		},
	}
	if k == Full {
		m.Data.Chain = &chain
	}
	return m, nil
}

// compare decodes both writings and compares, but for the extensions that only the contract's tests look at.
func compare(t *rapid.T, text []byte, want jsonMessage) {
	got, second := decode(t, text), decode(t, standard(t, want))
	leafs := []any{got["data"].(object)["leaf_cert"]}
	if chain, ok := got["data"].(object)["chain"].([]any); ok {
		leafs = append(leafs, chain...)
	}
	for _, leaf := range leafs {
		extensions := leaf.(object)["extensions"].(object)
		for _, key := range []string{"authorityInfoAccess", "keyUsage", "extendedKeyUsage"} {
			delete(extensions, key)
		}
	}
	if diff := cmp.Diff(second, got); diff != "" {
		t.Fatalf("-encoding/json +ours:\n%s", diff)
	}
}

// numbered is a certificate that failures show by its number.
type numbered struct {
	number int
	der    []byte
}

func (n numbered) GoString() string { return fmt.Sprintf("certificate %d", n.number) }

// TestAgainstEncodingJSON encodes entries with certificates of all sets and anything else at random.
func TestAgainstEncodingJSON(t *testing.T) {
	var certificates [][]byte
	for _, set := range append(certtest.Shared(t), certtest.Generated(t)...) {
		for _, der := range set.Certificates {
			if c, err := x509.ParseCertificate(der); err == nil && c.Version == 3 {
				certificates = append(certificates, der)
			}
		}
	}
	x := NewEncoder("e1")
	var r, issuer certificate.Record
	rapid.Check(t, func(t *rapid.T) {
		pick := rapid.Map(rapid.IntRange(0, len(certificates)-1), func(i int) numbered { return numbered{i, certificates[i]} })
		e := &engine.Entry{
			Offset: rapid.Uint64().Draw(t, "offset"), Index: rapid.Uint64Range(0, 1<<50).Draw(t, "index"),
			Timestamp: rapid.Uint64().Draw(t, "timestamp"), Seen: rapid.Int64Range(0, 1<<45).Draw(t, "seen"), DER: pick.Draw(t,
				"certificate").der,
			Type: engine.EntryType(rapid.IntRange(0, 1).Draw(t, "type")),
			Source: &engine.Source{Name: rapid.String().Draw(t, "name"), Operator: rapid.String().Draw(t, "operator"),
				URL:      "https://" + rapid.StringMatching(`[a-z]{1,9}/[a-z"&<]{0,9}`).Draw(t, "url"),
				Protocol: rapid.SampledFrom([]engine.Protocol{engine.RFC6962, engine.Tiled}).Draw(t, "protocol")},
		}
		copy(e.Source.LogID[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "log id"))
		issuers, chain := chainOf{}, []jsonLeaf{}
		for _, issuing := range rapid.SliceOfN(pick, 0, 2).Draw(t, "chain") {
			der := issuing.der
			fp := engine.Fingerprint(sha256.Sum256(der))
			issuers[fp] = AppendChainElement(nil, der)
			e.Chain = append(e.Chain, fp)
			issuer.Parse(der)
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, fromX509(c, &issuer, true, issuer.Poison))
		}
		r.Parse(e.DER)
		x.Begin(e, &r, issuers)
		for _, k := range rapid.Permutation([]Kind{Full, Lite}).Draw(t, "kinds") {
			want, err := expected(e, &r, k, chain)
			if err != nil {
				t.Fatal(err)
			}
			text, ok := x.Append(nil, k)
			if !ok {
				t.Fatalf("no %s message", k)
			}
			compare(t, withoutParseError(text), want)
		}
	})
}

// withoutParseError drops the one note that certificates have which crypto/x509 accepts.
func withoutParseError(text []byte) []byte {
	note := []byte(`,"parse_error":"subjectAltName: name of an unknown kind or length"`)
	return bytes.ReplaceAll(text, note, nil)
}

// TestDomainsAgainstEncodingJSON has any names, before and after the leaf has been encoded.
func TestDomainsAgainstEncodingJSON(t *testing.T) {
	x := NewEncoder("e1")
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "names")
		p := certtest.NewParts()
		p.Subject = certtest.Name()
		p.Extensions = [][]byte{certtest.Extension(certtest.SubjectAltName, certtest.AltNames(names...))}
		e := testEntry(p.DER())
		var r certificate.Record
		r.Parse(e.DER)
		x.Begin(e, &r, nil)
		if rapid.Bool().Draw(t, "lite first") {
			x.Append(nil, Lite)
		}
		text, ok := x.Append(nil, Domains)
		var unique []string
		for _, name := range names {
			if !slices.Contains(unique, name) {
				unique = append(unique, name)
			}
		}
		want := `{"message_type":"dns_entries","data":` + string(standard(t, unique)) + `,"cursor":"e1-4711"}`
		if !ok || string(text) != want {
			t.Fatalf("got  %s\nwant %s", text, want)
		}
	})
}
