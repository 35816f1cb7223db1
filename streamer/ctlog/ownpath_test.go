package ctlog

import "testing"

// TestPathAfter holds that a path made of leaves leads to the root that appending them leads to.
func TestPathAfter(t *testing.T) {
	const most = 40
	var leaves []Hash
	for i := range most {
		leaves = append(leaves, LeafHash([]byte{byte(i)}))
	}
	for index := range most {
		var before Frontier
		for _, l := range leaves[:index] {
			before.Append(l)
		}
		tree := before.Clone()
		for size := index + 1; size <= most; size++ {
			tree.Append(leaves[size-1])
			path := PathAfter(before, leaves[index:size])
			f, err := path.Frontier(tree.Root())
			if err != nil || f.Size != uint64(index+1) || path.Size != uint64(size) {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
}
