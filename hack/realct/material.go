package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// material is what the logs are filled with.
type material struct {
	entries  []*testlog.Entry
	real     int
	rootsPEM []byte
}

// gather takes real precertificates out of a real log's tiles, where there are any, and issues others.
func gather(data string, count int) (*material, error) {
	m := new(material)
	if data != "" {
		if err := m.readTiles(filepath.Join(data, "tiles", "navigli2025h2")); err != nil {
			return nil, err
		}
	}
	m.real = len(m.entries)
	ca := testlog.NewCA("realct")
	m.entries = append(m.entries, ca.Pool(count)...)
	m.rootsPEM = append(m.rootsPEM, ca.RootPEM()...)
	return m, nil
}

func (m *material) readTiles(dir string) error {
	issuers, err := m.readIssuers(filepath.Join(dir, "issuer"))
	if err != nil {
		return err
	}
	tiles, err := filepath.Glob(filepath.Join(dir, "tile", "data", "*.gz"))
	if err != nil {
		return err
	}
	for _, path := range tiles {
		packed, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		tile, err := io.ReadAll(z)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		entries, err := testlog.ParseTile(tile, func(h testlog.Hash) []byte { return issuers[h] })
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m.entries = append(m.entries, entries...)
	}
	return nil
}

// readIssuers reads the certificates of a log's issuers; all of them are accepted as roots, so that every chain ends at one.
func (m *material) readIssuers(dir string) (map[testlog.Hash][]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	issuers := map[testlog.Hash][]byte{}
	for _, f := range files {
		fingerprint, err := hex.DecodeString(f.Name())
		if err != nil || len(fingerprint) != 32 {
			continue
		}
		der, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		issuers[testlog.Hash(fingerprint)] = der
		if selfSigned(der) {
			m.rootsPEM = append(m.rootsPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
	}
	return issuers, nil
}
