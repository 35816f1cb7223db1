package demo

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/evidence"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// tiled waits until the status of the demo's tiled log is as wanted.
func (r *running) tiled(wanted func(l serve.LogStatus) bool) serve.LogStatus {
	r.t.Helper()
	url := r.await(`status     (\S+)`)[1]
	var last serve.LogStatus
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			r.t.Fatal(err)
		}
		var s serve.Status
		err = json.NewDecoder(resp.Body).Decode(&s)
		_ = resp.Body.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, l := range s.Logs {
			if last = l; l.Protocol == "tiled" && wanted(l) {
				return l
			}
		}
	}
	r.t.Fatalf("in a minute the log was not seen to lie; %+v", last)
	return last
}

// TestSplitView rehearses the alarm: the lie is found, shown, and proved by what is kept.
func TestSplitView(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	state := t.TempDir()
	r := start(t, Options{Rate: 20, Lie: "split-view", State: state})
	l := r.tiled(func(l serve.LogStatus) bool { return l.Misbehaviour != nil })
	if l.Status != "unhealthy" || l.Unverified == "" {
		t.Errorf("status %+v", l)
	}
	r.end()
	file, err := os.Open(l.Misbehaviour.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	e, err := evidence.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Prove(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(l.Misbehaviour.Evidence, filepath.Join(state, "evidence")) {
		t.Errorf("evidence at %s", l.Misbehaviour.Evidence)
	}
}

// TestAlteredEntry sees the doubt; the entries are read again three times before the log is accused.
func TestAlteredEntry(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	r := start(t, Options{Rate: 20, Lie: "altered-entry"})
	if l := r.tiled(func(l serve.LogStatus) bool { return l.Doubt != "" }); l.Status != "degraded" {
		t.Errorf("status %+v", l)
	}
	r.end()
}

func TestUnknownLie(t *testing.T) {
	err := Run(t.Context(), t.Context(), Options{Lie: "white"})
	if err == nil || !strings.Contains(err.Error(), "altered-entry, split-view") {
		t.Errorf("error %v", err)
	}
}
