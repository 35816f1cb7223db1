package follow

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

func row28(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:600]...)
	for _, do := range []testlog.Action{
		testlog.HTML(), testlog.Rewrite(func(b []byte) []byte { return b[:len(b)/2] }),
		testlog.Rewrite(func([]byte) []byte { return []byte(strings.Repeat("<p>x</p>", 1000)) }),
		testlog.Rewrite(func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }),
	} {
		log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Times: 1, Do: do})
		log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Times: 1, Do: do})
	}
	r.start(spec)
	r.until(time.Minute, "refused", func() bool { return r.status().LastErrorKind != "" })
	r.failedAs(ctlog.Malformed)
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
}

func row29(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 64}, pool()[:300]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Times: 4, Do: testlog.Reset(5000)})
	r.start(spec)
	r.caughtUp(5*time.Minute, log)
	r.complete(log, 0)
	r.failedAs(ctlog.Network)
	if fault.Hits() != 4 {
		r.Errorf("%d resets", fault.Hits())
	}
}

// row30: a trickle is cut off, and less is asked for.
func row30(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:1000]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Times: 6, Do: testlog.Slow(100)})
	r.start(spec)
	r.until(2*time.Minute, "cut off", func() bool { return r.status().LastErrorKind == string(ctlog.Timeout) })
	r.caughtUp(20*time.Minute, log)
	r.complete(log, 0)
	if fault.Hits() == 0 {
		r.Error("nothing was slow")
	}
	r.counted(ctlog.Timeout)
}

func row31(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	log.Faults.Add(testlog.Fault{Times: 2, Do: testlog.Hang()})
	begin := time.Now()
	r.start(spec)
	r.until(time.Minute, "timed out", func() bool { return r.status().LastErrorKind == string(ctlog.Timeout) })
	if d := time.Since(begin); d < 29*time.Second || d > 35*time.Second {
		r.Errorf("timed out after %v, want 30 s", d)
	}
	r.caughtUp(3*time.Minute, log)
	r.complete(log, 0)
	if n := log.Stats.Total(); n > 6 {
		r.Errorf("%d requests: hedging?", n)
	}
}

// row32: a log that is not there at the start, and goes away later, is tried for ever.
func row32(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	h := r.hosts["log.example"]
	h.setDialError(&net.DNSError{Err: "no such host", Name: "log.example", IsNotFound: true})
	r.start(spec)
	time.Sleep(3 * time.Hour)
	r.failedAs(ctlog.Network)
	if s := r.status(); s.Breaker == BreakerClosed || s.State != "failing" || r.metric("certstream_log_breaker_state") == 0 {
		r.Errorf("status %+v", s)
	}
	h.setDialError(nil)
	r.caughtUp(11*time.Minute, log)
	r.complete(log, 0)
	r.counted(ctlog.Network)
	h.setDialError(errors.New("host is down"))
	r.clients[0].CloseIdleConnections()
	log.Append(pool()[100:200]...)
	log.Publish()
	time.Sleep(time.Minute)
	h.setDialError(nil)
	r.caughtUp(2*time.Minute, log)
	r.complete(log, 0)
}

// row33: a certificate that does not hold is refused, unless the user accepts it: roots authenticate the data.
func row33(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{}
	server.StartTLS() // for its certificate only
	certificate := server.TLS.Certificates[0]
	server.Close()
	secure := r.listen("secure.example", log.Handler())
	accept := false
	spec.Open = func(hooks ctlog.Hooks) (ctlog.Log, error) {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: accept, ServerName: "secure.example"},
			DialContext:     func(context.Context, string, string) (net.Conn, error) { return secure.dialTLS(certificate) },
		}
		client := &http.Client{Transport: transport}
		r.clients = append(r.clients, client)
		return ctlog.NewRFC6962(ctlog.Options{URL: "https://secure.example/", Key: log.Key(), Client: client, Hooks: hooks})
	}
	r.start(spec)
	time.Sleep(time.Minute)
	r.failedAs(ctlog.TLS)
	if s := r.status(); s.Position != 0 {
		r.Errorf("read without a valid certificate: %+v", s)
	}
	accept = true
	spec.Revision = "certificates accepted"
	r.sup.SetLogs([]LogSpec{spec})
	r.caughtUp(2*time.Minute, log)
	r.complete(log, 0)
}

