package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
)

// The test binary is also the program: started with this variable set it is streamer.
const asProgram = "STREAMER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// program prepares streamer with arguments, in an empty folder and without CERTSTREAM_ variables but those given.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Dir = t.TempDir()
	// The race detector would have each wait for a second before it ends.
	c.Env = append([]string{asProgram + "=1", "GORACE=atexit_sleep_ms=0", "TMPDIR=" + t.TempDir()}, env...)
	return c
}

// result is how a run ended.
type result struct {
	out, errs string
	code      int
}

func runProgram(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommands(t *testing.T) {
	good := write(t, "good.yaml", "port: 9000\nstreams:\n  full: false\n")
	bad := write(t, "bad.yaml", "port: 80800\nhosst: x\n")
	peerState := write(t, "ct_index.json", `{"https://ct.example/log":4711}`)
	for _, c := range []struct {
		name      string
		env       []string
		args      []string
		code      int
		out, errs string
	}{
		{"version", nil, []string{"version"}, 0, `^streamer \S+ \(.*, go\S+ \w+/\w+\)\n$`, `^$`},
		{"unknown command", nil, []string{"sevre"}, 2, `^$`, `unknown command "sevre"`},
		{"unknown flag", nil, []string{"serve", "--prot", "1"}, 2, `^$`, `unknown flag: --prot .*serve --help`},
		{"too many arguments", nil, []string{"version", "x"}, 2, `^$`, `unknown command "x"|accepts`},
		{"validate", nil, []string{"validate", good}, 0, `good.yaml ok\n$`, `^$`},
		{"validate the defaults", nil, []string{"validate"}, 0, `no configuration file.* ok\n$`, `^$`},
		{"validate mistakes", nil, []string{"validate", bad}, 2, `^$`, `(?s)2 errors.*line 1: port: 80800.*line 2: hosst.*host`},
		{"validate a variable", []string{"CERTSTREAM_PORT=x"}, []string{"validate", good}, 2, `^$`, `CERTSTREAM_PORT`},
		{"validate nothing", nil, []string{"validate", good + ".none"}, 1, `^$`, `no such file`},
		{"serve mistakes", nil, []string{"--config", bad}, 2, `^$`, `line 1: port`},
		{"config import", nil, []string{"config", "import", "--from", "elixir", write(t, "env", "PORT=4000\n")}, 0, `^port: 4000\n$`, `^$`},
		{"config import of nonsense", nil, []string{"config", "import", "--from", "x", good}, 2, `^$`, `want go, rust or elixir`},
		{"state import, dry", nil, []string{"state", "import", "--dry-run", peerState}, 0, `ct.example/log +4711\n\n1 position from a go server; nothing was saved`, `^$`},
		{"state import to nowhere", nil, []string{"state", "import", peerState}, 2, `^$`, `no state.dir`},
		{"unknown sub-command of config", nil, []string{"config", "imprt"}, 2, `^$`, `unknown command "imprt" for "streamer config"`},
		{"unknown sub-command of state", nil, []string{"state", "imprt"}, 2, `^$`, `unknown command "imprt" for "streamer state"`},
		{"state alone", nil, []string{"state"}, 0, `streamer state \[command\]`, `^$`},
		{"state import of nonsense", nil, []string{"state", "import", good}, 2, `^$`, `not a JSON object`},
		{"tail of nothing", nil, []string{"tail", "ftp://x"}, 2, `^$`, `want ws, wss`},
		{"tail with a bad CA", nil, []string{"tail", "--ca", good}, 2, `^$`, `holds no PEM certificate`},
		{"tail in pink", nil, []string{"tail", "--color", "pink"}, 2, `^$`, `auto, always or never`},
		{"tail with a value apart", nil, []string{"tail", "--dedup", "0"}, 2, `^$`, `write --dedup=false`},
		{"tail with a value apart of it", nil, []string{"tail", "ws://localhost:1", "--dedup", "1"}, 2, `^$`, `write --dedup=true`},
		{"demo that keeps nothing", nil, []string{"demo", "--retention", "1GiB"}, 1, `^$`, `set --state too`},
		{"demo that keeps too little", nil, []string{"demo", "--retention", "1MiB"}, 1, `^$`, `at least 16MiB`},
		{"demo that keeps nonsense", nil, []string{"demo", "--retention", "much"}, 2, `^$`, `--retention: want a whole number`},
		{"verify nothing", nil, []string{"verify"}, 2, `^$`, `want --log or --evidence`},
		{"verify a log that nobody knows", []string{"CERTSTREAM_LOG_LIST_SOURCE=none"}, []string{"verify", "--log", "x"}, 2, `^$`, `no log .* is called "x"`},
		{"prove nonsense", nil, []string{"verify", "--evidence", good}, 2, `^$`, `not an evidence file`},
		{"demo log level", nil, []string{"demo", "--log-level", "loud"}, 2, `^$`, `want debug, info, warn or error`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runProgram(t, program(t, c.env, c.args...))
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			for what, pair := range map[string][2]string{"output": {got.out, c.out}, "errors": {got.errs, c.errs}} {
				if !regexp.MustCompile(pair[1]).MatchString(pair[0]) {
					t.Errorf("%s: %q, want %s", what, pair[0], pair[1])
				}
			}
		})
	}
}

func TestStateImportIsSeenByTheNextOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	peerState := write(t, "ct_index.json", `{"https://ct.example/log":4711}`)
	got := runProgram(t, program(t, []string{"CERTSTREAM_STATE_DIR=" + dir}, "state", "import", peerState))
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	other := write(t, "state.json", `{"version":1,"logs":{"https://other.example":{"current_index":11}}}`)
	got = runProgram(t, program(t, nil, "state", "import", other, "--dir", dir))
	if got.code != 0 || !strings.Contains(got.out, "saved in "+dir) {
		t.Fatalf("%+v", got)
	}
	store, err := follow.OpenStore(dir, follow.StoreOptions{Recovery: follow.RecoverFail, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for url, want := range map[string]uint64{"https://ct.example/log": 4711, "https://other.example": 11} {
		if index, ok := store.Imported(url); !ok || index != want {
			t.Errorf("%s: %d, %t, want %d", url, index, ok, want)
		}
	}
}

func TestLogs(t *testing.T) {
	usable := testlog.New(testlog.Options{Name: "Usable 'Log'", Operator: "An operator"})
	tiled := testlog.New(testlog.Options{Name: "Tiled log", Static: true})
	retired := testlog.New(testlog.Options{Name: "Old log", State: "retired"})
	list := write(t, "list.json", string(testlog.LogList(usable, tiled, retired)))
	env := []string{"CERTSTREAM_CT_LOGS_URL=" + list}

	got := runProgram(t, program(t, env, "logs"))
	if got.code != 0 || !strings.Contains(got.out, "Usable 'Log'") || strings.Contains(got.out, "Old log") ||
		!strings.Contains(got.out, "2 of 3 logs are followed; list custom 1.0, unsigned") {
		t.Errorf("%+v", got)
	}
	got = runProgram(t, program(t, env, "logs", "--all"))
	if !regexp.MustCompile(`(?m)^no .*Old log.*retired`).MatchString(got.out) {
		t.Errorf("%+v", got)
	}
	got = runProgram(t, program(t, env, "logs", "--all", "--json"))
	var rows []logJSON
	if err := json.Unmarshal([]byte(got.out), &rows); err != nil || len(rows) != 3 {
		t.Errorf("%v: %+v", err, got)
	}
	got = runProgram(t, program(t, []string{"CERTSTREAM_CT_LOGS_URL=" + list + ".none"}, "logs"))
	if got.code != exitFailure || !strings.Contains(got.errs, "log list custom:") {
		t.Errorf("%+v", got)
	}
}

// background is a program that runs on, with its output.
type background struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func startDemo(t *testing.T) (b *background, address string) {
	t.Helper()
	c := program(t, nil, "demo", "--port", "0", "--tcp-port", "0", "--rate", "50")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	b = &background{c, bufio.NewScanner(out)}
	for b.lines.Scan() {
		if m := regexp.MustCompile(`WebSocket  (ws://\S+)/ `).FindStringSubmatch(b.lines.Text()); m != nil {
			return b, m[1]
		}
	}
	t.Fatal("the demo said no address")
	return nil, ""
}

// stop sends a signal and waits; the rest of the output is returned.
func (b *background) stop(t *testing.T, signal os.Signal) string {
	t.Helper()
	if err := b.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	var rest strings.Builder
	for b.lines.Scan() {
		rest.WriteString(b.lines.Text() + "\n")
	}
	if err := b.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	return rest.String()
}

func TestTailOfTheDemo(t *testing.T) {
	demo, address := startDemo(t)
	name := `[a-z0-9.*_-]+`
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-n", "3"}, `^(\d\d:\d\d:\d\d  (pre|crt)  .*\n){3}$`},
		{[]string{"-n", "3", "--domains"}, `^(` + name + `\n){3,}$`},
		{[]string{"-n", "2", "--stream", "domains"}, `^(\d\d:\d\d:\d\d  ` + name + `.*\n){2}$`},
		{[]string{"-n", "2", "--suffix", "example.com", "--stream", "domains", "--domains"}, `^((` + name + `\.)?example\.com\n|xn--\S+\n)+$`},
		{[]string{"-n", "2", "--json", "--stream", "full"}, `^(\{"message_type":".*\n){2,}$`},
		{[]string{"-n", "1", "--color", "always"}, "\x1b\\[2m"}, // the time
	} {
		got := runProgram(t, program(t, nil, append([]string{"tail", address}, c.args...)...))
		if got.code != 0 || !regexp.MustCompile(c.want).MatchString(got.out) {
			t.Errorf("tail %v: %+v, want %s", c.args, got, c.want)
		}
	}
	if rest := demo.stop(t, os.Interrupt); !strings.HasSuffix(rest, "stopped\n") {
		t.Errorf("the demo ended with %q", rest)
	}
}

