package client

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What the servers there are send, shortened (their forms differ in the envelope, in null and absent keys, and in times).
const (
	ours = `{"message_type":"certificate_update","data":{"update_type":"PrecertLogEntry","leaf_cert":{"subject":{"C":null,"CN":null,` +
		`"aggregated":""},"issuer":{"CN":"R13","O":"Let's Encrypt","aggregated":"/CN=R13/O=Let's Encrypt"},"serial_number":"06AB",` +
		`"not_before":1779235200,"not_after":1787097599,"sha256":"AA:BB","is_ca":false,"all_domains":["a.test","b.test"],` +
		`"as_der":"AQID","extensions":{"ctlPoisonByte":true,"keyUsage":"Digital Signature"},"parse_error":"bad AIA"},` +
		`"chain":[{"all_domains":[],"as_der":"BA=="}],"cert_index":7,"cert_link":"https://log/x","seen":1700000000.25,` +
		`"submission_timestamp":1779302890.213,"source":{"url":"https://log","name":"Log","operator":"Op","type":"tiled","log_id":"AA=="}},` +
		`"cursor":"e-9"}`
	elixir = `{"message_type":"certificate_update","data":{"update_type":"X509LogEntry","leaf_cert":{"subject":{"CN":"a.test","C":null,` +
		`"emailAddress":null},"not_before":1508123861.0,"not_after":"no_expiration","all_domains":["a.test"]},"chain":[],` +
		`"cert_index":19587936,"seen":1508483726.8601687,"source":{"url":"mammoth.ct.comodo.com","name":"Comodo"}}}`
	goServer    = "{\"data\":{\"cert_index\":6,\"leaf_cert\":{\"all_domains\":null},\"source\":{\"timestamp\":1.5}},\"message_type\":\"certificate_update\"}\n"
	rustDomains = `{"message_type":"certificate_update","data":{"update_type":"X509LogEntry","all_domains":["a.example"],"seen":1767225600.123,` +
		`"source":{"name":"Argon","url":"https://ct"}}}`
	rustGap = `{"message_type":"gap","dropped":12,"disconnecting":true}`
)

