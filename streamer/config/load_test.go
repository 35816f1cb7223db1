package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoad holds where a file is looked for, what beats what, and that the hash is of the bytes as read.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "config.yml")
	write(t, second, "port: 2\n")
	named := write(t, filepath.Join(dir, "named.yaml"), "port: 3\n")
	search := []string{first, second}
	env := []string{"CERTSTREAM_HOST=127.0.0.1"}

	for _, tt := range []struct {
		o    Options
		path string
		port int
	}{
		{Options{Search: search, Env: env}, second, 2},
		{Options{Search: search, Env: append(env, "CERTSTREAM_CONFIG="+named)}, named, 3},
		{Options{Search: search, Path: second, Env: append(env, "CERTSTREAM_CONFIG="+named)}, second, 2},
		{Options{Search: search, Env: append(env, "CERTSTREAM_PORT=4")}, second, 4},
		{Options{Search: []string{first}, Env: env}, "", 8080},
	} {
		l, err := Load(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(tt.path)
		sum := sha256.Sum256(data)
		if l.Path != tt.path || l.Port != tt.port || l.Host != "127.0.0.1" || l.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v: got %s, port %d, hash %s", tt.o, l.Path, l.Port, l.Hash)
		}
	}

	write(t, first, "port: 1\n")
	if l, err := Load(Options{Search: search, Env: env}); err != nil || l.Port != 1 {
		t.Errorf("the first of the search order does not win: %+v, %v", l, err)
	}
}

func TestLoadFails(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	if _, err := Load(Options{Env: []string{"CERTSTREAM_CONFIG=" + missing}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a named file that is missing: %v", err)
	}
	if _, err := Load(Options{Path: dir, Env: []string{}}); err == nil {
		t.Error("a directory is no file")
	}
	bad := write(t, filepath.Join(dir, "bad.yaml"), "port: x\nhost: 0.0.0.0:80\n")
	_, err := Load(Options{Path: bad, Env: []string{"CERTSTREAM_WS_ENABLED=maybe"}})
	want := "the configuration (" + bad + ") has 3 errors:\n" +
		"  line 1: port: \"x\" cannot be read; want a whole number\n" +
		"  line 2: host: \"0.0.0.0:80\" is not an address; want an address without a port, such as 0.0.0.0, ::1 or localhost\n" +
		"  CERTSTREAM_WS_ENABLED: \"maybe\" cannot be read; want true or false"
	if invalid := new(InvalidError); !errors.As(err, &invalid) || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = Load(Options{Search: []string{}, Env: []string{"CERTSTREAM_PORT=x"}})
	if err == nil || !strings.Contains(err.Error(), "(environment) has 1 error:") {
		t.Errorf("without a file: %v", err)
	}
}

// TestProblemsAreAllReported holds that one run names every mistake, in the order of the file, with what to do.
// TestPipe: a pipe without a writer is refused, where opening it would wait for ever; one with a writer is read.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	if _, err := Load(Options{Path: path, Env: []string{}}); err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("without a writer: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, _ = w.WriteString("port: 4711\n")
	_ = w.Close()
	c, err := Load(Options{Path: fmt.Sprintf("/dev/fd/%d", r.Fd()), Env: []string{}})
	if err != nil || c.Port != 4711 {
		t.Errorf("with a writer: %v, %v", c, err)
	}
}

func TestProblemsAreAllReported(t *testing.T) {
	file := "port: 99999\nprot: 3\nrate_limit:\n  per_secnd: 3\nport: 3\nlog_format: jsn\n"
	env := []string{"CERTSTREAM_PORTT=3", "CERTSTREAM_TCP_PORT=x"}
	var got []string
	for _, p := range Validate([]byte(file), env) {
		got = append(got, p.String())
	}
	want := []string{
		"line 1: port: 99999 is too large; want at most 65535",
		"line 2: prot: is not a known key; did you mean port?",
		"line 4: rate_limit.per_secnd: is not a known key; did you mean rate_limit.per_second?",
		"line 5: port: is already set in line 1; keep one of them",
		`line 6: log_format: "jsn" is not one of its values; did you mean json? (text or json)`,
		"CERTSTREAM_PORTT: is not a known variable; did you mean CERTSTREAM_PORT?",
		`CERTSTREAM_TCP_PORT: "x" cannot be read; want a whole number`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}

// TestManyProblems holds that a report stays readable.
func TestManyProblems(t *testing.T) {
	var file strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&file, "key%d: 1\n", i)
	}
	problems := Validate([]byte(file.String()), nil)
	if last := problems[len(problems)-1]; len(problems) != mostProblems+1 || !strings.HasPrefix(last.Message, "there are 19900 more") {
		t.Errorf("%d problems, the last: %v", len(problems), last)
	}
}

// TestRustFile loads a file with every key of certstream-server-rust 1.0.x.
func TestRustFile(t *testing.T) {
	file, err := os.ReadFile("testdata/rust-1.0.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(file))
	if c.BufferSize != 1000 || !c.Protocols.TCP || c.CTLog.StateFile != "/data/state.json" || c.CTLog.PollIntervalMS != 500 ||
		!c.RateLimit.Enabled || c.ConnectionLimit.PerIPLimit != 100 || c.Auth.Named()[1].Token != "secret-token-2" ||
		c.CTLogsURL != "https://www.gstatic.com/ct/log_list/v3/all_logs_list.json" || c.CustomLogs[0].Name != "My Custom CT Log" {
		t.Errorf("got %+v", c)
	}
}

// TestRustDocuments loads the YAML that the Rust server's own documents show, where they are at hand.
func TestRustDocuments(t *testing.T) {
	data := shareddata.Dir(t)
	if data == "" {
		t.Skip("no shared/data beside the checkout")
	}
	for _, name := range []string{"rust-readme.md", "rust-docs-page.txt"} {
		page, err := os.ReadFile(filepath.Join(data, "..", "seeds", name))
		if err != nil {
			t.Skip("no seeds beside the data")
		}
		lines := strings.Split(string(page), "\n")
		from := slices.Index(lines, `host: "0.0.0.0"`)
		to := from + slices.IndexFunc(lines[from:], func(l string) bool { return strings.Contains(l, "ct.example.com/log") })
		c := parse(t, strings.Join(lines[from:to+1], "\n"))
		if c.CTLog.StateFile != "/data/state.json" || len(c.CustomLogs) != 1 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
