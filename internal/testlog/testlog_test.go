package testlog

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

func filled(t testing.TB, o Options, n int) *Log {
	t.Helper()
	l := New(o)
	l.Append(NewCA("Test").Pool(n)...)
	l.Publish()
	return l
}

func serve(t testing.TB, logs ...*Log) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0", nil, logs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func get(t testing.TB, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func toTlog(hs []Hash) (out []tlog.Hash) {
	for _, h := range hs {
		out = append(out, tlog.Hash(h))
	}
	return out
}

// TestTreeAgainstTlog holds roots and proofs of every size against another implementation.
func TestTreeAgainstTlog(t *testing.T) {
	var tr tree
	for i := range 70 {
		tr.add(leafHash(fmt.Append(nil, i)))
	}
	for n := uint64(1); n <= tr.size(); n++ {
		root := tlog.Hash(tr.root(n))
		for m := uint64(0); m < n; m++ {
			leaf := tlog.RecordHash(fmt.Append(nil, m))
			if err := tlog.CheckRecord(toTlog(tr.inclusion(m, n)), int64(n), root, int64(m), leaf); err != nil {
				t.Fatalf("inclusion of %d in %d: %v", m, n, err)
			}
			if m == 0 {
				continue
			}
			if err := tlog.CheckTree(toTlog(tr.consistency(m, n)), int64(n), root, int64(m), tlog.Hash(tr.root(m))); err != nil {
				t.Fatalf("consistency of %d and %d: %v", m, n, err)
			}
		}
	}
}

func TestBothProtocolsServeTheSameEntries(t *testing.T) {
	pool := NewCA("Test").Pool(300)
	classic, static := New(Options{Name: "Classic"}), New(Options{Name: "Static", Static: true})
	for _, l := range []*Log{classic, static} {
		l.Append(pool...)
		l.Publish()
	}
	serve(t, classic, static)

	var got []*Entry
	for len(got) < 300 {
		_, body := get(t, fmt.Sprintf("%sct/v1/get-entries?start=%d&end=999", classic.URL(), len(got)))
		entries, err := ParseGetEntries(body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entries...)
	}
	var tiled []*Entry
	for _, path := range []string{"tile/data/000", "tile/data/001.p/44"} {
		_, body := get(t, static.URL()+path)
		entries, err := ParseTile(body, func(h Hash) []byte {
			_, der := get(t, fmt.Sprintf("%sissuer/%x", static.URL(), h))
			return der
		})
		if err != nil {
			t.Fatal(err)
		}
		tiled = append(tiled, entries...)
	}
	for i := range pool {
		for _, e := range []*Entry{got[i], tiled[i]} {
			if e.Precert != pool[i].Precert || !bytes.Equal(e.DER, pool[i].DER) || !bytes.Equal(e.TBS, pool[i].TBS) ||
				len(e.Chain) != 2 || !bytes.Equal(e.Chain[1], pool[i].Chain[1]) {
				t.Fatalf("entry %d is not what was appended", i)
			}
		}
	}
}

