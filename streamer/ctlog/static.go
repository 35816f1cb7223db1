package ctlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// static is a log read by static-ct-api.
type static struct {
	*client
	verifier verifier
	// lenient admits entries without leaf_index: the tiles of a hybrid log.
	lenient bool

	mu       sync.Mutex
	kept     *keptTile // what is left of the last tile that was not handed out to its end
	partials partials
}

// keptTile holds the entries of a tile that are still to be asked for. It is never pooled, so that batches can share it.
type keptTile struct {
	first   uint64
	entries []Entry
}

// NewStatic makes a Log that is read by static-ct-api. It fails on options that cannot be right.
func NewStatic(o Options) (Log, error) {
	l, err := newStatic(o)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func newStatic(o Options) (*static, error) {
	c, v, err := prepare(o)
	if err != nil {
		return nil, err
	}
	return &static{client: c, verifier: v}, nil
}

// Page is the width of a tile.
func (l *static) Page() uint64 { return tileWidth }

// Close drops idle connections.
func (l *static) Close() { l.http.CloseIdleConnections() }

// Head fetches the checkpoint and verifies it.
func (l *static) Head(ctx context.Context) (TreeHead, error) {
	const op = "checkpoint"
	a, err := l.get(ctx, request{what: whatHead, op: op, path: "checkpoint", limit: maxSmall})
	if err != nil {
		return TreeHead{}, err
	}
	var c checkpoint
	buf, err := a.parse(maxSmall, func(body *buffer) (err error) {
		c, err = parseCheckpoint(body.b, l.o.LogID)
		return err
	})
	if err != nil {
		return TreeHead{}, &Error{Kind: Malformed, Op: op, Status: http.StatusOK, Err: err}
	}
	raw := slices.Clone(buf.b)
	buf.free()
	head, err := c.open(l.o.origin(), l.verifier)
	if l.o.Unsigned && c.origin == l.o.origin() { // the signature's key id is not known either
		head, err = c.head, nil
		head.Timestamp = uint64(l.o.Now().UnixMilli())
	}
	if err != nil {
		return TreeHead{}, &Error{Kind: BadSignature, Op: op, Status: http.StatusOK, Err: err}
	}
	head.Raw = c.rawCheckpoint(raw, l.o.LogID, head, l.verifier)
	return head, nil
}

// missingTile are the statuses of a tile that is not there (yet): object stores answer 403 as well.
var missingTile = []int{http.StatusNotFound, http.StatusForbidden, http.StatusGone}

// Entries gives the entries of one data tile. A full tile is fetched once; the partial tile at the head when partials says so:
// until then the error is NotYet, with the time to wait.
func (l *static) Entries(ctx context.Context, head TreeHead, start, end uint64) (*Batch, error) {
	if start >= end || end > head.Size {
		return nil, badRange(start, end, head.Size)
	}
	index := start / tileWidth
	first := index * tileWidth
	end = min(end, first+tileWidth)
	if b := l.fromKept(start, end); b != nil {
		return b, nil
	}
	if first+tileWidth <= head.Size {
		return l.tile(ctx, start, end, tileWidth)
	}
	width := head.Size - first
	if err := l.partialDue(first, width); err != nil {
		return nil, err
	}
	b, err := l.tile(ctx, start, end, width)
	if kindOf(err) == NotYet {
		// The tile may have filled since, and its partial ones have vanished (row 18).
		if full, fullErr := l.tile(ctx, start, end, tileWidth); fullErr == nil {
			return full, nil
		}
	}
	return b, err
}

// fromKept serves entries that are there already.
func (l *static) fromKept(start, end uint64) *Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kept
	if k == nil || start < k.first || start >= k.first+uint64(len(k.entries)) {
		return nil
	}
	entries := k.entries[start-k.first:]
	n := min(uint64(len(entries)), end-start)
	if n == uint64(len(entries)) {
		l.kept = nil
	}
	return &Batch{Entries: entries[:n:n]}
}

// partialDue says whether a partial tile may be fetched now, and if so, that one is.
func (l *static) partialDue(first, width uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := l.partials.wait(l.o.Now(), l.o.PartialInterval, first, width)
	if wait <= 0 {
		return nil
	}
	return &Error{Kind: NotYet, Op: tilePath("data", first/tileWidth, width), RetryAfter: wait, Detail: "a partial tile is not due yet"}
}

// tile fetches and decodes the data tile that start is in, and gives its entries from start to end.
func (l *static) tile(ctx context.Context, start, end, width uint64) (*Batch, error) {
	first := start - start%tileWidth
	path := tilePath("data", first/tileWidth, width)
	what := whatTile
	if width < tileWidth {
		what = whatPartialTile
	}
	a, err := l.get(ctx, request{what: what, op: path, path: path, limit: l.o.MaxBody, missing: missingTile})
	if err != nil {
		return nil, err
	}
	m := newBatch()
	m.unhashed = l.o.Unhashed
	m.Bytes, m.Fetched = len(a.b), int(width)
	m.body, err = a.parse(l.o.MaxBody, func(body *buffer) error {
		return m.decodeTile(body, first, width, l.lenient)
	})
	if err != nil {
		return nil, &Error{Kind: Malformed, Op: path, Status: http.StatusOK, Err: err}
	}
	m.Entries = m.entries[start-first : end-first : end-first]
	l.mu.Lock()
	defer l.mu.Unlock()
	if width < tileWidth {
		l.partials.got(first, width)
	}
	if end < first+width { // the rest will be asked for: this memory leaves the pool
		l.kept = &keptTile{first: end, entries: m.entries[end-first:]}
		return &Batch{Entries: m.Entries, Bytes: m.Bytes, Fetched: m.Fetched}, nil
	}
	if l.kept != nil && l.kept.first < first {
		l.kept = nil // left behind
	}
	return &m.Batch, nil
}

