package ctlog

import (
	"encoding/json"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// oracle is a tree kept by x/mod's tlog.
type oracle struct {
	stored []tlog.Hash
	size   int64
}

func (o *oracle) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = o.stored[n]
	}
	return out, nil
}

func (o *oracle) add(t testing.TB, data []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(o.size, data, o)
	if err != nil {
		t.Fatal(err)
	}
	o.stored = append(o.stored, hashes...)
	o.size++
}

func (o *oracle) root(t testing.TB, n uint64) Hash {
	t.Helper()
	h, err := tlog.TreeHash(int64(n), o)
	if err != nil {
		t.Fatal(err)
	}
	return Hash(h)
}

func fromTlog(hs []tlog.Hash) []Hash {
	out := make([]Hash, len(hs))
	for i, h := range hs {
		out[i] = Hash(h)
	}
	return out
}

const oracleSize = 70

func newOracle(t testing.TB) *oracle {
	t.Helper()
	o := new(oracle)
	for i := range oracleSize {
		o.add(t, fmt.Append(nil, i))
	}
	return o
}

func oracleLeaf(i uint64) Hash { return LeafHash(fmt.Append(nil, i)) }

func TestFrontierHasTheRootOfEverySize(t *testing.T) {
	o := newOracle(t)
	var f Frontier
	if want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; fmt.Sprintf("%x", f.Root()) != want {
		t.Errorf("root of the empty tree is %x", f.Root())
	}
	for n := uint64(1); n <= oracleSize; n++ {
		f.Append(oracleLeaf(n - 1))
		if f.Size != n || f.Check() != nil || f.Root() != o.root(t, n) {
			t.Fatalf("at size %d: size %d, %d nodes, root %x", n, f.Size, len(f.Nodes), f.Root())
		}
	}
}

func TestFrontierGoesOnAfterJSON(t *testing.T) {
	o := newOracle(t)
	for cut := range uint64(oracleSize) {
		var f, back Frontier
		for i := range cut {
			f.Append(oracleLeaf(i))
		}
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &back); err != nil || back.Check() != nil {
			t.Fatalf("%s: %v", b, err)
		}
		clone := back.Clone()
		for i := cut; i < oracleSize; i++ {
			back.Append(oracleLeaf(i))
		}
		if back.Root() != o.root(t, oracleSize) {
			t.Errorf("cut at %d, it leads to another root", cut)
		}
		if clone.Size != cut || clone.Root() != f.Root() {
			t.Errorf("the clone of %d moved with the original", cut)
		}
	}
}

func TestFrontierOfAStrangeFileIsRefused(t *testing.T) {
	for _, f := range []Frontier{{Size: 3, Nodes: make([]Hash, 1)}, {Size: 0, Nodes: make([]Hash, 1)}, {Size: 8}} {
		if f.Check() == nil {
			t.Errorf("size %d with %d nodes passes", f.Size, len(f.Nodes))
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	var f Frontier
	f.Append(Hash{})
	if n := testing.AllocsPerRun(1000, func() { f.Append(Hash{1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestInclusionAgainstTlog(t *testing.T) {
	o := newOracle(t)
	for size := uint64(1); size <= oracleSize; size++ {
		for index := range size {
			proof, err := tlog.ProveRecord(int64(size), int64(index), o)
			if err != nil {
				t.Fatal(err)
			}
			path, root, leaf := fromTlog(proof), o.root(t, size), oracleLeaf(index)
			f, err := frontierFromPath(leaf, index, size, path, root)
			if err != nil || f.Size != index+1 || f.Root() != o.root(t, index+1) {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
			for _, bad := range []error{
				VerifyInclusion(Hash{}, index, size, path, root), VerifyInclusion(leaf, index, size, path, Hash{}),
				VerifyInclusion(leaf, index, size, append(path, Hash{}), root), VerifyInclusion(leaf, size, size, path, root),
				VerifyInclusion(leaf, index, size, path[:max(len(path)-1, 0)], Hash{}),
			} {
				if bad == nil {
					t.Fatalf("leaf %d of %d: a false proof passes", index, size)
				}
			}
		}
	}
}

func TestConsistencyAgainstTlog(t *testing.T) {
	o := newOracle(t)
	for size := uint64(1); size <= oracleSize; size++ {
		for old := uint64(1); old <= size; old++ {
			proof, err := tlog.ProveTree(int64(size), int64(old), o)
			if err != nil {
				t.Fatal(err)
			}
			path, root, oldRoot := fromTlog(proof), o.root(t, size), o.root(t, old)
			if err := VerifyConsistency(old, size, oldRoot, root, path); err != nil {
				t.Fatalf("%d in %d: %v", old, size, err)
			}
			for _, bad := range []error{
				VerifyConsistency(old, size, Hash{}, root, path), VerifyConsistency(old, size, oldRoot, Hash{}, path),
				VerifyConsistency(old, size, oldRoot, root, append(path, Hash{})), VerifyConsistency(size+1, size, oldRoot, root, path),
			} {
				if bad == nil {
					t.Fatalf("%d in %d: a false proof passes", old, size)
				}
			}
			if len(path) > 0 && VerifyConsistency(old, size, oldRoot, root, path[:len(path)-1]) == nil {
				t.Fatalf("%d in %d: a cut proof passes", old, size)
			}
		}
	}
	if err := VerifyConsistency(0, 5, Hash{}, Hash{1}, nil); err != nil {
		t.Errorf("the empty tree: %v", err)
	}
}

// TestAuditPathOfCompleteSubtrees makes paths of the nodes that hash tiles hold.
func TestAuditPathOfCompleteSubtrees(t *testing.T) {
	o := newOracle(t)
	node := func(level int, index uint64) (Hash, error) {
		return Hash(o.stored[tlog.StoredHashIndex(level, int64(index))]), nil
	}
	for size := uint64(1); size <= oracleSize; size++ {
		for index := range size {
			path, err := auditPath(index, size, node)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyInclusion(oracleLeaf(index), index, size, path, o.root(t, size)); err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
}
