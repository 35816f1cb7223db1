package observe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// BenchmarkDecode reads the status of a streamer that follows 64 logs.
func BenchmarkDecode(b *testing.B) {
	s := realStatus()
	s.Logs = nil
	for i := range 64 {
		s.Logs = append(s.Logs, serve.LogStatus{
			Name: fmt.Sprintf("Some operator's log of 2026, shard %d", i), URL: "https://ct.example.com/logs/us1/some2026h1/",
			LogID: strings.Repeat("x", 44), State: "following", Status: serve.Healthy, Breaker: "closed", LagSeconds: 1.5, Position: 1 << 30,
		})
	}
	text := encoded(b, s)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode([]byte(text)); err != nil {
			b.Fatal(err)
		}
	}
}