// dialTLS reaches the host by way of a TLS server.
func (h *host) dialTLS(certificate tls.Certificate) (net.Conn, error) {
	client, server := net.Pipe()
	h.conns <- tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate}})
	return client, nil
}

func row34(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	elsewhere, _ := r.serve(testlog.Options{Name: "Elsewhere"}, pool()[:100]...)
	log.Faults.Add(testlog.Fault{For: time.Minute, Do: testlog.Redirect("http://elsewhere.example/ct/v1/get-sth")})
	r.start(spec)
	time.Sleep(50 * time.Second)
	r.failedAs(ctlog.Redirected)
	if elsewhere.Stats.Total() > 0 {
		r.Error("followed to another host")
	}
	r.caughtUp(3*time.Minute, log)
	r.complete(log, 0)
}

func row35(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	log.Faults.Add(testlog.Fault{For: 10 * time.Minute, Do: testlog.Forbidden()})
	r.start(spec)
	time.Sleep(10 * time.Minute)
	if n := log.Stats.Total(); n > 11 {
		r.Errorf("%d requests in ten minutes of 403", n)
	}
	r.failedAs(ctlog.Forbidden)
	if s := r.status(); !strings.Contains(s.LastError, "User-Agent") || s.Rate >= 10 {
		r.Errorf("error %q, rate %v", s.LastError, s.Rate)
	}
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
}

func row36(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 32}, pool()[:600]...)
	for _, code := range []int{500, 502, 503, 504} {
		log.Faults.Add(testlog.Fault{Times: 3, Skip: code - 499, Do: testlog.Status(code, "<html>oops</html>")})
	}
	r.start(spec)
	opened, probes := false, 0
	r.until(10*time.Minute, "caught up", func() bool {
		s := r.status()
		opened = opened || s.Breaker == BreakerOpen
		if s.Breaker == BreakerHalfOpen {
			probes++
		}
		return s.VerifiedSize == log.Size()
	})
	if !opened {
		r.Error("the breaker never opened")
	}
	r.complete(log, 0)
	r.failedAs(ctlog.ServerError)
	r.counted(ctlog.ServerError)
}

// row37: a log that goes read-only is read to its end, and then asked once an hour.
func row37(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	log.Append(pool()[100:200]...)
	log.Publish()
	spec.ReadOnly = &FinalHead{Size: 200, Root: log.Root(200)}
	r.sup.SetLogs([]LogSpec{spec})
	r.caughtUp(time.Minute, log)
	r.complete(log, 0)
	time.Sleep(time.Minute)
	before := log.Stats.Total()
	time.Sleep(5 * time.Hour)
	if n := log.Stats.Total() - before; n < 4 || n > 6 {
		r.Errorf("%d polls in five hours", n)
	}
	if s := r.status(); s.State != "drained" || s.Stale {
		r.Errorf("status %+v", s)
	}
}

// row38: a log that leaves the list is not followed any more; what is known of it stays.
func row38(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	_, other := r.serve(testlog.Options{Name: "Other"}, pool()[:10]...)
	dir := r.TempDir()
	store := openStore(r.T, dir)
	r.options = func(o *Options) { o.Store = store }
	r.start(spec, other)
	r.caughtUp(time.Minute, log)
	r.sup.SetLogs([]LogSpec{other})
	time.Sleep(time.Minute)
	before := log.Stats.Total()
	log.Append(pool()[100:200]...)
	log.Publish()
	time.Sleep(time.Hour)
	if n := log.Stats.Total() - before; n != 0 || len(r.sup.Status()) != 1 || r.metric("certstream_log_position", "Log") != 0 {
		r.Errorf("%d requests to a log that is not followed; status %+v", n, r.sup.Status())
	}
	state, ok := store.Log(spec.Source.LogID)
	if !ok || state.Position != 100 {
		r.Errorf("its state is %+v", state)
	}
	r.sup.SetLogs([]LogSpec{other, spec})
	r.caughtUp(time.Minute, log)
	r.complete(log, 0)
	r.close()
	if err := store.Close(); err != nil {
		r.Error(err)
	}
}

