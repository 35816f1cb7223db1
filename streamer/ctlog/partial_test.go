package ctlog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// headOf fetches the head, which must not fail.
func headOf(t *testing.T, log Log) TreeHead {
	t.Helper()
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// entriesOf fetches entries and gives their number and the error's kind.
func entriesOf(log Log, head TreeHead, start, end uint64) (int, *Error) {
	b, err := log.Entries(context.Background(), head, start, end)
	if e := (*Error)(nil); errors.As(err, &e) {
		return 0, e
	}
	defer b.Release()
	return len(b.Entries), nil
}

// TestPartialTilesAreFetchedAsSeldomAsTold follows a growing log: one partial tile in an interval, each width once, and the
// full tile without waiting as soon as there is one.
func TestPartialTilesAreFetchedAsSeldomAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(testlog.Options{Name: "log", Static: true}, 10)
		log := open(t, l, inMemory(l))
		head := headOf(t, log)
		if n, err := entriesOf(log, head, 0, 10); n != 10 || err != nil {
			t.Fatalf("%d entries, %v", n, err)
		}
		grow := func(n int) {
			l.Append(sharedPool()[:n]...)
			l.Publish()
			head = headOf(t, log)
		}
		time.Sleep(4 * time.Second)
		grow(10)
		if _, err := entriesOf(log, head, 10, 20); err == nil || err.Kind != NotYet || err.RetryAfter != 6*time.Second {
			t.Fatalf("error %v", err)
		}
		time.Sleep(6 * time.Second)
		if n, err := entriesOf(log, head, 10, 20); n != 10 || err != nil {
			t.Fatalf("%d entries, %v", n, err)
		}
		grow(240)
		if n, err := entriesOf(log, head, 20, 260); n != 236 || err != nil {
			t.Errorf("the full tile: %d entries, %v", n, err)
		}
		if _, err := entriesOf(log, head, 256, 260); err == nil || err.Kind != NotYet {
			t.Errorf("the next partial tile came too early: %v", err)
		}
		if r := l.Stats.Repeated(testlog.PartialDataTile); len(r) > 0 || l.Stats.Kind(testlog.PartialDataTile).Requests != 2 {
			t.Errorf("%d partial tiles, repeated %v", l.Stats.Kind(testlog.PartialDataTile).Requests, r)
		}
	})
}

// TestTilesHandedOutInPiecesAreFetchedOnce asks for parts of a full and of a partial tile.
func TestTilesHandedOutInPiecesAreFetchedOnce(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true}, 300)
	log := open(t, l, inMemory(l))
	head := headOf(t, log)
	for at := uint64(0); at < 300; {
		b, err := log.Entries(context.Background(), head, at, min(at+7, 300))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Entries {
			checkEntry(t, l, e, at)
			at++
		}
		b.Release()
	}
	if n := l.Stats.Kind(testlog.DataTile).Requests + l.Stats.Kind(testlog.PartialDataTile).Requests; n != 2 {
		t.Errorf("%d requests for two tiles", n)
	}
}

// TestVanishedPartialTile has a partial tile that filled, and vanished, behind an older checkpoint (row 18).
func TestVanishedPartialTile(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true, DropPartials: true}, 100)
	log := open(t, l, inMemory(l))
	old := headOf(t, log)
	l.Append(sharedPool()[:200]...)
	l.Publish()
	readAll(t, log, l, old, new(Frontier))
	f, err := log.Frontier(context.Background(), old)
	if err != nil || f.Root() != old.Root {
		t.Errorf("frontier of the old head: %v", err)
	}
	head := headOf(t, log)
	if n, err := entriesOf(log, head, 100, 256); n != 156 || err != nil {
		t.Errorf("the rest of the full tile: %d entries, %v", n, err)
	}
	if r := l.Stats.Repeated(testlog.DataTile); len(r) > 0 {
		t.Errorf("fetched twice: %v", r)
	}
}

// TestPartialIntervalHasAFloor keeps a setting from hurting a log.
func TestPartialIntervalHasAFloor(t *testing.T) {
	if got := (Options{PartialInterval: time.Second}).withDefaults().PartialInterval; got != 5*time.Second {
		t.Errorf("interval %v", got)
	}
}

func TestLeafIndexIsFoundAmongExtensions(t *testing.T) {
	index := []byte{0, 0, 5, 0, 0, 0, 1, 2}
	for _, c := range []struct {
		name       string
		extensions []byte
		lenient    bool
		ok         bool
	}{
		{"alone", index, false, true},
		{"after another", append([]byte{9, 0, 1, 7}, index...), false, true},
		{"missing", nil, false, false},
		{"missing in a hybrid", nil, true, true},
		{"wrong in a hybrid", []byte{0, 0, 5, 0, 0, 0, 1, 3}, true, false},
		{"short", []byte{0, 0, 4, 0, 0, 1, 2}, false, false},
		{"cut", index[:5], true, false},
	} {
		if err := checkLeafIndex(c.extensions, 258, c.lenient); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTilePaths(t *testing.T) {
	for _, c := range []struct {
		index, width uint64
		want         string
	}{
		{0, 256, "tile/data/000"}, {999, 1, "tile/data/999.p/1"}, {1000, 256, "tile/data/x001/000"},
		{1234067, 255, "tile/data/x001/x234/067.p/255"}, {1000000000, 256, "tile/data/x001/x000/x000/000"},
	} {
		if got := tilePath("data", c.index, c.width); got != c.want {
			t.Errorf("tile %d of width %d is at %s, want %s", c.index, c.width, got, c.want)
		}
	}
}
