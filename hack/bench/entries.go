package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Every certificate's first name says when it was appended, in µs, so that the load generator can tell how long it took.
const (
	stampDigits = 16
	stampSuffix = ".bench.example"
)

// blank is a name to be stamped.
var blank = strings.Repeat("0", stampDigits) + stampSuffix

// template is a certificate with a blank name, whose message has a certain size.
type template struct {
	der   []byte
	where []int // where the digits are
}

// newTemplate makes a certificate whose message of a kind has about size bytes.
func newTemplate(kind message.Kind, size int) (*template, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	names := []string{blank}
	for {
		cert := &x509.Certificate{SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "Bench CA"}, DNSNames: names,
			NotBefore: time.Unix(1.7e9, 0), NotAfter: time.Unix(1.8e9, 0), KeyUsage: x509.KeyUsageDigitalSignature}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
		if err != nil {
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
		length := messageSize(der, kind)
		if length >= size {
			return findStamps(der), nil
		}
		names = append(names, fmt.Sprintf("%s%d.example.org", strings.Repeat("a", min(40, max(1, (size-length)/2-20))), len(names)))
	}
}

func findStamps(der []byte) *template {
	t := &template{der: der}
	for at, text := 0, string(der); ; {
		i := strings.Index(text[at:], blank)
		if i < 0 {
			return t
		}
		t.where = append(t.where, at+i)
		at += i + 1
	}
}

var benchSource = &engine.Source{Name: "Bench 2026h2", Operator: "Bench",
	URL: "https://ct.example/2026h2", Protocol: engine.RFC6962}

// messageSize is the size of a certificate's message of a kind.
func messageSize(der []byte, kind message.Kind) int {
	var record certificate.Record
	record.Parse(der)
	e := &engine.Entry{Offset: 1e6, Source: benchSource, Index: 1e9, DER: der, Seen: 17e11, Timestamp: 17e11}
	encoder := message.NewEncoder("1epoch")
	encoder.Begin(e, &record, nil)
	json, _ := encoder.Append(nil, kind)
	return len(json)
}

// stampInto writes the certificate, stamped with a time, into dst.
func (t *template) stampInto(dst []byte, now time.Time) []byte {
	dst = append(dst[:0], t.der...)
	digits := strconv.AppendInt(nil, now.UnixMicro(), 10)
	for _, at := range t.where {
		copy(dst[at:at+stampDigits], digits)
	}
	return dst
}
