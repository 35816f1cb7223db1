// Package testlog is a Certificate Transparency log inside the process: a real Merkle tree, real signatures, served by RFC 6962
// or static-ct-api, with every fault that real logs have been seen to have, on request. It serves tests and the demo.
package testlog

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options describe a log. The zero value is an RFC 6962 log with a new key.
type Options struct {
	// Name is the log's description, Operator its operator's name.
	Name, Operator string
	// Static makes it a static-ct-api log. Hybrid makes it serve get-sth and the other RFC 6962 reads beside tiles, but no
	// checkpoint, as TrustAsia's logs do.
	Static, Hybrid bool
	// Key signs tree heads: ECDSA or RSA. Default: a new P-256 key.
	Key crypto.Signer
	// MaxGetEntries bounds a get-entries answer (default 256); Align cuts answers so that they end at its multiples, as CTFE does.
	MaxGetEntries uint64
	Align         bool
	// PlainTiles serves data tiles without gzip, as TesseraCT does.
	PlainTiles bool
	// DropPartials makes partial tiles vanish (404) once the full tile exists.
	DropPartials bool
	// CacheBytes bounds the cache of encoded data tiles (default 64 MiB).
	CacheBytes int
	// State is the log list's state (default "usable"), MMD the maximum merge delay in seconds (default 86,400; 60 for static logs).
	State string
	MMD   int
	// Now is the clock (default time.Now).
	Now func() time.Time
}

// Log is a CT log. All methods are safe for concurrent use.
type Log struct {
	// Faults are what goes wrong with requests.
	Faults Faults
	// Stats count requests.
	Stats Stats

	o     Options
	spki  []byte
	id    Hash
	slug  string
	tiles tileCache

	mu        sync.RWMutex
	entries   []stored
	tree      tree
	issuers   map[Hash][]byte
	issuerIDs map[*byte]Hash
	head      *Head
	published []uint64 // sizes a head was published for, ascending
	frozen    bool
	base      string // prefix under which the log is reached, with a trailing slash
	served    map[uint64]*Entry
}

// Head is a signed tree head.
type Head struct {
	Size, Timestamp uint64
	Root            Hash
	// Signature is a DigitallySigned (RFC 5246 §4.7).
	Signature []byte
}

// New makes an empty log with a head over no entries.
func New(o Options) *Log {
	o = o.withDefaults()
	spki, err := x509.MarshalPKIXPublicKey(o.Key.Public())
	if err != nil {
		panic(fmt.Sprintf("testlog: a log's key must be ECDSA or RSA: %v", err))
	}
	l := &Log{
		o: o, spki: spki, id: sha256.Sum256(spki), slug: slug(o.Name),
		issuers: map[Hash][]byte{}, issuerIDs: map[*byte]Hash{}, served: map[uint64]*Entry{},
	}
	l.tiles.limit = o.CacheBytes
	l.base = "https://" + l.slug + ".example/"
	l.Publish()
	return l
}

func (o Options) withDefaults() Options {
	if o.Key == nil {
		o.Key = NewKey()
	}
	if o.Name == "" {
		o.Name = "Test log"
	}
	if o.Operator == "" {
		o.Operator = "Test operator"
	}
	if o.MaxGetEntries == 0 {
		o.MaxGetEntries = 256
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.State == "" {
		o.State = "usable"
	}
	if o.MMD == 0 && o.Static {
		o.MMD = 60
	} else if o.MMD == 0 {
		o.MMD = 86400
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// NewKey makes a P-256 key.
func NewKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func slug(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(name)), "-")
}

// Key is the public key's DER (SPKI), ID the log id: its SHA-256.
func (l *Log) Key() []byte { return l.spki }

// ID is the log id.
func (l *Log) ID() Hash { return l.id }

// Name is the log's description.
func (l *Log) Name() string { return l.o.Name }

// Static says that it is a static-ct-api log.
func (l *Log) Static() bool { return l.o.Static }

// SetURL tells the log under which prefix it is reached. The origin of checkpoints follows from it.
func (l *Log) SetURL(base string) {
	l.mu.Lock()
	l.base = strings.TrimSuffix(base, "/") + "/"
	l.mu.Unlock()
}

// URL is the prefix under which the log is reached, with a trailing slash.
func (l *Log) URL() string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.base
}

// Origin is the first line of the log's checkpoints.
func (l *Log) Origin() string {
	_, origin, _ := strings.Cut(strings.TrimSuffix(l.URL(), "/"), "://")
	return origin
}

// Append integrates entries. They are served once Publish has signed a head over them.
func (l *Log) Append(entries ...*Entry) {
	now := uint64(l.o.Now().UnixMilli())
	l.mu.Lock()
	defer l.mu.Unlock()
	var buf []byte
	for _, e := range entries {
		s := stored{e, e.Timestamp}
		if s.timestamp == 0 {
			s.timestamp = now
		}
		buf = s.appendLeafInput(buf[:0], l.extensions(uint64(len(l.entries))))
		l.tree.add(leafHash(buf))
		l.entries = append(l.entries, s)
		l.keepIssuers(e)
	}
}

// extensions are the CtExtensions of the entry at an index.
func (l *Log) extensions(index uint64) []byte {
	if l.o.Static {
		return leafIndex(index)
	}
	return nil
}

func (l *Log) keepIssuers(e *Entry) {
	for _, c := range e.Chain {
		if len(c) == 0 {
			continue
		}
		if _, ok := l.issuerIDs[&c[0]]; !ok {
			f := sha256.Sum256(c)
			l.issuerIDs[&c[0]] = f
			l.issuers[f] = c
		}
	}
}

