package testlog

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// answers collects the statuses of some requests for one path.
func answers(t testing.TB, client *http.Client, url string, n int) (statuses []int) {
	t.Helper()
	for range n {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
	return statuses
}

func TestFaultsAreChosen(t *testing.T) {
	l := filled(t, Options{}, 3)
	client := &http.Client{Transport: Transport(l)}
	url := l.URL() + "ct/v1/get-sth"
	for _, c := range []struct {
		name  string
		fault Fault
		want  string
	}{
		{"all", Fault{}, "[500 500 500 500]"},
		{"every second", Fault{Every: 2}, "[200 500 200 500]"},
		{"after two", Fault{Skip: 2}, "[200 200 500 500]"},
		{"another kind", Fault{Kind: GetEntries}, "[200 200 200 200]"},
		{"by path", Fault{Path: regexp.MustCompile(`get-sth$`), Times: 1}, "[500 200 200 200]"},
		{"always, by chance", Fault{Probability: 1}, "[500 500 500 500]"},
	} {
		c.fault.Do = Status(500, "")
		active := l.Faults.Add(c.fault)
		if got := fmt.Sprint(answers(t, client, url, 4)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		active.Remove()
	}
	synctest.Test(t, func(t *testing.T) {
		l.Faults.Add(Fault{For: time.Minute, Do: Status(500, "")})
		first := answers(t, client, url, 1)
		time.Sleep(2 * time.Minute)
		if got := append(first, answers(t, client, url, 1)...); !slices.Equal(got, []int{500, 200}) {
			t.Errorf("for a minute: %v", got)
		}
		l.Faults.Clear()
	})
}

func TestRateLimitIsATokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(t, Options{}, 3)
		client := &http.Client{Transport: Transport(l)}
		l.Faults.Add(Fault{Do: RateLimit(2, "1")})
		time.Sleep(time.Second)
		got := answers(t, client, l.URL()+"ct/v1/get-sth", 3)
		time.Sleep(time.Second)
		got = append(got, answers(t, client, l.URL()+"ct/v1/get-sth", 3)...)
		if !slices.Equal(got, []int{200, 200, 429, 200, 200, 429}) {
			t.Errorf("answers %v", got)
		}
	})
}

// sthOf fetches and decodes a head.
func sthOf(t testing.TB, l *Log) (sth struct {
	Size uint64 `json:"tree_size"`
	Root []byte `json:"sha256_root_hash"`
}) {
	t.Helper()
	resp, err := (&http.Client{Transport: Transport(l)}).Get(l.URL() + "ct/v1/get-sth")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&sth); err != nil {
		t.Fatal(err)
	}
	return sth
}

func TestHeadsThatLie(t *testing.T) {
	l := filled(t, Options{}, 20)
	honest := l.Root(20)
	fork := l.Fork(10)
	fork.Append(NewCA("Fork").Pool(10)...)
	fork.Publish()
	if fork.Root(10) != l.Root(10) || fork.Root(20) == honest || !bytes.Equal(fork.Key(), l.Key()) {
		t.Error("a fork shares its first entries and its key with the log, and nothing else")
	}
	f := l.Faults.Add(Fault{Kind: GetSTH, Every: 2, Do: ServeOther(fork.Handler())})
	if first, second := sthOf(t, l), sthOf(t, l); first.Size != second.Size || bytes.Equal(first.Root, second.Root) {
		t.Error("the heads do not contradict each other")
	}
	f.Remove()
	l.Faults.Add(Fault{Kind: GetSTH, Times: 1, Do: ServeOther(l.At(15))})
	if sth := sthOf(t, l); sth.Size != 15 || Hash(sth.Root) != l.Root(15) {
		t.Errorf("the lagging frontend's head is of %d", sth.Size)
	}
	l.Freeze()
	l.Append(NewCA("More").Pool(5)...)
	if l.Publish().Size != 20 || l.Size() != 25 {
		t.Error("a frozen log publishes")
	}
	l.Thaw()
	if l.Publish().Size != 25 {
		t.Error("a thawed log does not publish")
	}
	if l.PublishHead(25, 7, Hash{1}); sthOf(t, l).Root[0] != 1 || l.Head().Timestamp != 7 {
		t.Error("a false root is not served")
	}
}