func TestRealTileKeepsItsLeafHashes(t *testing.T) {
	dir := shareddata.Dir(t)
	if dir == "" {
		t.Skip("no shared data beside the checkout")
	}
	dir = filepath.Join(dir, "tiles", "navigli2025h2", "tile")
	packed, err := os.ReadFile(filepath.Join(dir, "data", "000.gz"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := ParseTile(gunzip(packed), func(Hash) []byte { return nil })
	if err != nil || len(entries) != 256 {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
	l := New(Options{Static: true})
	l.Append(entries...)
	l.Publish()
	want, err := os.ReadFile(filepath.Join(dir, "0", "000"))
	if err != nil {
		t.Fatal(err)
	}
	if got := l.view().hashTile(tilePath{width: 256}); !bytes.Equal(got, want) {
		t.Error("the level-0 tile differs from the real one")
	}
}

func TestCertificatesAreValid(t *testing.T) {
	ca := NewCA("Test")
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(parse(ca.Root))
	intermediates.AddCert(parse(ca.Intermediate))
	serials := map[string]bool{}
	for _, e := range ca.Pool(2 * NumShapes) {
		for _, e := range []*Entry{e, ca.Vary(e)} {
			c := parse(e.DER)
			serials[c.SerialNumber.String()] = true
			if e.Precert {
				final := parse(ca.Final(e, []byte{0, 0}).DER)
				if bytes.Equal(final.RawTBSCertificate, e.TBS) || !bytes.Equal(replaceExtension(final.RawTBSCertificate, oidSCTList, nil), e.TBS) {
					t.Errorf("the final certificate without SCTs is not the precert's TBS")
				}
				c.UnhandledCriticalExtensions = nil
			}
			_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if err != nil {
				t.Errorf("%s: %v", c.Subject, err)
			}
		}
	}
	if len(serials) != 4*NumShapes {
		t.Errorf("%d different serials of %d", len(serials), 4*NumShapes)
	}
}

func TestPartialTilesOnlyOfPublishedSizes(t *testing.T) {
	l := filled(t, Options{Static: true, DropPartials: true}, 10)
	l.Append(NewCA("Other").Pool(20)...)
	l.Publish()
	serve(t, l)
	for path, want := range map[string]int{
		"tile/data/000.p/10": 200, "tile/data/000.p/30": 200, "tile/0/000.p/30": 200, "tile/data/000.p/11": 404,
		"tile/data/000": 404, "tile/data/0": 404, "tile/data/000.p/256": 404, "tile/6/000": 404,
	} {
		if status, _ := get(t, l.URL()+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	l.Append(NewCA("More").Pool(250)...)
	l.Publish()
	for path, want := range map[string]int{
		"tile/data/000.p/10": 404, "tile/data/000": 200, "tile/data/001.p/24": 200, "tile/1/000.p/1": 200,
	} {
		if status, _ := get(t, l.URL()+path); status != want {
			t.Errorf("%s after the tile filled: %d, want %d", path, status, want)
		}
	}
}

func TestAlignedAnswersEndAtMultiples(t *testing.T) {
	l := filled(t, Options{MaxGetEntries: 16, Align: true}, 40)
	v := l.view()
	for _, c := range [][3]uint64{{0, 16, 16}, {5, 100, 16}, {5, 7, 7}, {16, 40, 32}, {38, 60, 40}} {
		if got := v.cut(c[0], c[1]); got != c[2] {
			t.Errorf("cut(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestFaultsStrikeAsOftenAsTold(t *testing.T) {
	l := filled(t, Options{}, 3)
	serve(t, l)
	f := l.Faults.Add(Fault{Kind: GetSTH, Skip: 1, Times: 2, Do: TooManyRequests("7")})
	var got []int
	for range 5 {
		status, _ := get(t, l.URL()+"ct/v1/get-sth")
		got = append(got, status)
	}
	if fmt.Sprint(got) != "[200 429 429 200 200]" || f.Hits() != 2 {
		t.Errorf("statuses %v, hits %d", got, f.Hits())
	}
	if k := l.Stats.Kind(GetSTH); k.Requests != 5 || k.Errors != 2 || l.Stats.Path("/ct/v1/get-sth") != 5 {
		t.Errorf("counted %+v", k)
	}
}

func TestLogListNamesBothProtocols(t *testing.T) {
	classic, static := New(Options{Name: "C", Operator: "O"}), New(Options{Name: "S", Operator: "O", Static: true})
	var list struct {
		Operators []struct {
			Logs      []map[string]any `json:"logs"`
			TiledLogs []map[string]any `json:"tiled_logs"`
		} `json:"operators"`
	}
	if err := json.Unmarshal(LogList(classic, static), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Operators) != 1 || list.Operators[0].Logs[0]["url"] != classic.URL() ||
		list.Operators[0].TiledLogs[0]["monitoring_url"] != static.URL() {
		t.Errorf("list is %+v", list)
	}
}

func TestTransportReachesLogsWithoutANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filled(t, Options{Name: "A"}, 3)
		client := http.Client{Transport: Transport(New(Options{Name: "B"}), l)}
		read := func() error {
			resp, err := client.Get(l.URL() + "ct/v1/get-entries?start=0&end=2")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			entries, err := ParseGetEntries(body)
			if err != nil || len(entries) != 3 {
				return fmt.Errorf("%d entries: %w", len(entries), err)
			}
			return nil
		}
		if err := read(); err != nil {
			t.Error(err)
		}
		for _, do := range []Action{Reset(100), Reset(0), Delay(time.Hour), Hang()} {
			l.Faults.Clear()
			l.Faults.Add(Fault{Do: do})
			client.Timeout = time.Minute
			if err := read(); err == nil {
				t.Error("a broken exchange gave an answer")
			}
		}
		l.Faults.Clear()
		l.Faults.Add(Fault{Do: Slow(1000)})
		client.Timeout = 0
		began := time.Now()
		if err := read(); err != nil || time.Since(began) < time.Second {
			t.Errorf("slow answer after %v: %v", time.Since(began), err)
		}
	})
}
