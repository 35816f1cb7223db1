package ctlog

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestConsistencyProofs holds the proofs made of hash tiles against those of x/mod's tlog, for every pair of sizes.
func TestConsistencyProofs(t *testing.T) {
	o := newOracle(t)
	node := func(level int, index uint64) (Hash, error) {
		at := tlog.StoredHashIndex(level, int64(index))
		return Hash(o.stored[at]), nil
	}
	for newer := uint64(1); newer <= oracleSize; newer++ {
		for older := uint64(1); older <= newer; older++ {
			got, err := consistencyProof(older, newer, node)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyConsistency(older, newer, o.root(t, older), o.root(t, newer), got); err != nil {
				t.Fatalf("of %d and %d: %v", older, newer, err)
			}
			want, err := tlog.ProveTree(int64(newer), int64(older), o)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(fromTlog(want)) {
				t.Fatalf("of %d and %d: %x, want %x", older, newer, got, want)
			}
		}
	}
}

// TestProofsAgreeOnEveryTree draws trees and a leaf that differs: the audit path of a forked tree's leaf tells the two apart
// exactly where the older tree holds the leaf.
func TestProofsAgreeOnEveryTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		newer := rapid.Uint64Range(1, 600).Draw(t, "newer")
		older := rapid.Uint64Range(1, newer).Draw(t, "older")
		changed := rapid.Uint64Range(0, newer-1).Draw(t, "changed")
		leaf := func(i uint64, fork bool) Hash {
			if fork && i == changed {
				return LeafHash([]byte("another"))
			}
			return oracleLeaf(i)
		}
		var tree, fork Frontier
		for i := range older {
			tree.Append(leaf(i, false))
		}
		nodes := map[string]Hash{}
		node := func(level int, index uint64) (Hash, error) {
			key := fmt.Sprint(level, index)
			if h, ok := nodes[key]; ok {
				return h, nil
			}
			var f Frontier
			for i := index << level; i < (index+1)<<level; i++ {
				f.Append(leaf(i, true))
			}
			nodes[key] = f.Root()
			return nodes[key], nil
		}
		for i := range newer {
			fork.Append(leaf(i, true))
		}
		path, _ := auditPath(older-1, newer, node)
		f, err := Inclusion{Leaf: leaf(older-1, true), Index: older - 1, Size: newer, Path: path}.Frontier(fork.Root())
		if err != nil {
			t.Fatalf("the path of leaf %d of %d: %v", older-1, newer, err)
		}
		if same := f.Root() == tree.Root(); same != (changed >= older) {
			t.Fatalf("leaf %d differs, trees of %d and %d: same beginning %v", changed, older, newer, same)
		}
		proof, _ := consistencyProof(older, newer, node)
		if err := VerifyConsistency(older, newer, tree.Root(), fork.Root(), proof); (err == nil) != (changed >= older) {
			t.Fatalf("leaf %d differs, trees of %d and %d: %v", changed, older, newer, err)
		}
	})
}

func protocols(t *testing.T, run func(t *testing.T, o testlog.Options)) {
	t.Run("RFC 6962", func(t *testing.T) { run(t, testlog.Options{}) })
	t.Run("static", func(t *testing.T) { run(t, testlog.Options{Static: true}) })
}

