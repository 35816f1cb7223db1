//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// TestResumeFromDisk kills a streamer that keeps entries on its volume. What came before is then on the volume only; a client that
// comes back with its first cursor gets it all.
func TestResumeFromDisk(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, func(spec *v1alpha1.CertStreamSpec) {
		window := resource.MustParse("1Mi")
		spec.Limits.Window = &window
	})
	first := firstCursor(t, s)
	witness := read(t, client.Options{URL: "http://" + s.host() + ":8080", Since: first})
	eventually(t, 2*time.Minute, "entries that memory no longer has", func() error {
		status, err := s.podStatus(t.Context())
		if err == nil && (status.Retention == nil || status.Retention.Seconds < 3*status.Window.Seconds || status.Window.Entries < 100) {
			err = fmt.Errorf("in memory %+v, on disk %+v", status.Window, status.Retention)
		}
		return err
	})
	s.condition(t, v1alpha1.ConditionRetaining, metav1.ConditionTrue)
	recovery := s.crash(t)
	s.ready(t)
	began := time.Now()
	late := read(t, client.Options{URL: "ws://" + s.host() + ":8080", Since: first})
	a, w := sum(t, []*reader{late}), sum(t, []*reader{witness})
	figure(t, "streamer killed, state %s; from the first cursor on: %d messages within %.1f s, %d missing, %d repeated, %d gaps told; a client that was there: %d, %d missing",
		recovery, a.messages, time.Since(began).Seconds(), a.missing, a.repeated, a.gaps, w.messages, w.missing)
	if a.missing != 0 || a.gaps != 0 || w.missing != 0 {
		t.Errorf("after the kill: from disk %+v, of a client that was there %+v", a, w)
	}
	if n := lacks(late, witness); n > 0 {
		t.Errorf("%d entries that a client got before the kill did not come from disk", n)
	}
	eventually(t, time.Minute, "figures of what is kept", func() error {
		if f := s.get(t).Status.Figures; f == nil || f.Retention == nil || f.Retention.Span == "" {
			return errNotYet
		}
		return nil
	})
	t.Logf("kubectl get certstreams -o wide:\n%s", kubectl(t, "get", "certstreams", "-n", s.namespace, "-o", "wide"))
}

// crash ends the stream's process with no time to do anything, or its pod with next to none where the node's processes cannot be
// seen. It returns what the next one found.
func (s *stream) crash(t *testing.T) (recovery string) {
	t.Helper()
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bed.component == "" {
		kubectl(t, "delete", "pod", "-n", s.namespace, before.Name, "--grace-period=0", "--force", "--wait=false")
		return mustStatus(t, s.replaced(t, before).Status.PodIP).State.Recovery
	}
	for _, id := range processes(t, "/streamer") {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "the next process", func() error {
		status, err := s.podStatus(t.Context())
		if err == nil && status.State.Recovery != "unclean" {
			err = fmt.Errorf("began with %s state", status.State.Recovery)
		}
		return err
	})
	return "unclean"
}