func TestCorruptEntriesAreServedUntilTheyAreNot(t *testing.T) {
	l := filled(t, Options{Static: true}, 256)
	serve(t, l)
	_, honest := get(t, l.URL()+"tile/data/000")
	l.Corrupt(7, NewCA("Other").Issue(Shape{DNS: []string{"false.example"}}))
	_, corrupt := get(t, l.URL()+"tile/data/000")
	l.Corrupt(7, nil)
	_, again := get(t, l.URL()+"tile/data/000")
	if bytes.Equal(honest, corrupt) || !bytes.Equal(honest, again) || !bytes.Contains(corrupt, []byte("false.example")) {
		t.Error("the corrupt entry is served at the wrong time")
	}
}

// TestProofEndpoints checks what they answer with x/mod's tlog.
func TestProofEndpoints(t *testing.T) {
	l := filled(t, Options{}, 20)
	serve(t, l)
	ask := func(path string, into any) int {
		status, body := get(t, l.URL()+"ct/v1/"+path)
		if status == http.StatusOK {
			if err := json.Unmarshal(body, into); err != nil {
				t.Fatal(err)
			}
		}
		return status
	}
	var proof struct {
		LeafIndex   int64    `json:"leaf_index"`
		AuditPath   [][]byte `json:"audit_path"`
		Consistency [][]byte `json:"consistency"`
		Roots       [][]byte `json:"certificates"`
	}
	leaf := l.LeafHash(5)
	ask("get-proof-by-hash?tree_size=20&hash="+base64.URLEncoding.EncodeToString(leaf[:]), &proof) // not found: another alphabet
	query := bytes.ReplaceAll([]byte(base64.StdEncoding.EncodeToString(leaf[:])), []byte("+"), []byte("%2B"))
	if status := ask("get-proof-by-hash?tree_size=20&hash="+string(query), &proof); status != 200 || proof.LeafIndex != 5 {
		t.Fatalf("status %d, index %d", status, proof.LeafIndex)
	}
	if err := tlog.CheckRecord(lists(proof.AuditPath), 20, tlog.Hash(l.Root(20)), 5, tlog.Hash(leaf)); err != nil {
		t.Error(err)
	}
	if status := ask("get-sth-consistency?first=7&second=20", &proof); status != 200 {
		t.Fatalf("status %d", status)
	}
	if err := tlog.CheckTree(lists(proof.Consistency), 20, tlog.Hash(l.Root(20)), 7, tlog.Hash(l.Root(7))); err != nil {
		t.Error(err)
	}
	if status := ask("get-roots", &proof); status != 200 || len(proof.Roots) != 2 {
		t.Errorf("status %d, %d roots", status, len(proof.Roots))
	}
	for _, path := range []string{
		"get-sth-consistency?first=7&second=21", "get-entry-and-proof?leaf_index=20&tree_size=20", "get-entries?start=20&end=21",
		"get-entries?start=3&end=2", "get-entries?start=-1&end=2", "get-entries?start=a&end=2", "get-entries",
	} {
		if status := ask(path, &proof); status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func lists(hashes [][]byte) (out []tlog.Hash) {
	for _, h := range hashes {
		out = append(out, tlog.Hash(h))
	}
	return out
}

func TestGrowKeepsItsRate(t *testing.T) {
	entries := NewCA("Test").Pool(3)
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second+time.Millisecond)
		defer cancel()
		l.Grow(ctx, 25, Cycle(entries))
		if l.Size() < 245 || l.Size() > 250 || l.Head().Size != l.Size() {
			t.Errorf("%d entries in 10 s, %d of them published", l.Size(), l.Head().Size)
		}
	})
}

// BenchmarkServe shows what the log can serve: entries per second are 256 times the operations.
func BenchmarkServe(b *testing.B) {
	pool := NewCA("Test").Pool(256)
	for _, path := range []string{"ct/v1/get-entries?start=0&end=255", "tile/data/000"} {
		b.Run(path[:4], func(b *testing.B) {
			l := New(Options{Static: path[0] == 't'})
			l.Append(pool...)
			l.Publish()
			client := &http.Client{Transport: Transport(l)}
			for b.Loop() {
				answers(b, client, l.URL()+path, 1)
			}
		})
	}
	b.Run("append", func(b *testing.B) {
		l := New(Options{})
		for b.Loop() {
			l.Append(pool...)
		}
	})
	b.Run("vary", func(b *testing.B) {
		next := NewCA("Test").Source(32)
		for b.Loop() {
			next()
		}
	})
}