// fingerprints are an entry's issuers as a data tile lists them. The caller holds mu.
func (l *Log) fingerprints(e *Entry) []Hash {
	if e.Issuers != nil {
		return e.Issuers
	}
	var out []Hash
	for _, c := range e.Chain {
		out = append(out, l.issuerIDs[&c[0]])
	}
	return out
}

// Size is the number of integrated entries.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return uint64(len(l.entries))
}

// Root is the true root at a size up to Size.
func (l *Log) Root(size uint64) Hash {
	l.mu.RLock()
	t := l.tree.snapshot()
	l.mu.RUnlock()
	return t.root(size)
}

// LeafHash is the true Merkle leaf hash of an entry.
func (l *Log) LeafHash(index uint64) Hash {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.levels[0][index]
}

// Entry gives the entry at an index below Size, and the timestamp it has there.
func (l *Log) Entry(index uint64) (*Entry, uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.entries[index].Entry, l.entries[index].timestamp
}

// Publish signs and serves a head over all integrated entries. On a frozen log it does nothing.
func (l *Log) Publish() Head {
	now := uint64(l.o.Now().UnixMilli())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		return *l.head
	}
	size := uint64(len(l.entries))
	l.head = l.sign(size, now, l.tree.root(size))
	l.justify(size)
	return *l.head
}

// PublishHead serves a head of the caller's choice, properly signed: a smaller size, a false root, a strange timestamp.
func (l *Log) PublishHead(size, timestamp uint64, root Hash) Head {
	h := l.sign(size, timestamp, root)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = h
	l.justify(size)
	return *h
}

// justify notes that partial tiles of a size may be asked for. The caller holds mu.
func (l *Log) justify(size uint64) {
	if at, found := slices.BinarySearch(l.published, size); !found {
		l.published = slices.Insert(l.published, at, size)
	}
}

// Freeze keeps the head as it is until Thaw: a log that has stopped growing.
func (l *Log) Freeze() { l.setFrozen(true) }

// Thaw ends Freeze.
func (l *Log) Thaw() { l.setFrozen(false) }

func (l *Log) setFrozen(f bool) {
	l.mu.Lock()
	l.frozen = f
	l.mu.Unlock()
}

// Head is the head being served.
func (l *Log) Head() Head {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return *l.head
}

// Corrupt serves another entry at an index than the one in the tree, until Corrupt(index, nil).
func (l *Log) Corrupt(index uint64, e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tiles.forget(index / 256)
	if e == nil {
		delete(l.served, index)
		return
	}
	l.served[index] = e
	l.keepIssuers(e)
}

// Fork makes a log of the same key and the same first entries, which can then be given others: a log that lies.
func (l *Log) Fork(size uint64) *Log {
	f := New(l.o)
	l.mu.RLock()
	defer l.mu.RUnlock()
	f.base = l.base
	for _, s := range l.entries[:size] {
		e := *s.Entry
		e.Timestamp = s.timestamp
		f.Append(&e)
	}
	f.Publish()
	return f
}

// Become serves everything of another log from now on, usually a Fork's: the whole tree is swapped.
func (l *Log) Become(fork *Log) *Active {
	return l.Faults.Add(Fault{Do: ServeOther(fork.Handler())})
}

// SplitView shows every other request the heads of another log, usually a Fork's.
func (l *Log) SplitView(fork *Log) {
	for _, kind := range []string{GetSTH, Checkpoint} {
		l.Faults.Add(Fault{Kind: kind, Every: 2, Do: ServeOther(fork.Handler())})
	}
}

// Rollback serves a head of the same tree, but of a smaller size and signed so much later.
func (l *Log) Rollback(size uint64, later time.Duration) Head {
	at := l.Head().Timestamp + uint64(later.Milliseconds())
	return l.PublishHead(size, at, l.Root(size))
}

// Grow appends entries of the source at a steady rate and publishes ten times a second, until ctx ends.
func (l *Log) Grow(ctx context.Context, perSecond float64, source func() *Entry) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	begin, done := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var batch []*Entry
		for due := int(perSecond * time.Since(begin).Seconds()); done < due; done++ {
			batch = append(batch, source())
		}
		if len(batch) > 0 {
			l.Append(batch...)
			l.Publish()
		}
	}
}

func (l *Log) sign(size, timestamp uint64, root Hash) *Head {
	head := append([]byte{0, 1}, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, timestamp), size)...)
	digest := sha256.Sum256(append(head, root[:]...))
	sig, err := l.o.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		panic(fmt.Sprintf("testlog: signing a tree head: %v", err))
	}
	algorithm := byte(3)
	if _, ok := l.o.Key.Public().(*rsa.PublicKey); ok {
		algorithm = 1
	}
	signature := binary.BigEndian.AppendUint16([]byte{4, algorithm}, uint16(len(sig)))
	return &Head{Size: size, Timestamp: timestamp, Root: root, Signature: append(signature, sig...)}
}

// Checkpoint is a head in the text form of static-ct-api.
func (l *Log) Checkpoint(h Head) []byte { return l.CheckpointAs(l.Origin(), h) }

// CheckpointAs is Checkpoint under another origin.
func (l *Log) CheckpointAs(origin string, h Head) []byte {
	b := fmt.Appendf(nil, "%s\n%d\n%s\n\n", origin, h.Size, base64.StdEncoding.EncodeToString(h.Root[:]))
	keyID := sha256.Sum256(append([]byte(origin+"\n\x05"), l.id[:]...))
	sig := append(binary.BigEndian.AppendUint64(keyID[:4:4], h.Timestamp), h.Signature...)
	return fmt.Appendf(b, "\u2014 %s %s\n", origin, base64.StdEncoding.EncodeToString(sig))
}
