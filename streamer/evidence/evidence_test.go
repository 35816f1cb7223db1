package evidence_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caught makes evidence of every kind against a log of either protocol.
func caught(t testing.TB, o testlog.Options) map[evidence.Kind]*evidence.Evidence {
	t.Helper()
	entries := testlog.NewCA("Evidence").Pool(100)
	l := testlog.New(o)
	log := open(t, l)
	head := func() ctlog.TreeHead {
		t.Helper()
		h, err := log.Head(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	l.Append(entries[:50]...)
	l.Publish()
	before := head()
	root := l.Root(50)
	root[0] ^= 1
	l.PublishHead(50, uint64(time.Now().UnixMilli()), root)
	other := head()
	l.PublishHead(20, uint64(time.Now().Add(time.Hour).UnixMilli()), l.Root(20))
	smaller := head()
	l.Append(entries[50:80]...)
	l.Publish()
	after := head()
	last, err := log.Inclusion(context.Background(), after, 49)
	if err != nil {
		t.Fatal(err)
	}
	l.Corrupt(33, entries[90])
	tree, err := log.Inclusion(context.Background(), after, 33)
	if err != nil {
		t.Fatal(err)
	}
	served, err := log.Entries(context.Background(), after, 33, 34)
	if err != nil {
		t.Fatal(err)
	}
	defer served.Release()
	id := l.ID()
	begin := func(kind evidence.Kind, heads ...ctlog.TreeHead) *evidence.Evidence {
		e := &evidence.Evidence{Kind: kind, Seen: time.Now().UTC(), Log: evidence.Log{Name: l.Name(), LogID: id[:], Key: l.Key(), MMDSeconds: 60}}
		for _, h := range heads {
			e.Heads = append(e.Heads, evidence.HeadOf(h))
		}
		return e
	}
	all := map[evidence.Kind]*evidence.Evidence{
		evidence.TwoRoots:   begin(evidence.TwoRoots, before, other),
		evidence.Fork:       begin(evidence.Fork, other, after),
		evidence.Rollback:   begin(evidence.Rollback, smaller, before),
		evidence.WrongEntry: begin(evidence.WrongEntry, after),
		evidence.FinalHead:  begin(evidence.FinalHead, ctlog.TreeHead{Size: 50, Root: ctlog.Hash(l.Root(50))}, other),
	}
	all[evidence.Fork].Proof = evidence.ProofOf(last)
	all[evidence.WrongEntry].Proof = evidence.ProofOf(tree)
	all[evidence.WrongEntry].Entry = &evidence.Entry{Index: 33, LeafInput: served.Entries[0].LeafInput()}
	return all
}

func open(t testing.TB, l *testlog.Log) ctlog.Log {
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

func protocols(t *testing.T, run func(t *testing.T, o testlog.Options)) {
	t.Run("RFC 6962", func(t *testing.T) { run(t, testlog.Options{}) })
	t.Run("static", func(t *testing.T) { run(t, testlog.Options{Static: true}) })
}

// again writes a file and reads it back.
func again(t *testing.T, e *evidence.Evidence) (*evidence.Evidence, []byte) {
	t.Helper()
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := evidence.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return read, b
}

func TestProve(t *testing.T) {
	protocols(t, func(t *testing.T, o testlog.Options) {
		for kind, e := range caught(t, o) {
			read, _ := again(t, e)
			if err := read.Prove(); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	})
}

// TestFalseEvidence holds that nothing is proved that has not happened, whatever in a file is changed.
func TestFalseEvidence(t *testing.T) {
	flip := func(b []byte) { b[len(b)/2] ^= 1 }
	changes := map[string]func(e *evidence.Evidence){
		"another key":     func(e *evidence.Evidence) { e.Log.Key = testlog.New(testlog.Options{}).Key() },
		"no key":          func(e *evidence.Evidence) { e.Log.Key = nil },
		"another log":     func(e *evidence.Evidence) { flip(e.Log.LogID) },
		"no heads":        func(e *evidence.Evidence) { e.Heads = nil },
		"a head too many": func(e *evidence.Evidence) { e.Heads = append(e.Heads, e.Heads[0]) },
		"another size":    func(e *evidence.Evidence) { e.Heads[len(e.Heads)-1].Size++ },
		"another time":    func(e *evidence.Evidence) { e.Heads[len(e.Heads)-1].Timestamp++ },
		"another root":    func(e *evidence.Evidence) { flip(e.Heads[len(e.Heads)-1].Root) },
		"a short root":    func(e *evidence.Evidence) { e.Heads[0].Root = e.Heads[0].Root[1:] },
		"no answer":       func(e *evidence.Evidence) { e.Heads[len(e.Heads)-1].Raw = nil },
		"unexplained":     func(e *evidence.Evidence) { e.Kind = evidence.Unexplained },
		"unknown kind":    func(e *evidence.Evidence) { e.Kind = "arson" },
		"the same head":   func(e *evidence.Evidence) { e.Heads[0] = e.Heads[len(e.Heads)-1]; e.Entry = nil },
	}
	proofs := map[string]func(e *evidence.Evidence){
		"no proof":       func(e *evidence.Evidence) { e.Proof = nil },
		"another index":  func(e *evidence.Evidence) { e.Proof.Index++ },
		"another tree":   func(e *evidence.Evidence) { e.Proof.Size-- },
		"another leaf":   func(e *evidence.Evidence) { flip(e.Proof.LeafHash) },
		"a cut leaf":     func(e *evidence.Evidence) { e.Proof.LeafHash = nil },
		"a cut node":     func(e *evidence.Evidence) { e.Proof.Path[0] = e.Proof.Path[0][1:] },
		"another node":   func(e *evidence.Evidence) { flip(e.Proof.Path[1]) },
		"a missing node": func(e *evidence.Evidence) { e.Proof.Path = e.Proof.Path[1:] },
	}
	refuted := func(t *testing.T, what string, e *evidence.Evidence, change func(*evidence.Evidence)) {
		t.Helper()
		read, _ := again(t, e)
		change(read)
		if err := read.Prove(); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s: %v", what, err)
		}
	}
	protocols(t, func(t *testing.T, o testlog.Options) {
		all := caught(t, o)
		for kind, e := range all {
			for what, change := range changes {
				refuted(t, string(kind)+": "+what, e, change)
			}
		}
		for _, kind := range []evidence.Kind{evidence.Fork, evidence.WrongEntry} {
			for what, change := range proofs {
				refuted(t, string(kind)+": "+what, all[kind], change)
			}
		}
		refuted(t, "no entry", all[evidence.WrongEntry], func(e *evidence.Evidence) { e.Entry = nil })
		refuted(t, "another place", all[evidence.WrongEntry], func(e *evidence.Evidence) { e.Entry.Index++ })
		refuted(t, "within the merge delay", all[evidence.Rollback], func(e *evidence.Evidence) { e.Log.MMDSeconds = 86400 })
		refuted(t, "within the usual merge delay", all[evidence.Rollback], func(e *evidence.Evidence) { e.Log.MMDSeconds = 0 })
		refuted(t, "within an endless merge delay", all[evidence.Rollback], func(e *evidence.Evidence) { e.Log.MMDSeconds = 1e300 })
		refuted(t, "no fork", all[evidence.Fork], func(e *evidence.Evidence) { e.Heads[0] = all[evidence.TwoRoots].Heads[0] })
	})
}

// TestAnybodyCanProveIt reads the files of RFC 6962 logs with nothing but the standard library, as a stranger would.
func TestAnybodyCanProveIt(t *testing.T) {
	all := caught(t, testlog.Options{})
	for kind, e := range all {
		_, b := again(t, e)
		var file struct {
			Log   struct{ Key []byte }
			Heads []struct{ Raw []byte }
			Proof struct {
				Index, Size uint64
				Leaf        []byte `json:"leaf_hash"`
				Path        [][]byte
			}
			Entry struct {
				Leaf []byte `json:"leaf_input"`
			}
		}
		if err := json.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		var sizes, times []uint64
		var roots []string
		for i, h := range file.Heads {
			if kind == evidence.FinalHead && i == 0 {
				continue
			}
			size, at, root := signed(t, h.Raw, file.Log.Key)
			sizes, times, roots = append(sizes, size), append(times, at), append(roots, root)
		}
		switch kind {
		case evidence.TwoRoots:
			if sizes[0] != sizes[1] || roots[0] == roots[1] {
				t.Errorf("%s: sizes %d, roots %q", kind, sizes, roots)
			}
		case evidence.Rollback:
			if sizes[0] >= sizes[1] || times[0] <= times[1]+60_000 {
				t.Errorf("%s: sizes %d, times %d", kind, sizes, times)
			}
		case evidence.Fork:
			root, left := walk(file.Proof.Leaf, file.Proof.Index, file.Proof.Size, file.Proof.Path)
			if file.Proof.Index != sizes[0]-1 || root != roots[1] || left == roots[0] {
				t.Errorf("%s: the path leads to %q and %q", kind, root, left)
			}
		case evidence.WrongEntry:
			root, _ := walk(file.Proof.Leaf, file.Proof.Index, file.Proof.Size, file.Proof.Path)
			if hash := sha256.Sum256(append([]byte{0}, file.Entry.Leaf...)); root != roots[0] || string(hash[:]) == string(file.Proof.Leaf) {
				t.Errorf("%s: the path leads to %q", kind, root)
			}
		}
	}
}

// signed verifies a get-sth answer.
func signed(t *testing.T, raw, key []byte) (size, at uint64, root string) {
	t.Helper()
	var sth struct {
		Size      uint64 `json:"tree_size"`
		At        uint64 `json:"timestamp"`
		Root      []byte `json:"sha256_root_hash"`
		Signature []byte `json:"tree_head_signature"`
	}
	public, err := x509.ParsePKIXPublicKey(key)
	if err = errors.Join(err, json.Unmarshal(raw, &sth)); err != nil {
		t.Fatal(err)
	}
	text := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{0, 1}, sth.At), sth.Size)
	digest := sha256.Sum256(append(text, sth.Root...))
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], sth.Signature[4:]) {
		t.Fatal("the signature does not verify")
	}
	return sth.Size, sth.At, string(sth.Root)
}

