package audit

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, l *testlog.Log) ctlog.Log {
	t.Helper()
	s, err := testlog.Serve("127.0.0.1:0", nil, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	transport, err := ctlog.NewTransport(ctlog.TransportOptions{AllowPrivate: true, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	o := ctlog.Options{URL: l.URL(), Key: l.Key(), Client: &http.Client{Transport: transport}}
	log, err := ctlog.NewRFC6962(o)
	if l.Static() {
		log, err = ctlog.NewStatic(o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestRun(t *testing.T) {
	entries := testlog.NewCA("Audit").Pool(600)
	for _, c := range []struct {
		name     string
		from, to uint64
		lie      func(l *testlog.Log)
		want     Result
		says     string
	}{
		{"all of it", 0, 0, nil, Result{Entries: 500, Checks: 3}, "entries 0 to 499 are in the tree"},
		{"a part", 100, 257, nil, Result{Entries: 157, Checks: 3}, "entries 100 to 256 are in the tree"},
		{"its last entry", 499, 500, nil, Result{Entries: 1, Checks: 3}, "entries 499 to 499"},
		{"a wrong entry", 0, 0, func(l *testlog.Log) { l.Corrupt(137, entries[550]) },
			Result{Entries: 500, Wrong: 1, Checks: 3, Failed: 1}, "entry 137 is the one in the tree: its leaf hash is"},
		{"the last is wrong", 300, 0, func(l *testlog.Log) { l.Corrupt(499, entries[550]) },
			Result{Entries: 200, Wrong: 1, Checks: 3, Failed: 1}, "entry 499"},
		{"three are wrong", 100, 300, func(l *testlog.Log) {
			for _, i := range []uint64{100, 255, 298} {
				l.Corrupt(i, entries[550])
			}
		}, Result{Entries: 200, Wrong: 3, Checks: 5, Failed: 3}, "entry 298"},
		{"another head was kept", 0, 10, func(l *testlog.Log) {
			fork := l.Fork(50)
			fork.Append(entries[100:500]...)
			fork.Publish()
			l.Become(fork)
		}, Result{Entries: 10, Checks: 3, Failed: 1}, "the tree agrees with the kept tree head of size 300"},
		{"a bad signature", 0, 10, func(l *testlog.Log) {
			l.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Do: testlog.BadSignature()})
			l.Faults.Add(testlog.Fault{Kind: testlog.Checkpoint, Do: testlog.BadSignature()})
		}, Result{Checks: 1, Failed: 1}, "signed by the log"},
		{"short of breath", 0, 0, func(l *testlog.Log) {
			l.Faults.Add(testlog.Fault{Every: 3, Times: 4, Do: testlog.Status(503, "busy")})
		}, Result{Entries: 500, Checks: 3}, "entries 0 to 499"},
	} {
		for _, o := range []testlog.Options{{}, {Static: true}} {
			t.Run(c.name, func(t *testing.T) {
				l := testlog.New(o)
				log := open(t, l)
				l.Append(entries[:300]...)
				l.Publish()
				kept, err := log.Head(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				l.Append(entries[300:500]...)
				l.Publish()
				if c.lie != nil {
					c.lie(l)
				}
				var said []string
				got, err := Run(context.Background(), Options{
					Log: log, From: c.from, To: c.to, Kept: []ctlog.TreeHead{kept}, Wait: time.Millisecond,
					Tell: func(k Check) { said = append(said, k.What) },
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
				if all := strings.Join(said, "\n"); !strings.Contains(all, c.says) {
					t.Errorf("said\n%s\nwant %q in it", all, c.says)
				}
			})
		}
	}
}

func TestWhatCannotBeChecked(t *testing.T) {
	l := testlog.New(testlog.Options{})
	l.Append(testlog.NewCA("Audit").Pool(20)...)
	l.Publish()
	log := open(t, l)
	run := func(from, to uint64) error {
		_, err := Run(context.Background(), Options{Log: log, From: from, To: to, Wait: time.Millisecond, Tell: func(Check) {}})
		return err
	}
	for _, r := range [][2]uint64{{5, 5}, {6, 5}, {0, 21}, {20, 0}} {
		if err := run(r[0], r[1]); !errors.Is(err, ErrRange) {
			t.Errorf("[%d, %d): %v", r[0], r[1], err)
		}
	}
	l.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Do: testlog.Status(503, "busy")})
	if err := run(0, 0); !is(err, ctlog.ServerError) {
		t.Errorf("a log that is down: %v", err)
	}
}