// row39: another key under the same URL is another log.
func row39(r *rig) {
	old, spec := r.serve(testlog.Options{}, pool()[:100]...)
	store := openStore(r.T, r.TempDir())
	r.options = func(o *Options) { o.Store = store }
	r.start(spec)
	r.caughtUp(time.Minute, old)
	fresh := testlog.New(testlog.Options{Name: "Log"})
	fresh.SetURL("http://log.example/")
	fresh.Append(pool()[300:350]...)
	fresh.Publish()
	old.Faults.Add(testlog.Fault{Do: testlog.ServeOther(fresh.Handler())})
	time.Sleep(time.Minute)
	r.failedAs(ctlog.BadSignature)
	r.sup.SetLogs([]LogSpec{r.spec(fresh)})
	r.caughtUp(2*time.Minute, fresh)
	r.complete(fresh, 0)
	r.complete(old, 0)
	r.close()
	state, ok := store.Log(spec.Source.LogID)
	if again, found := store.Log(engine.Fingerprint(fresh.ID())); !ok || !found || state.Position != 100 || again.Position != 50 {
		r.Errorf("state of the old log %+v, of the new %+v", state, again)
	}
	if err := store.Close(); err != nil {
		r.Error(err)
	}
}

// row42: a log that permits less than it grows by falls behind, and says so.
func row42(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 4}, pool()[:100]...)
	log.Faults.Add(testlog.Fault{Do: testlog.RateLimit(0.5, "")})
	r.start(spec)
	for i := range 100 {
		log.Append(pool()[100+10*i : 110+10*i]...)
		log.Publish()
		time.Sleep(3 * time.Second)
	}
	s := r.status()
	if s.LagEntries < 300 || s.Lag < 30*time.Second || s.Lag > 5*time.Minute || s.State != "catching_up" && s.State != "failing" {
		r.Errorf("lag %d entries, %v; %s", s.LagEntries, s.Lag, s.State)
	}
	if r.metric("certstream_log_lag_entries") < 300 || r.metric("certstream_log_lag_seconds") < 30 {
		r.Errorf("metrics: %v entries, %v s", r.metric("certstream_log_lag_entries"), r.metric("certstream_log_lag_seconds"))
	}
	if s.Rate > 2 {
		r.Errorf("rate %v, the log permits 0.5", s.Rate)
	}
	log.Faults.Clear()
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
}

// row42Skip: only where the user says so are entries skipped, and everybody is told.
func row42Skip(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 32}, pool()[:1000]...)
	r.options = func(o *Options) { o.Settings.MaxLagEntries = 500 }
	r.start(spec)
	r.caughtUp(5*time.Minute, log)
	if len(r.gaps) != 1 || r.gaps[0] != [2]uint64{0, 1000} {
		r.Fatalf("gaps %v", r.gaps)
	}
	log.Append(pool()[1000:1100]...)
	log.Publish()
	r.caughtUp(time.Minute, log)
	r.complete(log, 1000)
	if s := r.status(); s.Skipped != 1000 || r.metric("certstream_log_skipped_entries_total") != 1000 {
		r.Errorf("status %+v", s)
	}
}

// row43: killed between two checkpoints, at most one interval is emitted again, and none is lost.
func row43(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	dir := r.TempDir()
	var last uint64
	for round := range 5 {
		store := openStore(r.T, dir)
		r.options = func(o *Options) { o.Store = store }
		r.start(spec)
		for range 7 {
			log.Append(pool()[100+20*round : 110+20*round]...)
			log.Publish()
			time.Sleep(3 * time.Second)
		}
		state, ok := store.Log(spec.Source.LogID)
		if !ok || r.status().Position-state.Position > 30 {
			r.Errorf("position %d, saved %d", r.status().Position, state.Position)
		}
		last = state.Position
		r.abandon(store)
	}
	store := openStore(r.T, dir)
	if state, _ := store.Log(spec.Source.LogID); state.Position != last {
		r.Errorf("position %d after a kill, want %d", state.Position, last)
	}
	r.options = func(o *Options) { o.Store = store }
	r.start(spec)
	r.caughtUp(time.Minute, log)
	r.noneLost(log)
	if extra := uint64(len(r.emitted(log))) - log.Size(); extra > 5*30 {
		r.Errorf("%d entries emitted again after five kills", extra)
	}
	r.close()
	if err := store.Close(); err != nil {
		r.Error(err)
	}
}

