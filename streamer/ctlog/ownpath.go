package ctlog

// PathAfter makes the audit path of the leaf that follows a tree, in the tree that goes on with leaves, of which it is the first.
// It needs no log; leaves must not be empty.
func PathAfter(before Frontier, leaves []Hash) Inclusion {
	i := Inclusion{Leaf: leaves[0], Index: before.Size, Size: before.Size + uint64(len(leaves))}
	left := len(before.Nodes) // the nodes before it are the left siblings on its way up
	row := leaves             // the right part of a level of the tree, from the leaf's own node on
	for node, last := i.Index, i.Size-1; last > 0; node, last = node>>1, last>>1 {
		switch {
		case node&1 == 1:
			left--
			i.Path = append(i.Path, before.Nodes[left])
		case len(row) > 1:
			i.Path = append(i.Path, row[1])
		}
		row = parents(row, node&1 == 1)
	}
	return i
}

// parents is the next level up. What is on the left of an odd first node is not known, nor is the parent; nobody asks for it.
func parents(row []Hash, odd bool) []Hash {
	var up []Hash
	if odd {
		up, row = append(up, Hash{}), row[1:]
	} else {
		up, row = append(up, Hash{}), row[min(2, len(row)):]
	}
	for ; len(row) > 1; row = row[2:] {
		up = append(up, NodeHash(row[0], row[1]))
	}
	return append(up, row...)
}
