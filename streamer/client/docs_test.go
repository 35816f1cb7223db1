package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The whole program of docs/clients.md does what is said of it.
func TestProgramInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(page), "```go\n// Prints")
	program, _, closed := strings.Cut(program, "```\n")
	if !found || !closed {
		t.Fatal("no program on the page")
	}
	dir := t.TempDir()
	source, binary, cursor := filepath.Join(dir, "main.go"), filepath.Join(dir, "watch"), filepath.Join(dir, "cursor")
	if err := os.WriteFile(source, []byte("// Prints"+program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	url, stop := newServer(
		[]string{`{"message_type":"certificate_update","data":{"cert_index":7,"leaf_cert":{"all_domains":["a.test"]},"source":{"name":"Log"}},"cursor":"e-1"}`},
		[]string{
			`{"message_type":"gap","data":{"reason":"expired","missed":3,"from":"e-1","to":"e-4"},"cursor":"e-4"}`,
			`{"message_type":"error","data":{"code":403,"reason":"enough"}}`,
		},
	)
	defer stop()
	var out, errs strings.Builder
	c := exec.CommandContext(t.Context(), binary, url, cursor)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err == nil || !strings.Contains(errs.String(), "enough") {
		t.Errorf("ended with %v: %s", err, &errs)
	}
	saved, err := os.ReadFile(cursor)
	if err != nil || string(saved) != "e-4" || out.String() != "Log 7 [a.test]\n" || !strings.Contains(errs.String(), "3 entries are missing: expired") {
		t.Errorf("saved %q (%v), printed %q and %q", saved, err, &out, &errs)
	}
}