// firstCursor is the cursor of the first message of a client.
func firstCursor(t *testing.T, s *stream) string {
	t.Helper()
	c, err := client.New(client.Options{URL: "ws://" + s.host() + ":8080", MinBackoff: 50 * time.Millisecond, MaxBackoff: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for message, err := range c.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if message.Type == "certificate_update" {
			return message.Cursor
		}
	}
	t.Fatal("no certificate came")
	return ""
}

// lacks counts what one client got and the other did not.
func lacks(r, other *reader) (n int) {
	other.mu.Lock()
	defer other.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for log, indices := range other.seen {
		for index := range indices {
			if r.seen[log][index] == 0 {
				n++
			}
		}
	}
	return n
}

// TestLogThatLies has a log show two trees. Condition, event, kubectl's table, its description and the plugin say so, and the log's
// entries go on.
func TestLogThatLies(t *testing.T) {
	bed.operator(t)
	body, err := fetch(t.Context(), http.MethodPost, logsURL+"/liars")
	if err != nil {
		t.Fatal(err)
	}
	liar, err := customLogs(body)
	if err != nil {
		t.Fatal(err)
	}
	s := bed.readyStream(t, func(spec *v1alpha1.CertStreamSpec) { spec.Logs.Custom = append(liar, spec.Logs.Custom...) })
	s.condition(t, v1alpha1.ConditionLogsConsistent, metav1.ConditionTrue)
	r := read(t, client.Options{URL: "ws://" + s.host() + ":8080"})
	r.first()
	if _, err := fetch(t.Context(), http.MethodPost, liar[0].URL+"/split"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c := s.condition(t, v1alpha1.ConditionLogsConsistent, metav1.ConditionFalse)
	figure(t, "a log that shows two trees is on the CertStream after %.1f s: %s", time.Since(began).Seconds(), c.Message)
	if c.Reason != v1alpha1.ReasonLogMisbehaved || !strings.Contains(c.Message, liar[0].Name) || !strings.Contains(c.Message, "/evidence/") {
		t.Errorf("LogsConsistent says %s: %s", c.Reason, c.Message)
	}
	table := kubectl(t, "get", "certstreams", "-n", s.namespace)
	t.Logf("kubectl get certstreams:\n%s", table)
	if rows := strings.Split(table, "\n"); strings.Fields(rows[0])[3] != "CONSISTENT" || strings.Fields(rows[1])[3] != "False" {
		t.Errorf("kubectl get does not show it:\n%s", table)
	}
	eventually(t, 30*time.Second, "the event", func() error {
		described := kubectl(t, "describe", "certstream", s.name, "-n", s.namespace)
		_, events, _ := strings.Cut(described, "\nEvents:")
		if !strings.Contains(events, "LogMisbehaved") {
			return fmt.Errorf("described as\n%s", described)
		}
		t.Logf("kubectl describe certstream main:\n%s", described)
		return nil
	})
	logs := run(t, bed.plugin, "logs", s.name, "--namespace", s.namespace)
	t.Logf("kubectl certstream logs:\n%s", logs)
	file := evidenceIn(t, s, liar[0].Name)
	verdict := kubectl(t, "exec", "-n", s.namespace, "deployment/certstream-"+s.name, "--", "/streamer", "verify", "--evidence", file)
	t.Logf("streamer verify --evidence %s:\n%s", file, verdict)
	was := r.account().messages
	eventually(t, 30*time.Second, "entries that go on", func() error {
		if now := r.account().messages; now < was+100 {
			return fmt.Errorf("%d messages, before %d", now, was)
		}
		return nil
	})
	s.ready(t)
}

// evidenceIn is the file of the evidence against a log, as the CertStream has it.
func evidenceIn(t *testing.T, s *stream, log string) string {
	t.Helper()
	figures := s.get(t).Status.Figures
	for _, m := range figures.Logs.Misbehaviour {
		if m.Name == log && m.Evidence != "" {
			return m.Evidence
		}
	}
	t.Fatalf("no evidence against %s in %+v", log, figures.Logs)
	return ""
}

// TestDedupByDefault holds that clients of a stream kind with deduplication get each certificate once, or twice where another
// client came after them, and that others get every copy. The test logs give the same 200 certificates again and again.
func TestDedupByDefault(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, func(spec *v1alpha1.CertStreamSpec) {
		spec.Protocols.Streams.Dedup.Default = []v1alpha1.StreamKind{v1alpha1.StreamLite}
	})
	every := read(t, client.Options{URL: "ws://" + s.host() + ":8080", Dedup: client.DedupOff})
	once := read(t, client.Options{URL: "ws://" + s.host() + ":8080"})
	once.first()
	eventually(t, time.Minute, "many copies", func() error {
		if n := every.account().messages; n < 3000 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	a, b := every.account(), once.account()
	figure(t, "of %d messages without deduplication a client with the stream's default got %d", a.messages, b.messages)
	if a.missing != 0 || b.messages < 100 || b.messages > 400 {
		t.Errorf("without deduplication %+v, with it %d messages; want each of 200 certificates once, or twice", a, b.messages)
	}
	var config struct {
		Data map[string]string `json:"data"`
	}
	text := kubectl(t, "get", "configmap", "certstream-"+s.name, "-n", s.namespace, "-o", "json")
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config.Data["config.yaml"], "dedup:\n  streams:\n    - lite\n") {
		t.Errorf("configuration:\n%s", config.Data["config.yaml"])
	}
}
