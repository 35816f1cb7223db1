package testlog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const tileWidth = 256

func (v *view) getCheckpoint(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(v.Checkpoint(v.head))
}

// tilePath is a parsed path after "tile/".
type tilePath struct {
	level int // -1: data
	index uint64
	width uint64 // 256: full
}

// parseTilePath reads `<L>/<N>[.p/<W>]` or `data/<N>[.p/<W>]`, and admits only the one canonical way to write it.
func parseTilePath(s string) (tilePath, bool) {
	t := tilePath{level: -1, width: tileWidth}
	kind, rest, _ := strings.Cut(s, "/")
	if kind != "data" {
		level, err := strconv.Atoi(kind)
		if err != nil || level < 0 || level > 5 {
			return t, false
		}
		t.level = level
	}
	if number, width, partial := strings.Cut(rest, ".p/"); partial {
		n, err := strconv.ParseUint(width, 10, 8)
		if err != nil || n == 0 {
			return t, false
		}
		rest, t.width = number, n
	}
	n, err := strconv.ParseUint(strings.NewReplacer("x", "", "/", "").Replace(rest), 10, 64)
	t.index = n
	return t, err == nil && t.String() == s
}

// String is the canonical path.
func (t tilePath) String() string {
	n := fmt.Sprintf("%03d", t.index%1000)
	for rest := t.index / 1000; rest > 0; rest /= 1000 {
		n = fmt.Sprintf("x%03d/%s", rest%1000, n)
	}
	kind := "data"
	if t.level >= 0 {
		kind = strconv.Itoa(t.level)
	}
	if t.width < tileWidth {
		return fmt.Sprintf("%s/%s.p/%d", kind, n, t.width)
	}
	return kind + "/" + n
}

func (v *view) getTile(w http.ResponseWriter, r *http.Request, path string) {
	t, ok := parseTilePath(path)
	if !ok || !v.has(t) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=604800, immutable")
	w.Header().Set("Content-Type", "application/octet-stream")
	if t.level >= 0 {
		_, _ = w.Write(v.hashTile(t))
		return
	}
	v.Stats.served(kind("tile/"+path), t.width)
	if v.o.PlainTiles {
		_, _ = w.Write(v.dataTile(t))
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(v.tiles.get(t, func() []byte { return Gzip(v.dataTile(t)) }))
}

// has says whether a tile exists: full, or of a width that some head was published for.
func (v *view) has(t tilePath) bool {
	shift := 0
	if t.level > 0 {
		shift = 8 * t.level
	}
	nodes := v.head.Size >> shift
	if t.width == tileWidth {
		return (t.index+1)*tileWidth <= nodes
	}
	if v.o.DropPartials && (t.index+1)*tileWidth <= nodes {
		return false
	}
	return t.index*tileWidth+t.width <= nodes && v.justified(t, shift)
}

// justified says whether a head was published of which the partial tile is the right edge.
func (v *view) justified(t tilePath, shift int) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	want := t.index*tileWidth + t.width
	at, _ := slices.BinarySearch(v.published, want<<shift)
	return at < len(v.published) && v.published[at]>>shift == want
}

func (v *view) hashTile(t tilePath) []byte {
	var b []byte
	for _, h := range v.tree.levels[8*t.level][t.index*tileWidth:][:t.width] {
		b = append(b, h[:]...)
	}
	return b
}

func (v *view) dataTile(t tilePath) []byte {
	var b []byte
	for i := t.index * tileWidth; i < t.index*tileWidth+t.width; i++ {
		leaf := v.leaf(i)
		v.mu.RLock()
		issuers := v.fingerprints(leaf.Entry)
		v.mu.RUnlock()
		b = leaf.appendTileEntry(b, leafIndex(i), issuers)
	}
	return b
}

func (v *view) getIssuer(w http.ResponseWriter, r *http.Request, name string) {
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != 32 {
		http.NotFound(w, r)
		return
	}
	v.mu.RLock()
	der, ok := v.issuers[Hash(raw)]
	v.mu.RUnlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	_, _ = w.Write(der)
}

// Gzip packs bytes fast.
func Gzip(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is a valid constant
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// tileCache keeps encoded data tiles, the newest that fit.
type tileCache struct {
	limit int

	mu    sync.Mutex
	tiles map[tilePath][]byte
	order []tilePath
	bytes int
}

func (c *tileCache) get(t tilePath, make func() []byte) []byte {
	c.mu.Lock()
	b, ok := c.tiles[t]
	c.mu.Unlock()
	if ok {
		return b
	}
	b = make()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(t, b)
	return b
}

func (c *tileCache) put(t tilePath, b []byte) {
	if c.tiles == nil {
		c.tiles = map[tilePath][]byte{}
	}
	if _, ok := c.tiles[t]; ok {
		return
	}
	c.tiles[t] = b
	c.order = append(c.order, t)
	c.bytes += len(b)
	for c.bytes > c.limit && len(c.order) > 1 {
		c.bytes -= len(c.tiles[c.order[0]])
		delete(c.tiles, c.order[0])
		c.order = c.order[1:]
	}
}

// forget drops the encodings of a tile, full and partial.
func (c *tileCache) forget(index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.order[:0]
	for _, t := range c.order {
		if t.index != index {
			kept = append(kept, t)
			continue
		}
		c.bytes -= len(c.tiles[t])
		delete(c.tiles, t)
	}
	c.order = kept
}

// gunzip undoes Gzip; bytes that are not gzip stay as they are.
func gunzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return b
	}
	out, err := io.ReadAll(z)
	if err != nil {
		return b
	}
	return out
}
