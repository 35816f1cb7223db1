package client

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// summary is an event in a line, as a program that reads any server would see it.
func summary(e Event) string {
	switch e := e.(type) {
	case *Certificate:
		kind := "certificate"
		if e.IsPrecertificate() {
			kind = "precertificate"
		}
		fault := ""
		if e.Err != nil {
			fault = " fault"
		}
		return fmt.Sprintf("%s %s of %s by %q, until %d, %d DER, chain %d, sct %d%s", kind, strings.Join(e.Leaf.AllDomains, ","), e.ID(),
			e.Leaf.Issuer.Aggregated, max(e.Leaf.NotAfter.Unix(), 0), len(e.Leaf.DER), len(e.Chain), max(e.Submitted.Unix(), 0), fault)
	case *DomainNames:
		return "names " + strings.Join(e.Names, ",")
	case *Gap:
		return fmt.Sprintf("gap %d", e.Missed)
	case *Heartbeat:
		return "heartbeat"
	}
	return fmt.Sprintf("%T", e)
}

// TestOlderServers reads what the servers that came before send, over the frames they send it in. Their forms differ in the
// envelope's order, in null and absent keys, in times, in slashes, in what a names-only message is, and in faults of their own.
func TestOlderServers(t *testing.T) {
	const zero = `"/C=AT/CN=ZeroSSL ECC DV SSL CA 2/O=ZeroSSL GmbH"`
	argon := "precertificate www.yxwv.app.railscloud.co of https://ct.googleapis.com/logs/us1/argon2026h2#1111014096 by " + zero
	want := map[string][]string{
		"elixir.jsonl": {
			`certificate e-zigarette-liquid-shop.de,www.e-zigarette-liquid-shop.de of mammoth.ct.comodo.com#19587936 by "", until 1515899861, 0 DER, chain 1, sct 0 fault`,
			`certificate a.example,www.a.example of https://ct.example/log#7 by "/C=US/CN=R13/O=Let's Encrypt", until 0, 3 DER, chain 0, sct 0`,
			"names b.example,a.example",
		},
		"certstream-server-go.jsonl": {
			"precertificate www.yxwv.app.railscloud.co of http://127.0.0.1:9301/log#6 by " + zero + ", until 1787097599, 15 DER, chain 1, sct 1779302890",
			`precertificate m.cbs-alumni.net of http://127.0.0.1:9302/log#4 by "/C=US/CN=R13/O=Let's Encrypt", until 1787097599, 0 DER, chain 0, sct 1779302891`,
			"names m.cbs-alumni.net",
		},
		"certstream-server-rust-1.0.jsonl": {"heartbeat", argon + ", until 1787097599, 0 DER, chain 0, sct 0", "names a.example"},
		"certstream-server-rust-1.5.jsonl": {
			"heartbeat", argon + ", until 1787097599, 15 DER, chain 1, sct 1779302890",
			argon + ", until 1787097599, 0 DER, chain 0, sct 1779302890", "names a.example,b.example",
		},
		"certstream-server-rust-1.6.jsonl": {"heartbeat", "names a.example", "names c.example", "gap 12"},
		"go-certstream.jsonl": {
			`certificate i5jvk6jku8pyorbl.myfritz.net of http://127.0.0.1:9303/log#12 by "/CN=R13/O=Let's Encrypt/C=US", until 1787075381, 0 DER, chain 0, sct 0`,
			`certificate  of http://127.0.0.1:9303/log#13 by "/CN=R13/O=Let's Encrypt/C=US", until 1787075381, 0 DER, chain 0, sct 0`,
		},
	}
	for server, messages := range peerMessages(t) {
		t.Run(server, func(t *testing.T) {
			s := newFakeServer(t, script{messages: messages, binary: strings.Contains(server, "rust-1.0"), stay: true})
			events, _, err := read(t, Options{URL: s.ws()}, len(messages))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, summary(e))
			}
			if diff := cmp.Diff(want[server], got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
