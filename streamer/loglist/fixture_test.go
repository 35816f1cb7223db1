package loglist

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newKey makes a key and its SubjectPublicKeyInfo.
func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, spki
}

// entry is a log as a list has it, to be changed by tests.
type entry map[string]any

// newEntry makes a usable RFC 6962 log with a key of its own.
func newEntry(t testing.TB, name string) entry {
	t.Helper()
	_, spki := newKey(t)
	id := sha256.Sum256(spki)
	return entry{
		"description": name, "key": spki, "log_id": id[:], "url": "https://ct.example/" + name + "/", "mmd": 86400,
		"state": entry{"usable": entry{"timestamp": "2026-01-01T00:00:00Z"}},
	}
}

// with returns the entry with values set, or removed where nil.
func (e entry) with(pairs ...any) entry {
	out := entry{}
	for k, v := range e {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if out[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(out, pairs[i].(string))
		}
	}
	return out
}

// listOf writes a list of one operator, made at the given minute.
func listOf(t testing.TB, minute int, logs ...entry) []byte {
	t.Helper()
	data, err := json.Marshal(entry{
		"version": fmt.Sprintf("1.%d", minute), "log_list_timestamp": fmt.Sprintf("2026-08-20T13:%02d:00Z", minute),
		"operators": []any{entry{"name": "Example", "email": []string{"a@b"}, "logs": logs}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// web is a transport that serves what tests put into it, without a network.
type web struct {
	mu       sync.Mutex
	pages    map[string][]byte
	err      error
	status   int
	hang     bool
	requests []*http.Request
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	hang, err, status, body := w.hang, w.err, w.status, w.pages[r.URL.String()]
	w.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	switch {
	case status != 0:
		body = []byte("<html>")
	case body == nil:
		status = http.StatusNotFound
	case r.Header.Get("If-None-Match") == tag:
		status, body = http.StatusNotModified, nil
	default:
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Request: r, Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Etag": {tag}, "Last-Modified": {"Thu, 20 Aug 2026 13:34:57 GMT"}},
	}, nil
}

// change alters the web while it serves.
func (w *web) change(f func(w *web)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

// asked counts requests for a URL.
func (w *web) asked(url string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.URL.String() == url {
			n++
		}
	}
	return n
}

const testURL = "https://lists.example/v3/list.json"

// bench is a manager with a signed list on a web of its own.
type bench struct {
	web      *web
	key      *ecdsa.PrivateKey
	registry *prometheus.Registry
	log      *logBuffer
	deps     Deps
	opts     Options
}

// logBuffer takes what a logger writes while the test reads it.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{web: &web{pages: map[string][]byte{}}, registry: prometheus.NewRegistry(), log: new(logBuffer)}
	b.key, _ = newKey(t)
	b.deps = Deps{
		Client: &http.Client{Transport: b.web}, UserAgent: "test", Dir: t.TempDir(), Metrics: telemetry.NewLogList(b.registry),
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	b.opts = Options{Sources: []Source{b.source(testURL)}}
	return b
}

func (b *bench) source(url string) Source {
	return Source{Name: "custom", URL: url, Key: b.key.Public(), KeyName: "the configured key"}
}

// sign signs as a list is signed.
func (b *bench) sign(t testing.TB, list []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(list)
	signature, err := b.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// put publishes a list with its signature.
func (b *bench) put(t testing.TB, url string, list []byte) {
	t.Helper()
	signature := b.sign(t, list)
	b.web.change(func(w *web) {
		w.pages[url] = list
		w.pages[strings.TrimSuffix(url, ".json")+".sig"] = signature
	})
}

// start makes a manager and runs it until the test ends; it must be called in a synctest bubble.
func (b *bench) start(t *testing.T) *Manager {
	t.Helper()
	m := New(b.opts, b.deps)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return m
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// followed are the names of the logs that a manager says to follow.
func followed(m *Manager) string {
	var all []string
	for _, l := range m.Current().Followed() {
		all = append(all, l.Name)
	}
	return strings.Join(all, " ")
}

// metric reads one value, by name and labels.
func (b *bench) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			match := f.GetName() == name
			for i := 0; i < len(labels); i += 2 {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				match = match && found
			}
			if match {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
