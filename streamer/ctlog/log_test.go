package ctlog

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// client of a test log: loopback allowed.
func testOptions(t testing.TB, l *testlog.Log) Options {
	t.Helper()
	transport, err := NewTransport(TransportOptions{AllowPrivate: true, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return Options{URL: l.URL(), Key: l.Key(), LogID: l.ID(), Client: &http.Client{Transport: transport}, UserAgent: "test"}
}

func open(t testing.TB, l *testlog.Log, edit ...func(*Options)) Log {
	t.Helper()
	o := testOptions(t, l)
	for _, e := range edit {
		e(&o)
	}
	make := NewRFC6962
	if l.Static() {
		make = NewStatic
	}
	log, err := make(o)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// start serves a test log with n entries of all shapes.
func start(t testing.TB, o testlog.Options, n int) *testlog.Log {
	t.Helper()
	l := testlog.New(o)
	l.Append(sharedPool()[:n]...)
	l.Publish()
	s, err := testlog.Serve("127.0.0.1:0", nil, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return l
}

// readAll reads a log from start to the head, checks every entry against what the log holds, and gives the frontier.
func readAll(t testing.TB, log Log, l *testlog.Log, head TreeHead, f *Frontier) {
	t.Helper()
	for f.Size < head.Size {
		b, err := log.Entries(context.Background(), head, f.Size, head.Size)
		if err != nil {
			t.Fatalf("entries from %d: %v", f.Size, err)
		}
		for _, e := range b.Entries {
			checkEntry(t, l, e, f.Size)
			f.Append(e.LeafHash)
		}
		b.Release()
	}
	if f.Root() != head.Root {
		t.Errorf("the root of all %d entries is not the head's", head.Size)
	}
}

func checkEntry(t testing.TB, l *testlog.Log, e Entry, index uint64) {
	t.Helper()
	want, timestamp := l.Entry(index)
	wantType := uint16(typeX509)
	if want.Precert {
		wantType = typePrecert
	}
	if e.Index != index || e.Timestamp != timestamp || e.Type != wantType || !slices.Equal(e.Certificate, want.DER) || e.Malformed != "" {
		t.Fatalf("entry %d differs: index %d, time %d, type %d, malformed %q", index, e.Index, e.Timestamp, e.Type, e.Malformed)
	}
	if e.LeafHash != Hash(l.LeafHash(index)) {
		t.Fatalf("entry %d: another leaf hash", index)
	}
	if l.Static() && len(e.Issuers) != len(want.Chain) || !l.Static() && len(e.Chain) != len(want.Chain) {
		t.Fatalf("entry %d: chain of %d, want %d", index, len(e.Chain)+len(e.Issuers), len(want.Chain))
	}
}

var sharedPool = poolOnce()

func TestReadsWholeLogs(t *testing.T) {
	for _, o := range []testlog.Options{
		{Name: "Classic"}, {Name: "Small pages", MaxGetEntries: 32}, {Name: "Aligned", MaxGetEntries: 100, Align: true},
		{Name: "Static", Static: true}, {Name: "Plain tiles", Static: true, PlainTiles: true}, {Name: "RSA", Key: rsaKey(t)},
		{Name: "RSA static", Key: rsaKey(t), Static: true}, {Name: "P-384", Key: p384Key(t)},
	} {
		t.Run(o.Name, func(t *testing.T) {
			l := start(t, o, 600)
			log := open(t, l)
			head, err := log.Head(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if head.Size != 600 || head.Root != Hash(l.Root(600)) || len(head.Raw) == 0 {
				t.Fatalf("head %+v", head)
			}
			readAll(t, log, l, head, new(Frontier))
			for _, size := range []uint64{0, 1, 2, 255, 256, 257, 511, 512, 599, 600} {
				f, err := log.FrontierAt(context.Background(), head, size)
				if err != nil {
					t.Fatalf("frontier at %d: %v", size, err)
				}
				if f.Size != size || f.Check() != nil || f.Root() != Hash(l.Root(size)) {
					t.Errorf("frontier at %d: size %d, %d nodes", size, f.Size, len(f.Nodes))
				}
			}
			if fmt.Sprint(l.Stats.Repeated(testlog.DataTile), l.Stats.Repeated(testlog.GetEntries)) != "map[] map[]" {
				t.Error("something was fetched twice")
			}
		})
	}
}
