package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/client"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a demo whose output can be waited for.
type running struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error

	mu  sync.Mutex
	out bytes.Buffer
	new chan struct{}
}

// start runs a demo on free ports.
func start(t *testing.T, o Options) *running {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if o.Printer, err = terminal.New(write, terminal.Options{}); err != nil {
		t.Fatal(err)
	}
	o.Host, o.Logger = "127.0.0.1", slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, stop: cancel, done: make(chan error, 1), new: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(r, read) })
	go func() {
		err := Run(ctx, context.WithoutCancel(ctx), o)
		_ = write.Close()
		reading.Wait()
		r.done <- err
	}()
	t.Cleanup(func() {
		cancel()
		_ = read.Close()
	})
	return r
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.new <- struct{}{}:
	default:
	}
	return r.out.Write(b)
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// await waits until the output matches, and returns the match with its groups.
func (r *running) await(pattern string) []string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(30 * time.Second)
	for {
		if m := re.FindStringSubmatch(r.text()); m != nil {
			return m
		}
		select {
		case <-r.new:
		case err := <-r.done:
			r.t.Fatalf("ended with %v before it printed %q:\n%s", err, pattern, r.text())
		case <-limit:
			r.t.Fatalf("did not print %q:\n%s", pattern, r.text())
		}
	}
}

// end stops it and waits.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatal("does not stop")
	}
}

func TestDemoShowsBothLogsAndStops(t *testing.T) {
	r := start(t, Options{Rate: 50, View: true})
	r.await(`(?m)^\d\d:\d\d:\d\d  (pre|crt)  .*Demo CA.*Demo RFC 6962 log$`)
	r.await(`(?m)^\d\d:\d\d:\d\d  (pre|crt)  .*Demo CA.*Demo tiled log$`)
	r.end()
}

// What the introduction says to try works, as it is written there, with TLS on every protocol.
func TestAddressesWork(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Options{Rate: 50, TLS: secure})
			web := r.await(`WebSocket  (wss?://\S+)`)[1]
			sse := r.await(`SSE .*'(https?://[^']+)'`)[1]
			r.await(`stop       Ctrl-C`)
			var config *tls.Config
			tcp := "tcp://"
			if secure {
				config, tcp = trust(t, r.await(`--cacert (\S+)`)[1]), "tls://"
				tcp += r.await(`-connect (\S+)`)[1]
			} else {
				nc := r.await(`nc (\S+) (\d+)`)
				tcp += nc[1] + ":" + nc[2]
			}
			for _, url := range []string{web, sse, tcp} {
				if name := firstName(t, client.Options{URL: url, TLS: config}); name == "" {
					t.Errorf("%s: a certificate without a name", url)
				}
			}
			r.end()
		})
	}
}

func trust(t *testing.T, path string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in", path)
	}
	return &tls.Config{RootCAs: pool}
}

// firstName reads a stream up to the first name.
func firstName(t *testing.T, o client.Options) string {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for event, err := range c.Events(ctx) {
		if err != nil {
			t.Fatalf("%s: %v", o.URL, err)
		}
		switch e := event.(type) {
		case *client.DomainNames:
			return e.Names[0]
		case *client.Certificate:
			if len(e.Leaf.AllDomains) > 0 {
				return e.Leaf.AllDomains[0]
			}
		case *client.Reconnecting:
			t.Fatalf("%s: %v", o.URL, e.Err)
		}
	}
	return ""
}

func TestTLSFilesAreRemoved(t *testing.T) {
	r := start(t, Options{Rate: 1, TLS: true})
	ca := r.await(`--cacert (\S+)`)[1]
	r.end()
	if _, err := os.Stat(filepath.Dir(ca)); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", filepath.Dir(ca), err)
	}
}

func TestCorpus(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("not a tile"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{bad: "entry 0", filepath.Join(dir, "none"): "reading the corpus"} {
		err := Run(t.Context(), t.Context(), Options{Corpus: path, Host: "127.0.0.1"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	// A TileLeaf of an X.509 entry: time, type, certificate, no extensions, no issuers.
	der := []byte{0x30, 0}
	leaf := append(append(make([]byte, 8+2), 0, 0, byte(len(der))), append(der, 0, 0, 0, 0)...)
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, bytes.Repeat(leaf, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := readCorpus(good)
	if err != nil || len(entries) != 3 || !bytes.Equal(entries[2].DER, der) || entries[0].Precert {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestRateOutOfBounds(t *testing.T) {
	if err := Run(t.Context(), t.Context(), Options{Rate: -1}); err == nil || !strings.Contains(err.Error(), "rate -1") {
		t.Errorf("got %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	r := start(t, Options{Rate: 1})
	address := r.await(`WebSocket  ws://127.0.0.1:(\d+)`)[1]
	port := 0
	for _, d := range address {
		port = port*10 + int(d-'0')
	}
	err := Run(t.Context(), t.Context(), Options{Host: "127.0.0.1", Port: port, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "set --port to a free port") {
		t.Errorf("got %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	taken := free.Addr().(*net.TCPAddr).Port
	err = Run(t.Context(), t.Context(), Options{Host: "127.0.0.1", TCPPort: taken, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "set --tcp-port to a free port") {
		t.Errorf("got %v", err)
	}
	r.end()
}

// Of what the logs hold, most is there twice: a certificate in both logs, a precertificate before its certificate.
func TestLogsHoldCopies(t *testing.T) {
	for _, rate := range []float64{20, 2 * varied} {
		l, err := startLogs("", rate)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		ids, both := map[[sha256.Size]byte]int{}, 0
		var record certificate.Record
		for i := range uint64(prefill) {
			first, _ := l.classic.Entry(i)
			second, _ := l.static.Entry(i)
			for _, e := range []*testlog.Entry{first, second} {
				record.Parse(e.DER)
				ids[record.TBSID(nil)]++
			}
		}
		for _, n := range ids {
			if n > 1 {
				both++
			}
		}
		if len(ids) < 50 && rate <= varied || both < len(ids)/2 {
			t.Errorf("at %g/s: %d certificates, %d with copies, in %d entries", rate, len(ids), both, 2*prefill)
		}
	}
}

// What --write-config writes is a streamer's configuration that follows both logs, with their keys, and keeps entries.
func TestWriteConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "second.yaml")
	r := start(t, Options{Rate: 20, WriteConfig: path})
	r.await(`second     \S+ --config ` + regexp.QuoteMeta(path))
	loaded, err := config.Load(config.Options{Path: path, Env: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	if len(c.CustomLogs) != 2 || c.CustomLogs[0].Key == "" || c.CustomLogs[1].Key == "" || c.Retention.MaxBytes == 0 || c.State.Dir == "" {
		t.Errorf("%+v", c)
	}
	r.end()
}

func TestStatusLine(t *testing.T) {
	last := snapshot{at: time.Unix(100, 0)}
	last.Totals.Entries = 1000
	now := snapshot{at: time.Unix(102, 0)}
	now.Totals.Entries = 1_234_567
	now.Clients = append(now.Clients, struct {
		Count int `json:"count"`
	}{2}, struct {
		Count int `json:"count"`
	}{1})
	line := now.line(last)
	for _, want := range []string{"616,784 entries/s", "3 clients", "1,234,567 in all", "0 entries, 0.0 s"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %q", line, want)
		}
	}
	if first := now.line(snapshot{}); !strings.Contains(first, "- entries/s") {
		t.Errorf("the first line has a rate: %q", first)
	}
}
