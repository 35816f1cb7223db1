package follow

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// BenchmarkCatchUp reads a backlog from a loopback log into a window, with each degree of verification, as fast as it goes; the
// log itself runs in the same process.
func BenchmarkCatchUp(b *testing.B) {
	for _, static := range []bool{false, true} {
		for _, v := range []Verification{VerifyOff, VerifyConsistency, VerifyFull} {
			b.Run(map[bool]string{false: "rfc6962", true: "tiled"}[static]+"/"+string(v), func(b *testing.B) { benchmarkCatchUp(b, static, v) })
		}
	}
}

// BenchmarkVerifier is what full verification adds to an entry whose leaf is hashed: the frontier, and a root for each 1,000.
func BenchmarkVerifier(b *testing.B) {
	f := &verifier{proofs: make(chan proof, 1)}
	f.trust(ctlog.Frontier{})
	b.ReportAllocs()
	for i := range b.N {
		f.add(ctlog.Hash{byte(i), byte(i >> 8), byte(i >> 16)})
		if i%1000 == 999 {
			f.confirm(f.tip)
		}
	}
}

func benchmarkCatchUp(b *testing.B, static bool, degree Verification) {
	entries := testlog.NewCA("Bench").Pool(2560)
	log := testlog.New(testlog.Options{Name: "Bench", Static: static})
	server, err := testlog.Serve("127.0.0.1:0", nil, log)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	for log.Size() < uint64(b.N) {
		log.Append(entries...)
	}
	log.Publish()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	spec := LogSpec{
		Source: &engine.Source{LogID: engine.Fingerprint(log.ID()), Name: "Bench", URL: strings.TrimSuffix(log.URL(), "/"),
			Protocol: map[bool]engine.Protocol{false: engine.RFC6962, true: engine.Tiled}[static]},
		Start:        Start{Kind: StartAtIndex},
		Verification: degree,
		Open: func(h ctlog.Hooks) (ctlog.Log, error) {
			o := ctlog.Options{URL: log.URL(), Key: log.Key(), Client: client, Hooks: h, Unhashed: degree != VerifyFull}
			if static {
				return ctlog.NewStatic(o)
			}
			return ctlog.NewRFC6962(o)
		},
	}
	window := engine.NewWindow(engine.WindowOptions{MaxBytes: 32 << 20, Numbering: engine.Numbering{Epoch: "e"}})
	publisher := consume(window)
	defer publisher.end()
	s := New(Options{
		Engine: window, Issuers: &fakeIssuers{}, Logger: slog.New(slog.DiscardHandler),
		Settings: Settings{CatchUpRate: 1e9, Pace: Pace{Rate: 1e6}},
	})
	s.SetLogs([]LogSpec{spec})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { done <- s.Run(ctx) }()
	for window.Head() < log.Size() {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(log.Size())/b.Elapsed().Seconds(), "entries/s")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