func decode(t *testing.T, raw string) Event {
	t.Helper()
	m, err := parseMessage([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Event()
}

func TestDecode(t *testing.T) {
	instant := func(s float64) Time { return Time{time.UnixMicro(int64(s * 1e6)).UTC()} }
	for name, c := range map[string]struct {
		raw  string
		want Event
	}{
		"ours": {ours, &Certificate{
			Cursor: "e-9", UpdateType: "PrecertLogEntry", Index: 7, Link: "https://log/x",
			Leaf: Leaf{
				Issuer:       Name{CN: "R13", O: "Let's Encrypt", Aggregated: "/CN=R13/O=Let's Encrypt"},
				SerialNumber: "06AB", NotBefore: instant(1779235200), NotAfter: instant(1787097599), SHA256: "AA:BB",
				AllDomains: []string{"a.test", "b.test"}, DER: []byte{1, 2, 3}, ParseError: "bad AIA",
				Extensions: map[string]any{"ctlPoisonByte": true, "keyUsage": "Digital Signature"},
			},
			Chain: []Leaf{{AllDomains: []string{}, DER: []byte{4}}},
			Seen:  instant(1700000000.25), Submitted: instant(1779302890.213),
			Source: Source{URL: "https://log", Name: "Log", Operator: "Op", Type: "tiled", LogID: "AA=="},
		}},
		"Elixir": {elixir, &Certificate{
			UpdateType: "X509LogEntry", Index: 19587936, Seen: Time{time.UnixMicro(1508483726860169).UTC()}, Chain: []Leaf{},
			Leaf:   Leaf{Subject: Name{CN: "a.test"}, NotBefore: instant(1508123861), AllDomains: []string{"a.test"}},
			Source: Source{URL: "mammoth.ct.comodo.com", Name: "Comodo"},
		}},
		"certstream-server-go":      {goServer, &Certificate{Index: 6, Submitted: instant(1.5)}},
		"Rust 1.0 domains-only":     {rustDomains, &DomainNames{Names: []string{"a.example"}}},
		"domains":                   {`{"message_type":"dns_entries","data":["a","b"],"cursor":"e-1"}`, &DomainNames{Cursor: "e-1", Names: []string{"a", "b"}}},
		"heartbeat":                 {`{"message_type":"heartbeat","timestamp":1.5,"cursor":"e-1"}`, &Heartbeat{Cursor: "e-1", Time: instant(1.5)}},
		"Rust heartbeat":            {`{"message_type":"heartbeat"}`, &Heartbeat{}},
		"gap":                       {`{"message_type":"gap","data":{"reason":"slow","missed":3,"from":"e-1","to":"e-4"},"cursor":"e-4"}`, &Gap{Cursor: "e-4", Reason: "slow", Missed: 3, From: "e-1", To: "e-4"}},
		"gap of an unknown epoch":   {`{"message_type":"gap","data":{"reason":"epoch","missed":null}}`, &Gap{Reason: "epoch", Missed: -1}},
		"skip of a log":             {`{"message_type":"gap","data":{"reason":"ingest","missed":5,"log":"L","from_index":1,"to_index":6}}`, &Gap{Reason: "ingest", Missed: 5, Log: "L", FromIndex: 1, ToIndex: 6}},
		"Rust 1.6 gap":              {rustGap, &Gap{Missed: 12}},
		"a type of a later version": {`{"message_type":"news"}`, &Unknown{}},
	} {
		got := decode(t, c.raw)
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Unknown{}, "Message")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	for _, raw := range []string{"", "[]x", `"text"`, "<html>"} {
		if _, err := parseMessage([]byte(raw)); err == nil {
			t.Errorf("%q was taken for a message", raw)
		}
	}
	for raw, want := range map[string]string{
		`{"message_type":"certificate_update","data":{}}`: "without leaf_cert",
		`{"message_type":"certificate_update"}`:           "unexpected end",
		`{"message_type":"dns_entries","data":{"a":1}}`:   "cannot unmarshal",
		`{"message_type":"certificate_update","data":[]}`: "cannot unmarshal array",
	} {
		u, ok := decode(t, raw).(*Unknown)
		if !ok || u.Err == nil || !strings.Contains(u.Err.Error(), want) {
			t.Errorf("%s: %+v, want %q", raw, u, want)
		}
	}
}

// The quick way to read an envelope is not taken where it would be wrong.
func TestCutMessage(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"message_type":"dns_entries","data":["a"],"cursor":"e-1"}`: true,
		ours: true,
		`{"message_type":"dns_entries","data":{"a":1,"cursor":"e-1"}}`:                    false,
		`{"message_type":"dns_entries","data":["a"]}`:                                     false,
		`{"message_type":"dns_entries","data":["a"],"cursor":"e-1","later":1}`:            false,
		`{"message_type":"dns_entries","data":["a"],"cursor":"e\u002d1"}`:                 false,
		`{"message_type":"heartbeat","timestamp":1.5,"cursor":"e-1"}`:                     false,
		`{"message_type":"dns_entries","data":[",\"cursor\":\"x-9\"}"],"cursor":"e-1"}`:   true,
		`{"data":["a"],"message_type":"dns_entries","cursor":"e-1"}`:                      false,
		`{"message_type":"dns_entries","data":[{"cursor":"e-2"},{"b":1,"cursor":"e-3"}]}`: false,
	} {
		m, ok := cutMessage([]byte(raw))
		if ok != want || ok && m.Cursor != "e-1" && m.Cursor != "e-9" {
			t.Errorf("%s: %v, cursor %q", raw, ok, m.Cursor)
		}
	}
}

// A field that is not what it should be hides no name.
func TestFieldsAtFault(t *testing.T) {
	for _, leaf := range []string{
		`{"as_der":"%%%","all_domains":["a.test"]}`, `{"serial_number":17,"all_domains":["a.test"]}`,
		`{"subject":"CN=a","all_domains":["a.test"]}`, `{"subject":{"CN":["a"]},"all_domains":["a.test"]}`,
		`{"all_domains":["a.test"],"extensions":[]}`,
	} {
		c, ok := decode(t, `{"message_type":"certificate_update","data":{"leaf_cert":`+leaf+`,"cert_index":7},"cursor":"e-1"}`).(*Certificate)
		if !ok || c.Err == nil || c.Index != 7 || c.Cursor != "e-1" || !cmp.Equal(c.Leaf.AllDomains, []string{"a.test"}) {
			t.Errorf("%s: %+v", leaf, c)
		}
	}
}

func TestIdentity(t *testing.T) {
	c := &Certificate{UpdateType: "PrecertLogEntry", Index: 7, Source: Source{URL: "https://ct.example/log/"}}
	if got := c.ID(); got != "https://ct.example/log#7" {
		t.Errorf("ID %s", got)
	}
	if !c.IsPrecertificate() || (&Certificate{UpdateType: "X509LogEntry"}).IsPrecertificate() {
		t.Error("precertificates are not told from certificates")
	}
}
