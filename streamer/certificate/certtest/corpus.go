// Package certtest has certificates for tests: the real ones of the shared data where they are present, ones made with
// crypto/x509 in many shapes, and a builder for broken ones.
package certtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

// Set is a named list of certificates.
type Set struct {
	Name         string
	Certificates [][]byte
}

// files are the tables of certificates in the shared data, and tiles its data tiles.
var (
	files = []string{"certs/leafs-real-2019.tsv.gz", "certs/vectors-zlint.tsv.gz", "certs/vectors-pyca.tsv.gz",
		"certs/vectors-zcrypto.tsv.gz", "roots/accepted-roots.tsv.gz"}
	tiles = []string{"tiles/navigli2025h2/tile/data/*.gz", "tiles/tesseract-example/tile/data/*.gz"}
)

// Shared returns the certificates of the shared data, a set per file; none where it is not present.
func Shared(tb testing.TB) []Set {
	tb.Helper()
	dir := shareddata.Dir(tb)
	if dir == "" {
		return nil
	}
	var sets []Set
	for _, name := range files {
		sets = append(sets, Set{Name: filepath.Base(name), Certificates: table(tb, filepath.Join(dir, name))})
	}
	for _, pattern := range tiles {
		set := Set{Name: strings.Split(pattern, "/")[1]}
		for _, b := range tilesOf(tb, filepath.Join(dir, pattern)) {
			set.Certificates = append(set.Certificates, tile(tb, b)...)
		}
		sets = append(sets, set)
	}
	return sets
}

// Tiles returns the data tiles of the shared data, inflated; none where it is not present.
func Tiles(tb testing.TB) (all [][]byte) {
	tb.Helper()
	if dir := shareddata.Dir(tb); dir != "" {
		for _, pattern := range tiles {
			all = append(all, tilesOf(tb, filepath.Join(dir, pattern))...)
		}
	}
	return all
}

// tilesOf reads the full tiles that a pattern matches.
func tilesOf(tb testing.TB, pattern string) (all [][]byte) {
	tb.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		tb.Fatalf("data tiles %s: %d files, %v", pattern, len(names), err)
	}
	for _, name := range names {
		if !strings.Contains(name, ".p") {
			all = append(all, gunzip(tb, name))
		}
	}
	return all
}

func gunzip(tb testing.TB, name string) []byte {
	tb.Helper()
	packed, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return b
}

// table reads rows of `sha256 TAB source TAB kind TAB base64(DER)`.
func table(tb testing.TB, name string) [][]byte {
	tb.Helper()
	var all [][]byte
	lines := bufio.NewScanner(bytes.NewReader(gunzip(tb, name)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		columns := strings.Split(lines.Text(), "\t")
		der, err := base64.StdEncoding.DecodeString(columns[len(columns)-1])
		if err != nil {
			tb.Fatalf("%s: row %d: %v", name, len(all)+1, err)
		}
		all = append(all, der)
	}
	if err := lines.Err(); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return all
}

// tile reads the precertificates of a data tile (static-ct-api, "Log Entries"); real tiles hold few others.
func tile(tb testing.TB, b []byte) [][]byte {
	tb.Helper()
	var all [][]byte
	next := func(prefix int) []byte {
		n := 0
		for _, c := range b[:prefix] {
			n = n<<8 | int(c)
		}
		body := b[prefix : prefix+n]
		b = b[prefix+n:]
		return body
	}
	for len(b) > 0 {
		precert := b[9] == 1
		b = b[10:] // timestamp, entry type
		if precert {
			b = b[32:] // issuer key hash
		}
		der := next(3)
		next(2) // extensions
		if precert {
			der = next(3)
		}
		all = append(all, der)
		next(2) // chain fingerprints
	}
	return all
}
