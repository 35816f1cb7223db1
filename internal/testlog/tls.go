package testlog

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"time"
)

// TLSConfig makes a server's configuration with a certificate of the CA for some names and addresses. A negative lifetime makes
// one that has expired.
func (ca *CA) TLSConfig(lifetime time.Duration, names ...string) *tls.Config {
	s := Shape{EKU: serverAuth, Lifetime: lifetime}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			s.IPs = append(s.IPs, ip)
		} else {
			s.DNS = append(s.DNS, name)
		}
	}
	e := ca.Issue(s)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{e.DER, ca.Intermediate}, PrivateKey: ca.leafKey}},
	}
}

// RootPEM is the CA's root as a PEM file holds it.
func (ca *CA) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Root})
}
