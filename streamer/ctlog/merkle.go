package ctlog

// Frontier is the collapsed left side of a Merkle tree (RFC 6962 §2.1): the roots of its complete subtrees, largest first, one
// per 1-bit of Size. It is all that is needed to append leaves and to compute the root. The zero value is the empty tree.
type Frontier struct {
	Size  uint64 `json:"size"`
	Nodes []Hash `json:"nodes"`
}
