package testlog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// view is a log as one request sees it.
type view struct {
	*Log
	head    Head
	tree    *tree
	entries []stored
}

func (l *Log) view() *view {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return &view{Log: l, head: *l.head, tree: l.tree.snapshot(), entries: l.entries}
}

// at is an older view of the same log, as a lagging frontend has it.
func (v *view) at(size uint64) *view {
	old := *v
	old.head = *v.sign(size, v.head.Timestamp-1, v.tree.root(size))
	return &old
}

// leaf is the entry served at an index.
func (v *view) leaf(index uint64) stored {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := v.entries[index]
	if e, ok := v.served[index]; ok {
		s.Entry = e
	}
	return s
}

func (v *view) getSTH(w http.ResponseWriter, _ *http.Request) {
	v.json(w, map[string]any{
		"tree_size": v.head.Size, "timestamp": v.head.Timestamp,
		"sha256_root_hash": v.head.Root[:], "tree_head_signature": v.head.Signature,
	})
}

func (v *view) json(w http.ResponseWriter, answer any) {
	b, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// numbers reads query parameters that must be numbers.
func numbers(w http.ResponseWriter, r *http.Request, names ...string) ([]uint64, bool) {
	values := make([]uint64, len(names))
	for i, name := range names {
		n, err := strconv.ParseUint(r.URL.Query().Get(name), 10, 63)
		if err != nil {
			http.Error(w, fmt.Sprintf("bad or missing %s", name), http.StatusBadRequest)
			return nil, false
		}
		values[i] = n
	}
	return values, true
}

func (v *view) getEntries(w http.ResponseWriter, r *http.Request) {
	p, ok := numbers(w, r, "start", "end")
	if !ok {
		return
	}
	start, end := p[0], p[1]+1
	if start >= end || start >= v.head.Size {
		http.Error(w, fmt.Sprintf("start must be at most end and below the tree size %d", v.head.Size), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	end = v.cut(start, end)
	v.Stats.served(GetEntries, end-start)
	_, _ = w.Write(v.entriesJSON(start, end))
}

// cut is where a get-entries answer ends: as CTFE does it, aligned answers end at a multiple of the maximum.
func (v *view) cut(start, end uint64) uint64 {
	limit := v.o.MaxGetEntries
	if end-start >= limit {
		end = start + limit
		if v.o.Align {
			end -= end % limit
		}
	}
	if end <= start {
		end = start + limit
	}
	return min(end, v.head.Size)
}

func (v *view) entriesJSON(start, end uint64) []byte {
	b := append(make([]byte, 0, (end-start)*4096), `{"entries":[`...)
	var raw []byte
	for i := start; i < end; i++ {
		if i > start {
			b = append(b, ',')
		}
		leaf := v.leaf(i)
		raw = leaf.appendLeafInput(raw[:0], v.extensions(i))
		b = base64.StdEncoding.AppendEncode(append(b, `{"leaf_input":"`...), raw)
		raw = leaf.appendExtraData(raw[:0])
		b = base64.StdEncoding.AppendEncode(append(b, `","extra_data":"`...), raw)
		b = append(b, `"}`...)
	}
	return append(b, `]}`...)
}

func (v *view) getConsistency(w http.ResponseWriter, r *http.Request) {
	p, ok := numbers(w, r, "first", "second")
	if !ok {
		return
	}
	if p[0] > p[1] || p[1] > v.head.Size {
		http.Error(w, "second tree size cannot be greater than current", http.StatusBadRequest)
		return
	}
	proof := [][]byte{}
	if p[0] > 0 {
		proof = hashes(v.tree.consistency(p[0], p[1]))
	}
	v.json(w, map[string]any{"consistency": proof})
}

func hashes(proof []Hash) [][]byte {
	out := make([][]byte, len(proof))
	for i := range proof {
		out[i] = proof[i][:]
	}
	return out
}

func (v *view) getProofByHash(w http.ResponseWriter, r *http.Request) {
	p, ok := numbers(w, r, "tree_size")
	if !ok {
		return
	}
	want, err := base64.StdEncoding.DecodeString(r.URL.Query().Get("hash"))
	if err != nil || p[0] == 0 || p[0] > v.head.Size {
		http.Error(w, "bad hash or tree_size", http.StatusBadRequest)
		return
	}
	for i, h := range v.tree.levels[0][:p[0]] {
		if string(h[:]) == string(want) {
			v.json(w, map[string]any{"leaf_index": i, "audit_path": hashes(v.tree.inclusion(uint64(i), p[0]))})
			return
		}
	}
	http.Error(w, "no such leaf", http.StatusNotFound)
}

func (v *view) getEntryAndProof(w http.ResponseWriter, r *http.Request) {
	p, ok := numbers(w, r, "leaf_index", "tree_size")
	if !ok {
		return
	}
	if p[0] >= p[1] || p[1] > v.head.Size {
		http.Error(w, "leaf_index must be below tree_size, and tree_size at most the current one", http.StatusBadRequest)
		return
	}
	leaf := v.leaf(p[0])
	v.json(w, map[string]any{
		"leaf_input": leaf.appendLeafInput(nil, v.extensions(p[0])),
		"extra_data": leaf.appendExtraData(nil),
		"audit_path": hashes(v.tree.inclusion(p[0], p[1])),
	})
}

func (v *view) getRoots(w http.ResponseWriter, _ *http.Request) {
	v.mu.RLock()
	roots := make([][]byte, 0, len(v.issuers))
	for _, der := range v.issuers {
		roots = append(roots, der)
	}
	v.mu.RUnlock()
	v.json(w, map[string]any{"certificates": roots})
}
