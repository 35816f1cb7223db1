package ctlog

import (
	"context"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestLogsWithoutAKnownKey reads logs of which only the URL is known: heads are taken as they come, entries still have to fit.
func TestLogsWithoutAKnownKey(t *testing.T) {
	for name, static := range map[string]bool{"rfc6962": false, "tiled": true} {
		t.Run(name, func(t *testing.T) {
			l := testlog.New(testlog.Options{Name: name, Static: static})
			l.Append(testlog.NewCA("CA").Pool(3)...)
			l.Publish()
			server, err := testlog.Serve("127.0.0.1:0", nil, l)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			open := NewRFC6962
			if static {
				open = NewStatic
			}
			if _, err := open(Options{URL: l.URL()}); err == nil {
				t.Error("a forgotten key is taken for a log without one")
			}
			log, err := open(Options{URL: l.URL(), Unsigned: true})
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			head, err := log.Head(context.Background())
			if err != nil || head.Size != 3 || head.Timestamp == 0 {
				t.Fatalf("head %+v, %v", head, err)
			}
			batch, err := log.Entries(context.Background(), head, 0, 3)
			if err != nil {
				t.Fatal(err)
			}
			defer batch.Release()
			var f Frontier
			for _, e := range batch.Entries {
				f.Append(e.LeafHash)
			}
			if f.Root() != head.Root {
				t.Error("the entries do not lead to the head")
			}
		})
	}
}
