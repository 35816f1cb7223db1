package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is a CA for one run, and a server certificate of it, in files.
type authority struct {
	dir, ca, cert, key string
	pool               *x509.CertPool
}

// newAuthority makes both for the host that clients will use, and for localhost.
func newAuthority(host string) (*authority, error) {
	dir, err := os.MkdirTemp("", "certstream-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the TLS certificate: %w", err)
	}
	a := &authority{
		dir: dir, ca: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		pool: x509.NewCertPool(),
	}
	if err := a.write(host); err != nil {
		a.remove()
		return nil, fmt.Errorf("making a TLS certificate: %w", err)
	}
	return a, nil
}

func (a *authority) remove() { _ = os.RemoveAll(a.dir) } // it is in the temporary folder

func (a *authority) write(host string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("certstream demo CA", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	leaf := template("certstream demo", 2)
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = append(leaf.IPAddresses, ip)
	} else {
		leaf.DNSNames = append(leaf.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return a.writeFiles(caDER, der, keyDER)
}

func (a *authority) writeFiles(ca, cert, key []byte) error {
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{{a.ca, "CERTIFICATE", ca}, {a.cert, "CERTIFICATE", cert}, {a.key, "PRIVATE KEY", key}} {
		if err := os.WriteFile(f.path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return err
		}
	}
	root, err := x509.ParseCertificate(ca)
	if err != nil {
		return err
	}
	a.pool.AddCert(root)
	return nil
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30),
	}
}

// clientTLS trusts the authority; nil without one.
func (a *authority) clientTLS() *tls.Config {
	if a == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.pool}
}
