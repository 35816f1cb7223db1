// Package clients tests what the documentation shows of clients.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/internal/demo"
	"github.com/certstream-operator/certstream-operator/internal/terminal"
)

const root = "../../"

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page shows the programs that `make clients` runs, and no others.
func TestResumePageShowsThePrograms(t *testing.T) {
	blocks := regexp.MustCompile("(?s)\n```[a-z]+\n(.*?)\n```\n").FindAllStringSubmatch(page(t, "docs/resume.md"), -1)
	shown := map[string]bool{}
	for _, b := range blocks {
		shown[b[1]+"\n"] = true
	}
	files := []string{"python.py", "node.js", "page.html", "curl.sh", "go/main.go"}
	if len(shown) != len(files) {
		t.Errorf("the page has %d programs, want %d", len(shown), len(files))
	}
	runner := page(t, "hack/clients/run.sh")
	for _, file := range files {
		if !shown[page(t, "hack/clients/resume/"+file)] {
			t.Errorf("docs/resume.md does not show hack/clients/resume/%s as it is", file)
		}
		if !strings.Contains(runner, "resume/"+strings.TrimSuffix(file, "/main.go")) {
			t.Errorf("hack/clients/run.sh does not run %s", file)
		}
	}
}

// readmeProgram builds the README's Go example, with the URL from its arguments: what it shows is the body of a function.
func readmeProgram(t *testing.T) string {
	t.Helper()
	block := regexp.MustCompile("(?s)\n```go\n(c, err := client.New.*?)\n```\n").FindStringSubmatch(page(t, "README.md"))
	if block == nil || !strings.Contains(block[1], `"ws://localhost:8080"`) {
		t.Fatal("the README has no Go example with ws://localhost:8080")
	}
	source := `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

func main() {
	if err := watch(context.Background(), ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func watch(ctx context.Context, cursor string) error {
` + strings.Replace(block[1], `"ws://localhost:8080"`, "os.Args[1]", 1) + "\nreturn nil\n}\n"
	dir := t.TempDir()
	main, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	at, err := filepath.Abs("readme/main.go") // where there is no such file
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {at: main}})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{main: []byte(source), overlay: replace} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "readme")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./readme").CombinedOutput()
	if err != nil {
		t.Fatalf("building the README's example: %v\n%s", err, out)
	}
	return program
}

// firstLines runs a program until it has printed so many lines.
func firstLines(t *testing.T, n int, program string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	buffer := make([]byte, 4096)
	for bytes.Count(text, []byte("\n")) < n {
		got, err := out.Read(buffer)
		if text = append(text, buffer[:got]...); err != nil {
			t.Errorf("%v, %s after %q", err, &errs, text)
			break
		}
	}
	cancel()
	_ = cmd.Wait()
	lines := strings.Split(string(text), "\n")
	return lines[:min(n, len(lines))]
}

// The README's Go example runs against the demo, and against the servers that came before, each with its form of names: one is
// wanted, one is not, and a reconnect is a gap.
func TestReadmeExample(t *testing.T) {
	program := readmeProgram(t)
	t.Run("demo", func(t *testing.T) {
		for _, line := range firstLines(t, 3, program, startDemo(t)) {
			if !regexp.MustCompile(`^\[.*example\.com\b.*\]$`).MatchString(line) {
				t.Errorf("printed %q", line)
			}
		}
	})
	for server, form := range map[string]string{
		"Elixir":                     `{"message_type":"dns_entries","data":["NAME"]}`,
		"certstream-server-go":       `{"data":["NAME"],"message_type":"dns_entries"}`,
		"certstream-server-rust 1.0": `{"message_type":"certificate_update","data":{"update_type":"X509LogEntry","all_domains":["NAME"],"seen":1767225600.123,"source":{"name":"Log","url":"https://ct.example"}}}`,
		"certstream-server-rust 1.5": `{"message_type":"dns_entries","data":["NAME"]}`,
	} {
		t.Run(server, func(t *testing.T) {
			url := olderServer(t, strings.Contains(server, "1.0"), strings.Replace(form, "NAME", "www.example.org", 1), strings.Replace(form, "NAME", "www.example.com", 1))
			want := []string{"[www.example.com]", "missed -1 unresumed", "[www.example.com]"}
			if got := firstLines(t, 3, program, url); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("printed %q, want %q", got, want)
			}
		})
	}
}

// olderServer sends the messages to each who comes, and closes the connection.
func olderServer(t *testing.T, binary bool, messages ...string) string {
	t.Helper()
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		for _, m := range messages {
			_ = conn.WriteMessage(kind, []byte(m)) // the program may have seen enough
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// startDemo runs the demo in this process, as `streamer demo` does, and returns its WebSocket's address.
func startDemo(t *testing.T) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	printer, err := terminal.New(write, terminal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- demo.Run(ctx, context.Background(), demo.Options{
			Host: "127.0.0.1", Rate: 200, Printer: printer, Logger: slog.New(slog.DiscardHandler),
		})
		_ = write.Close()
	}()
	t.Cleanup(func() {
		cancel()
		_ = read.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var text []byte
	buffer := make([]byte, 4096)
	for {
		n, err := read.Read(buffer)
		text = append(text, buffer[:n]...)
		if m := regexp.MustCompile(`(ws://[0-9.:]+)/`).FindSubmatch(text); m != nil && bytes.Contains(text, []byte("stop ")) {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
}
