package message

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of indented JSON: one message a line in the wire's form, indented for people to review.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	indented.WriteByte('\n')
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("%s (-want +got), -update accepts it:\n%s", path, diff)
	}
}

// TestGoldenEntries encodes what logs serve: sound, odd, broken and none.
func TestGoldenEntries(t *testing.T) {
	entries := map[string]*engine.Entry{"precert-tiled": testEntry(precert()), "odd": testEntry(odd()),
		"cut-short": testEntry(precert()[:200]), "unreadable": testEntry([]byte("no certificate")), "unknown-type": testEntry(nil)}
	entries["precert-tiled"].Type, entries["precert-tiled"].Source = engine.PrecertEntry, testSource(engine.Tiled)
	entries["unknown-type"].Type = 7
	for name, e := range entries {
		t.Run(name, func(t *testing.T) {
			e.Chain = []engine.Fingerprint{{1}}
			var r certificate.Record
			r.Parse(e.DER)
			x := NewEncoder("1x9k2")
			x.Begin(e, &r, fixedChain(AppendChainElement(nil, precert())))
			for _, k := range []Kind{Full, Lite, Domains} {
				if text, ok := x.Append(nil, k); ok {
					golden(t, name+"."+k.String(), text)
				} else if name == "precert-tiled" || name == "odd" {
					t.Errorf("no %s message", k)
				}
			}
		})
	}
}

// TestGoldenControl has the messages that are not about certificates.
func TestGoldenControl(t *testing.T) {
	from, to := engine.Cursor{Epoch: "1x9k2", Offset: 100}, engine.Cursor{Epoch: "1x9k2", Offset: 142}
	golden(t, "heartbeat", AppendHeartbeat(nil, time.UnixMilli(1795209880358), to))
	golden(t, "gap", AppendGap(nil, Gap{Reason: GapExpired, Missed: 42, From: from, To: to}))
	golden(t, "gap-epoch", AppendGap(nil, Gap{Reason: GapEpoch, Unknown: true, From: engine.Cursor{Epoch: "0ld",
		Offset: 7}, To: to}))
	golden(t, "gap-ingest", AppendGap(nil, Gap{Reason: GapIngest, Missed: 9000, Log: "Test log '2026h1'", FromIndex: 1000,
		ToIndex: 10000}))
}

// TestExample has the bundled entry in all kinds.
func TestExample(t *testing.T) {
	for _, k := range []Kind{Full, Lite, Domains} {
		golden(t, "example."+k.String(), Example(k))
	}
	o := decode(t, Example(Full))
	check(t, o, object{"data.leaf_cert.all_domains": []any{"www.oxfordplayhouse.com", "oxfordplayhouse.com"},
		"data.leaf_cert.sha256": "15:77:4F:28:85:BB:7B:78:06:4F:D0:5A:79:4B:D9:08:2A:BF:8B:9F:E8:CE:CD:86:B5:B0:44:1E:89:3E:BA:A5",
		"data.source.log_id":    "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA=", "cursor": "example-4"})
	absent(t, at(t, o, "data.leaf_cert"), "parse_error")
	if chain := at(t, o, "data.chain").([]any); len(chain) != 2 {
		t.Errorf("%d elements in the chain", len(chain))
	} else {
		check(t, chain[0].(object), object{"subject.CN": "GlobalSign Extended Validation CA - G2"})
		check(t, chain[1].(object), object{"subject.CN": "GlobalSign"})
	}
}

// precert is a precertificate as logs see most.
func precert() []byte {
	p := certtest.NewParts()
	p.Extensions = append(p.Extensions, certtest.Extension(certtest.Poison, certtest.TLV(5)),
		certtest.Extension(certtest.AuthorityKeyID, certtest.TLV(certtest.Sequence, certtest.TLV(0x80, []byte{0xaa, 0xbb, 0xcc}))),
		certtest.Extension(certtest.BasicConstraints, certtest.TLV(certtest.Sequence)),
		certtest.Extension(certtest.KeyUsage, certtest.TLV(certtest.BitString, []byte{5, 0xa0})))
	return p.DER()
}

// odd has what issuers do now and then.
func odd() []byte {
	p := certtest.NewParts()
	p.Serial = certtest.TLV(certtest.Integer, []byte{0xff, 0x00, 0x01})
	p.Subject = certtest.Name(
		certtest.Attribute(certtest.Organization, certtest.BMP, "\x00B\x00\xfc\x00r\x00o"),
		certtest.Attribute(certtest.OrgUnit, certtest.UTF8, "a \"quoted\" <unit> & \\ more\u2028"),
		certtest.Attribute(certtest.OrgUnit, certtest.T61, "\xe4\x01"),
		certtest.Attribute(certtest.CommonName, certtest.UTF8, "broken\xffname.example"),
		certtest.Attribute(certtest.Email, certtest.IA5, "post@example.com"))
	p.Validity = certtest.TLV(certtest.Sequence, certtest.TLV(certtest.UTCTime, []byte("never")),
		certtest.TLV(certtest.UTCTime, []byte("300101000000Z")))
	p.Extensions = append(p.Extensions, certtest.Extension(certtest.SubjectKeyID, []byte("junk")))
	return p.DER()
}
