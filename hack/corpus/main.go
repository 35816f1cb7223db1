// Corpus gathers real certificates for the demo out of the test data of pinned Go modules: those that go.mod names. It writes
// one file of static-ct-api tile leaves (data tiles without the limit of 256).
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	if out == "" {
		return errors.New("-o FILE is missing")
	}
	modules, err := required()
	if err != nil {
		return err
	}
	c := corpus{seen: map[[32]byte]bool{}}
	for _, m := range modules {
		dir, err := download(m)
		if err != nil {
			return err
		}
		before := c.leaves
		if err := c.addModule(dir); err != nil {
			return fmt.Errorf("reading %s: %w", m, err)
		}
		fmt.Printf("  %-60s %5d certificates\n", m, c.leaves-before)
	}
	// Written aside and renamed: a build that was interrupted must not leave half a corpus.
	if err := os.WriteFile(out+".new", c.data.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(out+".new", out)
}

// required lists go.mod's modules as path@version.
func required() ([]string, error) {
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := goJSON(&mod, "mod", "edit", "-json"); err != nil {
		return nil, err
	}
	var modules []string
	for _, r := range mod.Require {
		modules = append(modules, r.Path+"@"+r.Version)
	}
	return modules, nil
}

// download gives the folder of a module in the module cache.
func download(module string) (string, error) {
	var answer struct{ Dir, Error string }
	if err := goJSON(&answer, "mod", "download", "-json", module); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return "", fmt.Errorf("downloading %s: %s", module, answer.Error)
	}
	return answer.Dir, nil
}

func goJSON(into any, args ...string) error {
	command := exec.Command("go", args...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil && len(output) == 0 {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(output, into)
}

// corpus is what has been gathered.
type corpus struct {
	data   bytes.Buffer
	leaves int
	seen   map[[32]byte]bool
}

// addModule adds the certificates below every testdata folder, and a module's data tile.
func (c *corpus) addModule(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(path, string(filepath.Separator)+"testdata"+string(filepath.Separator)) {
			return err
		}
		switch {
		case entry.Name() == "example_tile":
			return c.addTile(path)
		case strings.HasSuffix(entry.Name(), ".chain"):
			return nil // issuers only
		}
		return c.addFile(path)
	})
}

// addTile takes a data tile as it is: its leaves are precertificates with all that belongs to them.
func (c *corpus) addTile(path string) error {
	tile, err := os.ReadFile(path)
	c.data.Write(tile)
	c.leaves += 256
	return err
}

// addFile adds a file's certificates: PEM, or one DER.
func (c *corpus) addFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if isCertificate(b) {
		c.add(b)
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" && isCertificate(block.Bytes) {
			c.add(block.Bytes)
		}
	}
	return nil
}

// isCertificate sees a SEQUENCE that begins with a SEQUENCE and is as long as it says. What is wrong further inside is what
// makes these certificates worth showing.
func isCertificate(b []byte) bool {
	return len(b) > 8 && len(b) < 1<<16 && b[0] == 0x30 && b[1] == 0x82 && b[4] == 0x30 && int(binary.BigEndian.Uint16(b[2:])) == len(b)-4
}

// add writes a TileLeaf (static-ct-api): no time, x509_entry, the certificate, no extensions, no issuers.
func (c *corpus) add(der []byte) {
	sum := sha256.Sum256(der)
	if c.seen[sum] {
		return
	}
	c.seen[sum] = true
	c.leaves++
	c.data.Write(make([]byte, 8+2))
	c.data.Write([]byte{byte(len(der) >> 16), byte(len(der) >> 8), byte(len(der))})
	c.data.Write(der)
	c.data.Write(make([]byte, 2+2))
}
