package streamer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// hashIs waits until the streamer says that it runs the file as it is now.
func (w *world) hashIs(t *testing.T, r *running) {
	t.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	want := hex.EncodeToString(sum[:])
	for end := time.Now().Add(patience); r.Status().Config.Hash != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the file is not in force: %+v", r.Status().Config)
		}
	}
}

// TestLiveSettingsDropNobody changes every live setting under clients that read all the time.
func TestLiveSettingsDropNobody(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	r := w.start(t)
	var clients sync.WaitGroup
	var dropped, messages atomic.Int64
	var all []*websocket.Conn
	for range 100 {
		ws := r.dial(t, "/")
		all = append(all, ws)
		clients.Go(func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					if !strings.Contains(err.Error(), "use of closed") {
						t.Log(err)
						dropped.Add(1)
					}
					return
				}
				messages.Add(1)
			}
		})
	}
	for _, more := range []string{
		"log_level: warn\nheartbeat_interval: 1s",
		"buffer_size: 100000",
		"trusted_proxies: [10.0.0.0/8]",
		"allowed_origins: ['https://a.example']",
		"logs: {exclude: ['*nothing*']}",
		"log_list: {refresh_interval: 2h}",
		"streams: {full: false}",
		"slow_client: close",
		"filters: {max_per_client: 7}",
		"connection_limit: {enabled: true, max_connections: 5, per_ip_limit: 5}",
		"rate_limit: {enabled: true, per_second: 0.1, burst_size: 1}",
		"drain: {period: 1s}",
		"protocols: {paths: {full: /full-stream}}",
		"auth: {enabled: true, tokens: [new]}",
	} {
		w.configure(t, quick+more+"\n")
		w.hashIs(t, r)
		w.grow(8)
	}
	if n := dropped.Load(); n > 0 || r.Status().Config.LastError != "" {
		t.Errorf("%d of 100 clients were dropped; %+v", n, r.Status().Config)
	}
	if _, answer, err := websocket.DefaultDialer.Dial("ws://"+r.HTTPAddr().String()+"/", nil); err == nil || answer.StatusCode != 401 {
		t.Errorf("a new client without a token: %v, want 401", err)
	} else {
		_ = answer.Body.Close()
	}
	for _, ws := range all {
		_ = ws.Close()
	}
	clients.Wait()
	if messages.Load() == 0 {
		t.Error("no client got anything")
	}
}

func TestBadFileLeavesTheRunningConfig(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	r := w.start(t)
	before := r.Status().Config
	w.configure(t, "prot: 8080\n")
	for end := time.Now().Add(patience); r.Status().Config.LastError == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the bad file was not noticed")
		}
	}
	after := r.Status().Config
	if after.Hash != before.Hash || !strings.Contains(after.LastError, "prot") || !strings.Contains(after.LastError, "port") {
		t.Errorf("running %s (was %s), error %q: it should name the key and the nearest valid one", after.Hash, before.Hash, after.LastError)
	}
	refused, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(refused)); after.RejectedHash != want {
		t.Errorf("rejected hash %q, want that of the refused file, %q", after.RejectedHash, want)
	}
	w.configure(t, quick)
	for end := time.Now().Add(patience); r.Status().Config.LastError != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the mended file was not noticed")
		}
	}
}

// TestConfigMapSwap changes the file as a kubelet does: a new directory behind the ..data link.
func TestConfigMapSwap(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	mount := t.TempDir()
	put := func(version, text string) {
		dir := filepath.Join(mount, version)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	put("..2026_1", string(text))
	if err := os.Symlink(filepath.Join("..data", "config.yaml"), filepath.Join(mount, "config.yaml")); err != nil {
		t.Fatal(err)
	}
	w.file = filepath.Join(mount, "config.yaml")
	r := w.start(t)
	put("..2026_2", string(text)+"heartbeat_interval: 1s\n")
	w.hashIs(t, r)
}

func TestRevokedTokenAndClosedStreamEndTheirClientsOnly(t *testing.T) {
	w := newWorld(t)
	auth := "auth: {enabled: true, query_token: true, tokens: [{name: a, token: aaa}, {name: b, token: bbb}]}\n"
	w.configure(t, quick+auth)
	r := w.start(t)
	revoked, stays, full := r.dial(t, "/?token=aaa"), r.dial(t, "/?token=bbb"), r.dial(t, "/full-stream?token=bbb")
	w.configure(t, quick+strings.Replace(auth, "{name: a, token: aaa}, ", "", 1)+"streams: {full: false}\n")
	if code := closeCode(t, revoked); code != websocket.ClosePolicyViolation {
		t.Errorf("the client of the revoked token was closed with %d", code)
	}
	if code := closeCode(t, full); code != websocket.CloseGoingAway {
		t.Errorf("the client of the closed stream was closed with %d", code)
	}
	w.grow(1)
	seen := map[string]int{}
	collect(t, stays, seen, 1)
	if status, _ := json.Marshal(r.Status()); strings.Contains(string(status), "bbb") {
		t.Error("/status shows a token")
	}
}

// closeCode reads until the server closes.
func closeCode(t *testing.T, ws *websocket.Conn) int {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	for {
		_, _, err := ws.ReadMessage()
		if closed, ok := err.(*websocket.CloseError); ok {
			return closed.Code
		}
		if err != nil {
			t.Fatalf("not closed by a close frame: %v", err)
		}
	}
}