// walk goes up an audit path from the leaf at an index, by the recursive definition of RFC 6962 §2.1.1. It gives the root of the
// whole tree, and that of the tree that ends with the leaf.
func walk(leaf []byte, index, size uint64, path [][]byte) (root, left string) {
	if size == 1 {
		return string(leaf), string(leaf)
	}
	k := uint64(1)
	for k*2 < size {
		k *= 2
	}
	node := func(l, r string) string {
		h := sha256.Sum256([]byte("\x01" + l + r))
		return string(h[:])
	}
	sibling := string(path[len(path)-1])
	if index < k {
		root, left = walk(leaf, index, k, path[:len(path)-1])
		return node(root, sibling), left
	}
	root, left = walk(leaf, index-k, size-k, path[:len(path)-1])
	return node(sibling, root), node(sibling, left)
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "{}", `{"version":2}`, `{"version":1,"heads":{}}`, strings.Repeat(" ", evidence.MaxBytes+1)} {
		if _, err := evidence.Read(strings.NewReader(text)); !errors.Is(err, evidence.ErrFormat) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzEvidence: whatever a file holds, reading and judging it ends, and the verdict is that of its content alone.
func FuzzEvidence(f *testing.F) {
	for _, o := range []testlog.Options{{}, {Static: true}} {
		for _, e := range caught(f, o) {
			b, err := e.Encode()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := evidence.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		verdict := e.Prove()
		read, _ := again(t, e)
		if second := read.Prove(); (second == nil) != (verdict == nil) {
			t.Fatalf("%v, and read again %v: %q", verdict, second, b)
		}
		if verdict != nil {
			return
		}
		e.Log.Key = append(e.Log.Key, 0)
		if e.Prove() == nil {
			t.Fatalf("proved against another key: %q", b)
		}
	})
}