func getHead(t *testing.T, log Log) TreeHead {
	t.Helper()
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestCheckHeads(t *testing.T) {
	protocols(t, func(t *testing.T, o testlog.Options) {
		for _, older := range []int{1, 255, 256, 300, 512} {
			l := start(t, o, older)
			log := open(t, l)
			a := getHead(t, log)
			l.Append(sharedPool()[older : older+200]...)
			l.Publish()
			b := getHead(t, log)
			for _, pair := range [][2]TreeHead{{a, b}, {b, a}, {a, a}, {{Root: (&Frontier{}).Root()}, b}} {
				if err := CheckHeads(context.Background(), log, pair[0], pair[1]); err != nil {
					t.Errorf("%d and %d: %v", pair[0].Size, pair[1].Size, err)
				}
			}
			lie := a
			lie.Root[0] ^= 1
			err := CheckHeads(context.Background(), log, lie, b)
			if fork := (*ForkError)(nil); !errors.As(err, &fork) || fork.Last.Verify(b.Root) != nil || fork.Last.Index != a.Size-1 {
				t.Errorf("a false root of size %d: %v", a.Size, err)
			}
			if err := CheckHeads(context.Background(), log, a, lie); !errors.As(err, new(*ForkError)) {
				t.Errorf("two roots of size %d: %v", a.Size, err)
			}
			b.Root[0] ^= 1
			if err := CheckHeads(context.Background(), log, a, b); kindOf(err) != BadProof {
				t.Errorf("a head that no proof leads to: %v", err)
			}
		}
	})
}

func TestCheckHeadsWithoutProof(t *testing.T) {
	l := start(t, testlog.Options{}, 100)
	log := open(t, l)
	a := getHead(t, log)
	l.Append(sharedPool()[100:200]...)
	l.Publish()
	b := getHead(t, log)
	for _, c := range []struct {
		name string
		do   testlog.Action
		want Kind
	}{
		{"refused by a frontend that lags", testlog.Status(400, "second tree size cannot be greater than current"), NotYet},
		{"not offered, but audit paths are", testlog.Status(404, "no"), ""},
		{"cut", testlog.Status(200, `{"consistency":[`), Malformed},
		{"no hashes", testlog.Status(200, `{"consistency":["AAAA"]}`), Malformed},
		{"of another tree", testlog.Status(200, `{"consistency":[]}`), ""},
	} {
		fault := l.Faults.Add(testlog.Fault{Kind: testlog.GetConsistency, Do: c.do})
		if err := CheckHeads(context.Background(), log, a, b); kindOf(err) != c.want || c.want == "" && err != nil {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		fault.Remove()
	}
}

func TestFirstWrong(t *testing.T) {
	protocols(t, func(t *testing.T, o testlog.Options) {
		const size = 300
		l := start(t, o, size)
		log := open(t, l)
		head := getHead(t, log)
		for _, wrong := range []uint64{0, 77, 255, 256, 298, 299, size} {
			if wrong < size {
				l.Corrupt(wrong, sharedPool()[500])
			}
			var base Frontier
			for i := range min(wrong, 50) {
				base.Append(Hash(l.LeafHash(i)))
			}
			var hashes []Hash
			for i := base.Size; i < size; i++ {
				hashes = append(hashes, Hash(l.LeafHash(i)))
			}
			if wrong < size {
				hashes[wrong-base.Size][0] ^= 1
			}
			got, err := FirstWrong(context.Background(), log, head, base, hashes)
			if right := wrong == size; right != errors.Is(err, ErrAllRight) || !right && (err != nil || got != wrong) {
				t.Errorf("entry %d: %d, %v", wrong, got, err)
			}
			if wrong < size {
				if i, err := log.Inclusion(context.Background(), head, wrong); err != nil || i.Leaf != Hash(l.LeafHash(wrong)) || i.Verify(head.Root) != nil {
					t.Errorf("inclusion of entry %d: %+v, %v", wrong, i, err)
				}
				l.Corrupt(wrong, nil)
			}
		}
	})
}

func TestOpenHead(t *testing.T) {
	protocols(t, func(t *testing.T, o testlog.Options) {
		l := start(t, o, 10)
		head := getHead(t, open(t, l))
		got, err := OpenHead(head.Raw, l.Key())
		if err != nil || got.Size != head.Size || got.Root != head.Root || got.Timestamp != head.Timestamp {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := OpenHead(head.Raw, testlog.New(testlog.Options{}).Key()); err == nil {
			t.Error("another key's head was taken")
		}
		if _, err := OpenHead(nil, l.Key()); err == nil {
			t.Error("nothing was taken for a head")
		}
	})
}

// TestLeafInput holds that it is what was hashed.
func TestLeafInput(t *testing.T) {
	protocols(t, func(t *testing.T, o testlog.Options) {
		l := start(t, o, 20)
		for _, unhashed := range []bool{false, true} {
			log := open(t, l, func(o *Options) { o.Unhashed = unhashed })
			b, err := log.Entries(context.Background(), getHead(t, log), 0, 20)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range b.Entries {
				if LeafHash(e.LeafInput()) != Hash(l.LeafHash(e.Index)) || (e.LeafHash == Hash{}) != unhashed {
					t.Errorf("entry %d: hash %x", e.Index, e.LeafHash)
				}
			}
			b.Release()
		}
	})
}
