package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// serveHonestAndLiar serves two logs of 100 entries, of which the second one's entry 42 is not the one in its tree.
func serveHonestAndLiar(t *testing.T) (honest, liar *testlog.Log) {
	t.Helper()
	entries := testlog.NewCA("Verify").Pool(120)
	honest = testlog.New(testlog.Options{Name: "Honest log"})
	liar = testlog.New(testlog.Options{Name: "Lying log", Static: true})
	for _, l := range []*testlog.Log{honest, liar} {
		l.Append(entries[:100]...)
		l.Publish()
	}
	liar.Corrupt(42, entries[110])
	server, err := testlog.Serve("127.0.0.1:0", nil, honest, liar)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return honest, liar
}

// TestVerify checks a range of logs that tell the truth, and lie.
func TestVerify(t *testing.T) {
	honest, liar := serveHonestAndLiar(t)
	path := configFor(t, "", honest, liar)
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string
		errs string
	}{
		{"all holds", []string{"--log", "honest"}, 0, `(?s)^holds .*size 100.* is signed.*holds +entries 0 to 99 are in the tree\n\nall holds: 100 entries\n$`, `^$`},
		{"by its address", []string{"--log", honest.URL(), "--from", "10", "--to", "20"}, 0, `entries 10 to 19 are in the tree`, `^$`},
		{"a lie", []string{"--log", "Lying log"}, exitWrong, `DOES NOT HOLD entry 42 is the one in the tree`, `not everything holds`},
		{"beside the lie", []string{"--log", "Lying log", "--from", "43"}, 0, `all holds: 57 entries`, `^$`},
		{"beyond the head", []string{"--log", "honest", "--to", "101"}, exitUsage, `is signed`, `the range is not in the log`},
		{"either of two", []string{"--log", "log"}, exitUsage, `^$`, `may be Honest log, Lying log`},
		{"no state", []string{"--log", "honest", "--state", t.TempDir()}, exitFailure, `^$`, `the saved state cannot be used`},
	} {
		got := runProgram(t, program(t, nil, append([]string{"verify", "--config", path}, c.args...)...))
		if got.code != c.code || !regexp.MustCompile(c.out).MatchString(got.out) || !regexp.MustCompile(c.errs).MatchString(got.errs) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestVerifyWithoutKey: whose tree it is cannot be told then, and what can be checked still is.
func TestVerifyWithoutKey(t *testing.T) {
	honest, liar := serveHonestAndLiar(t)
	path := configFor(t, "", honest, liar)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = write(t, "keyless.yaml", regexp.MustCompile(`key: "[^"]*", `).ReplaceAllString(string(text), ""))
	for log, want := range map[string]struct {
		code      int
		out, errs string
	}{
		"honest": {exitFailure, `(?s)^cannot check: no key.* is signed by the log\nholds +entries 0 to 99 are in the tree\n$`, `set custom_logs\[\]\.key`},
		"lying":  {exitWrong, `(?s)^cannot check: no key.*DOES NOT HOLD entry 42`, `not everything holds`},
	} {
		got := runProgram(t, program(t, nil, "verify", "--config", path, "--log", log))
		if got.code != want.code || !regexp.MustCompile(want.out).MatchString(got.out) || !regexp.MustCompile(want.errs).MatchString(got.errs) {
			t.Errorf("%s: %+v", log, got)
		}
	}
}

// configFor follows test logs alone.
func configFor(t *testing.T, state string, logs ...*testlog.Log) string {
	t.Helper()
	text := "log_list: {source: none}\nnetwork: {allow_http: true, allow_private_addresses: true}\nhost: 127.0.0.1\nport: 0\n" +
		"ct_log: {poll_interval_ms: 100, requests_per_second: 100}\n"
	if state != "" {
		text += fmt.Sprintf("state: {dir: %q, interval: 1s}\n", state)
	}
	text += "custom_logs:\n"
	for _, l := range logs {
		protocol := "rfc6962"
		if l.Static() {
			protocol = "tiled"
		}
		text += fmt.Sprintf("  - {name: %q, url: %q, key: %q, protocol: %s}\n", l.Name(), l.URL(), base64.StdEncoding.EncodeToString(l.Key()), protocol)
	}
	return write(t, "config.yaml", text)
}

// TestServeKeepsEvidence runs the whole program against a log that signs two roots: the file it leaves proves it, and verify
// finds that the log does not continue the tree heads kept.
func TestServeKeepsEvidence(t *testing.T) {
	entries := testlog.NewCA("Evidence").Pool(60)
	log := testlog.New(testlog.Options{Name: "Lying log"})
	log.Append(entries[:50]...)
	log.Publish()
	server, err := testlog.Serve("127.0.0.1:0", nil, log)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	state := filepath.Join(t.TempDir(), "state")
	path := configFor(t, state, log)
	c := program(t, nil, "serve", "--config", path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		return len(glob(t, state, "checkpoint-*.state")) == 2 && log.Stats.Kind(testlog.GetSTH).Requests > 3
	})
	root := log.Root(50)
	root[0] ^= 1
	log.PublishHead(50, uint64(time.Now().UnixMilli()), root)
	waitFor(t, func() bool { return len(glob(t, state, "evidence/*/*.json")) == 1 })
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	file := glob(t, state, "evidence/*/*.json")[0]
	got := runProgram(t, program(t, nil, "verify", "--evidence", file))
	if got.code != 0 || !strings.Contains(got.out, "two roots for the same size 50") || !strings.Contains(got.out, "proved: the owner") {
		t.Errorf("%+v", got)
	}
	got = runProgram(t, program(t, nil, "verify", "--evidence", file, "--print"))
	if kept, err := os.ReadFile(file); err != nil || got.code != 0 || got.out != string(kept) {
		t.Errorf("printed %q of %q, %v", got.out, kept, err)
	}
	got = runProgram(t, program(t, nil, "verify", "--config", path, "--log", "lying", "--state", state))
	if got.code != exitWrong || !strings.Contains(got.out, "DOES NOT HOLD the tree agrees with the kept tree head of size 50") {
		t.Errorf("%+v", got)
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