// Issuer fetches an issuing certificate and checks its fingerprint.
func (l *static) Issuer(ctx context.Context, fingerprint Hash) ([]byte, error) {
	op := fmt.Sprintf("issuer/%x", fingerprint)
	a, err := l.get(ctx, request{what: whatIssuer, op: op, path: op, limit: maxSmall, missing: missingTile})
	if err != nil {
		return nil, err
	}
	buf, err := a.parse(maxSmall, func(body *buffer) error {
		if sha256.Sum256(body.b) != fingerprint {
			return errors.New("the certificate has another fingerprint")
		}
		return nil
	})
	if err != nil {
		return nil, &Error{Kind: Malformed, Op: op, Status: http.StatusOK, Err: err}
	}
	defer buf.free()
	return append([]byte(nil), buf.b...), nil
}

// Frontier is FrontierAt of the whole tree.
func (l *static) Frontier(ctx context.Context, head TreeHead) (*Frontier, error) {
	return l.FrontierAt(ctx, head, head.Size)
}

// FrontierAt makes the audit path of the last leaf before size out of hash tiles of the head's tree: the left siblings on it
// are the frontier.
func (l *static) FrontierAt(ctx context.Context, head TreeHead, size uint64) (*Frontier, error) {
	if size == 0 || size > head.Size {
		return emptyFrontier(head, size)
	}
	tiles := hashTiles{ctx: ctx, log: l, size: head.Size, tiles: map[string][]byte{}}
	leaf, err := tiles.node(0, size-1)
	if err != nil {
		return nil, err
	}
	path, err := auditPath(size-1, head.Size, tiles.node)
	if err != nil {
		return nil, err
	}
	f, err := frontierFromPath(leaf, size-1, head.Size, path, head.Root)
	if err != nil {
		return nil, &Error{Kind: BadProof, Op: fmt.Sprintf("hash tiles of %d in %d", size, head.Size), Err: err}
	}
	return f, nil
}

// hashTiles reads nodes of a tree of some size out of hash tiles, each fetched once.
type hashTiles struct {
	ctx   context.Context
	log   *static
	size  uint64
	tiles map[string][]byte
}

// levelsPerTile is how many levels of the tree a tile spans: 256 = 2^8.
const levelsPerTile = 8

// node is a nodeFunc: the root of the complete subtree over [index·2^level, (index+1)·2^level).
func (t *hashTiles) node(level int, index uint64) (Hash, error) {
	above := level % levelsPerTile
	tileLevel := level / levelsPerTile
	from := index << above // in hashes of the tile's own level
	tile, err := t.tile(tileLevel, from/tileWidth)
	if err != nil {
		return Hash{}, err
	}
	f := new(Frontier)
	for i := range uint64(1) << above {
		at := (from%tileWidth + i) * uint64(len(Hash{}))
		f.Append(Hash(tile[at : at+uint64(len(Hash{}))]))
	}
	return f.Root(), nil
}

// tile fetches the tile at a level, or, at the tree's right edge, its part.
func (t *hashTiles) tile(level int, index uint64) ([]byte, error) {
	hashes := t.size >> (levelsPerTile * level)
	width := min(hashes-index*tileWidth, tileWidth)
	path := tilePath(strconv.Itoa(level), index, width)
	if tile, ok := t.tiles[path]; ok {
		return tile, nil
	}
	tile, err := t.fetch(path, width)
	if width < tileWidth && kindOf(err) == NotYet {
		if full, fullErr := t.fetch(tilePath(strconv.Itoa(level), index, tileWidth), tileWidth); fullErr == nil {
			tile, err = full, nil
		}
	}
	if err == nil {
		t.tiles[path] = tile
	}
	return tile, err
}

func (t *hashTiles) fetch(path string, width uint64) ([]byte, error) {
	a, err := t.log.get(t.ctx, request{what: whatProof, op: path, path: path, limit: maxSmall, missing: missingTile})
	if err != nil {
		return nil, err
	}
	buf, err := a.parse(maxSmall, func(body *buffer) error {
		if uint64(len(body.b)) != width*uint64(len(Hash{})) {
			return fmt.Errorf("the tile is %d bytes long, not %d", len(body.b), width*uint64(len(Hash{})))
		}
		return nil
	})
	if err != nil {
		return nil, &Error{Kind: Malformed, Op: path, Status: http.StatusOK, Err: err}
	}
	defer buf.free()
	return append([]byte(nil), buf.b...), nil
}