// A reader that has seen enough is no failure: `streamer tail | head`.
func TestTailIntoAClosedPipe(t *testing.T) {
	demo, address := startDemo(t)
	for _, args := range [][]string{{"--domains"}, {"--json"}, {}} {
		c := program(t, nil, append([]string{"tail", address}, args...)...)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		c.Stderr = &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReaderSize(out, 16).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_ = out.Close()
		if err := c.Wait(); err != nil || errs.Len() > 0 {
			t.Errorf("tail %v: %v, %q", args, err, errs.String())
		}
	}
	demo.stop(t, syscall.SIGTERM)
}

func TestTailEndsOnInterrupt(t *testing.T) {
	demo, address := startDemo(t)
	c := program(t, nil, "tail", address)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tail := &background{c, bufio.NewScanner(out)}
	if !tail.lines.Scan() {
		t.Fatal("tail printed nothing")
	}
	tail.stop(t, os.Interrupt)
	demo.stop(t, syscall.SIGTERM)
}

func TestServeSaysThatThePortIsInUse(t *testing.T) {
	demo, address := startDemo(t)
	port := address[strings.LastIndex(address, ":")+1:]
	env := []string{"CERTSTREAM_HOST=127.0.0.1", "CERTSTREAM_PORT=" + port, "CERTSTREAM_LOG_LIST_SOURCE=none"}
	got := runProgram(t, program(t, env))
	if got.code != exitFailure || !strings.Contains(got.errs, "127.0.0.1:"+port+" is in use by another program") {
		t.Errorf("%+v", got)
	}
	demo.stop(t, syscall.SIGTERM)
}

// A streamer that is started while another stops takes over its state directory once it is free.
func TestSuccessorWaitsForTheState(t *testing.T) {
	dir := t.TempDir()
	env := []string{"CERTSTREAM_HOST=127.0.0.1", "CERTSTREAM_PORT=0", "CERTSTREAM_LOG_LIST_SOURCE=none", "CERTSTREAM_LOG_FORMAT=json",
		"CERTSTREAM_STATE_DIR=" + dir}
	start := func() (*exec.Cmd, *logReader) {
		serve := program(t, env)
		errs, err := serve.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = serve.Process.Kill(); _ = serve.Wait() })
		return serve, &logReader{t: t, lines: bufio.NewScanner(errs)}
	}
	first, log := start()
	log.until("http")
	second, log := start()
	log.until("patience")
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log.until("http")
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for log.lines.Scan() {
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the second ended with %v", err)
	}
}

// With clients connected the drain takes its time, unless a second signal says that it must not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	serve := program(t, []string{"CERTSTREAM_HOST=127.0.0.1", "CERTSTREAM_PORT=0", "CERTSTREAM_LOG_LIST_SOURCE=none",
		"CERTSTREAM_DRAIN_PERIOD=50s", "CERTSTREAM_DRAIN_DELAY=50s", "CERTSTREAM_LOG_FORMAT=json"})
	errs, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serve.Process.Kill(); _ = serve.Wait() })
	log := &logReader{t: t, lines: bufio.NewScanner(errs)}
	address := log.until("http")

	tail := program(t, nil, "tail", "ws://"+address, "--json")
	out, err := tail.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tail.Process.Kill(); _ = tail.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // the first heartbeat
		t.Fatal(err)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log.until("clients") // the drain has begun
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, errs)
	if err := serve.Wait(); err != nil {
		t.Errorf("ended with %v", err) // the context's minute is longer than the drain: killed means not at once
	}
}

// logReader reads JSON log lines.
type logReader struct {
	t     *testing.T
	lines *bufio.Scanner
}

// until reads up to a line with an attribute and returns its text.
func (l *logReader) until(attribute string) string {
	l.t.Helper()
	for l.lines.Scan() {
		var line map[string]any
		if err := json.Unmarshal(l.lines.Bytes(), &line); err != nil {
			l.t.Fatalf("%s: %v", l.lines.Bytes(), err)
		}
		if v, ok := line[attribute]; ok {
			text, _ := v.(string)
			return text
		}
	}
	l.t.Fatalf("no log line with %q", attribute)
	return ""
}

// Every command explains itself: what it does, and how it is used.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Runnable() && c.Example == "" {
			t.Errorf("%s has no description, or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(line) > 101 {
				t.Errorf("%s: a line too long for a terminal: %q", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(t.Context()))
	got := runProgram(t, program(t, nil, "--help"))
	for _, want := range []string{"serve", "demo", "validate", "tail", "logs", "verify", "config", "state", "version", "Examples:"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("--help does not mention %s", want)
		}
	}
}
