package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const runningHash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// healthyReport is a pod of ten logs, all well.
func healthyReport() *serve.Status {
	s := &serve.Status{
		Version: "v0.1.0", StartedAt: moment.Add(-72 * time.Hour), UptimeSeconds: 72 * 3600, EntriesPerSecond: 412.3,
		Config: serve.ConfigStatus{Path: "/etc/certstream/config/config.yaml", Hash: runningHash, LoadedAt: moment.Add(-time.Hour)},
		State:  serve.StateStatus{Dir: "/var/lib/certstream", LastCheckpoint: moment.Add(-3 * time.Second)},
		Retention: &serve.RetentionStatus{
			Segments: 17, Entries: 6_100_000, Bytes: 1900 << 20, CapacityBytes: 2457 << 20, Seconds: 18_000, OldestAt: moment.Add(-5 * time.Hour),
		},
		Clients: []serve.ClientsCount{
			{Protocol: "websocket", Stream: "lite", Count: 7}, {Protocol: "websocket", Stream: "full"}, {Protocol: "sse", Stream: "domains-only", Count: 2},
		},
		LogList: serve.LogListStatus{Selected: 10, Sources: []serve.LogSource{{Name: "google", SignedBy: "Google"}}},
	}
	for i := range 10 {
		n := uint64(i)
		s.Logs = append(s.Logs, serve.LogStatus{
			Name: fmt.Sprintf("Google 'Argon2026h%d' log", i), URL: fmt.Sprintf("https://argon%d.test/", i), Operator: "Google", LogID: "aWQ=",
			Protocol: "rfc6962", State: "following", Status: serve.Healthy, Breaker: "closed", Position: 1_500_000_000 + n,
			Verification: "full", VerifiedPosition: 1_500_000_000 + n, TreeSize: 1_500_000_000 + n, LagSeconds: float64(i), Entries: 10_000_000 * n, RequestsPerSec: 0.5,
		})
	}
	return s
}

// troubledReport is the same pod, with one log that does not answer, one that is slow, a refused configuration and more.
func troubledReport() *serve.Status {
	s := healthyReport()
	s.Logs = append(s.Logs, serve.LogStatus{
		Name: "Cloudflare 'Nimbus2026'", URL: "https://nimbus.test/", Operator: "Cloudflare", Protocol: "rfc6962", State: "failing",
		Status: serve.Unhealthy, Breaker: "open", Position: 88, VerifiedPosition: 80, TreeSize: 100, LagEntries: 12, LagSeconds: 340,
		LastError: "get-sth: no answer within 30s\x1b[2J", LastErrorKind: "timeout", LastErrorAt: moment.Add(-12 * time.Second), Errors: 17,
	}, serve.LogStatus{
		Name: "TrustAsia 'log2026a'", URL: "https://trustasia.test/", Operator: "TrustAsia", Protocol: "tiled", State: "catching_up",
		Status: serve.Degraded, Breaker: "closed", Position: 2_000, TreeSize: 90_000, LagEntries: 88_000, LagSeconds: 95, Stale: true,
		TreeHeadTime: moment.Add(-25 * time.Hour), Unverified: "the root does not match", UnverifiedSince: moment.Add(-90 * time.Second), Verification: "full",
	}, serve.LogStatus{
		Name: "Sectigo 'Mammoth2026h1'", URL: "https://mammoth.test/", Operator: "Sectigo", Protocol: "rfc6962", State: "following",
		Status: serve.Unhealthy, Breaker: "closed", Position: 700, VerifiedPosition: 600, TreeSize: 700, LagSeconds: 2, Verification: "full",
		Unverified: "the log misbehaved: two roots for size 700", UnverifiedSince: moment.Add(-30 * time.Minute), Misbehaviours: 1,
		Misbehaviour: &serve.Misbehaviour{
			Kind: "two_roots", Why: "two roots for size 700", Since: moment.Add(-30 * time.Minute), Count: 1,
			Evidence: "/var/lib/certstream/state/evidence/mammoth/20261121T113000.000000000Z.json",
		},
	})
	s.Retention.LastError, s.Retention.Full, s.Retention.AsideSegments, s.Retention.MissedEntries = "the volume is full", true, 1, 12_000
	s.Config.Hash = "0000aaaabbbbccccdddd"
	s.Config.LastError = "line 4: port: 80800 is above 65535; want 0 to 65535"
	s.Config.LastErrorAt = moment.Add(-20 * time.Second)
	s.Config.RestartNeeded = []string{"window.size", "state.interval"}
	s.Config.Warnings = []string{`custom_logs: "demo" has no key: its signatures cannot be checked`}
	s.State.LastError = "no space left on device"
	s.LogList.Sources[0].Error = "404 Not Found"
	return s
}

// events are two of the CertStream and one of its pod.
func events() []*corev1.Event {
	about := func(kind, name string) corev1.ObjectReference {
		return corev1.ObjectReference{Kind: kind, Name: name, Namespace: "ct"}
	}
	at := func(ago time.Duration) metav1.Time { return metav1.NewTime(moment.Add(-ago)) }
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ct", Name: name} }
	return []*corev1.Event{
		{ObjectMeta: meta("a"), InvolvedObject: about("CertStream", "main"), Type: "Normal", Reason: "Reloaded",
			Message: "The pod runs exactly the configuration that was written", LastTimestamp: at(time.Hour), Count: 1},
		{ObjectMeta: meta("b"), InvolvedObject: about("CertStream", "main"), Type: "Warning", Reason: "SomeLogsFailing",
			Message: "1 of 12 logs does not answer: Nimbus2026 (timeout)", EventTime: metav1.NewMicroTime(moment.Add(-time.Hour)),
			Series: &corev1.EventSeries{Count: 4, LastObservedTime: metav1.NewMicroTime(moment.Add(-3 * time.Minute))}},
		{ObjectMeta: meta("c"), InvolvedObject: about("Pod", "certstream-main-7c9f-x2x"), Type: "Normal", Reason: "Started",
			Message: "Container started", EventTime: metav1.NewMicroTime(moment.Add(-72 * time.Hour))},
		{ObjectMeta: meta("d"), InvolvedObject: about("CertStream", "other"), Type: "Normal", Reason: "NotOurs", LastTimestamp: at(time.Minute)},
	}
}

func conditionOf(kind, status string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status)}
}