// abandon ends a supervisor as kill -9 does: nothing is saved any more.
func (r *rig) abandon(store *Store) {
	store.mu.Lock()
	lock := store.lock
	store.lock = nil // as if the process were gone: nothing can be written
	store.mu.Unlock()
	r.expectErr = true
	r.stop()
	r.expectErr, r.stop = false, nil
	_ = lock.Close()
	synctest.Wait()
}

func TestRealSockets(t *testing.T) {
	log := testlog.New(testlog.Options{Name: "Classic"})
	tiled := testlog.New(testlog.Options{Name: "Tiled", Static: true})
	for _, l := range []*testlog.Log{log, tiled} {
		l.Append(pool()[:700]...)
	}
	server, err := testlog.Serve("127.0.0.1:0", nil, log, tiled)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := &rig{T: t, eng: &fakeEngine{}, issuers: &fakeIssuers{}}
	log.Publish()
	tiled.Publish()
	client := &http.Client{Transport: &http.Transport{}}
	var specs []LogSpec
	for _, l := range []*testlog.Log{log, tiled} {
		spec := r.spec(l)
		spec.Open = func(hooks ctlog.Hooks) (ctlog.Log, error) {
			o := ctlog.Options{URL: l.URL(), Key: l.Key(), Client: client, Hooks: hooks}
			if l.Static() {
				return ctlog.NewStatic(o)
			}
			return ctlog.NewRFC6962(o)
		}
		specs = append(specs, spec)
	}
	r.options = func(o *Options) { o.Settings.Stagger, o.Settings.PollMin = time.Millisecond, 10*time.Millisecond }
	r.start(specs...)
	defer r.close()
	for end := time.Now().Add(20 * time.Second); r.statusOf(log).VerifiedSize < 700 || r.statusOf(tiled).VerifiedSize < 700; {
		if time.Now().After(end) {
			t.Fatalf("not caught up: %+v", r.sup.Status())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.complete(log, 0)
	r.complete(tiled, 0)
}

// TestHTTP2StreamsReset: over HTTP/2, on real sockets, streams break with INTERNAL_ERROR (row 29).
func TestHTTP2StreamsReset(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // for its certificate only
	certificate := server.TLS.Certificates[0]
	server.Close()
	log := testlog.New(testlog.Options{Name: "Classic", MaxGetEntries: 64})
	log.Append(pool()[:600]...)
	serving, err := testlog.Serve("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer serving.Close()
	log.Publish()
	transport, err := ctlog.NewTransport(ctlog.TransportOptions{AllowPrivate: true, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Every: 2, Do: testlog.Reset(5000)})
	r := &rig{T: t, eng: &fakeEngine{}, issuers: &fakeIssuers{}}
	spec := r.spec(log)
	spec.Open = func(hooks ctlog.Hooks) (ctlog.Log, error) {
		client := &http.Client{Transport: transport}
		return ctlog.NewRFC6962(ctlog.Options{URL: log.URL(), Key: log.Key(), Client: client, Hooks: hooks})
	}
	r.options = func(o *Options) {
		o.Settings = Settings{BackoffFloor: time.Millisecond, BackoffCap: time.Millisecond, BackoffLong: time.Millisecond}
	}
	r.start(spec)
	defer r.close()
	for end := time.Now().Add(20 * time.Second); r.status().VerifiedSize < 600; {
		if time.Now().After(end) {
			t.Fatalf("not caught up: %+v", r.sup.Status())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.complete(log, 0)
	r.failedAs(ctlog.Network)
	if fault.Hits() < 3 {
		t.Errorf("%d streams were reset", fault.Hits())
	}
}
