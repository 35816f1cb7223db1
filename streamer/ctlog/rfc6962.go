package ctlog

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// rfc6962 is a log read by RFC 6962 §4.
type rfc6962 struct {
	*client
	verifier verifier
	page     *pager
}

// NewRFC6962 makes a Log that is read by RFC 6962. It fails on options that cannot be right.
func NewRFC6962(o Options) (Log, error) {
	l, err := newRFC6962(o)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func newRFC6962(o Options) (*rfc6962, error) {
	c, v, err := prepare(o)
	if err != nil {
		return nil, err
	}
	return &rfc6962{client: c, verifier: v, page: newPager(c.o.PageHint)}, nil
}

// Page is the page size learned so far.
func (l *rfc6962) Page() uint64 { return l.page.get() }

// Issuer is not known to RFC 6962, whose entries hold their chains.
func (l *rfc6962) Issuer(context.Context, Hash) ([]byte, error) {
	return nil, &Error{Kind: NoProof, Op: "issuer", Err: ErrNoProof}
}

// Close drops idle connections.
func (l *rfc6962) Close() { l.http.CloseIdleConnections() }

// Head fetches the newest signed tree head and verifies it.
func (l *rfc6962) Head(ctx context.Context) (TreeHead, error) {
	const op = "get-sth"
	a, err := l.get(ctx, request{what: whatHead, op: op, path: "ct/v1/get-sth", limit: maxSmall})
	if err != nil {
		return TreeHead{}, err
	}
	var head TreeHead
	var signature []byte
	buf, err := a.parse(maxSmall, func(body *buffer) (err error) {
		head, signature, err = parseSTH(body.b)
		return err
	})
	if err != nil {
		return TreeHead{}, &Error{Kind: Malformed, Op: op, Status: http.StatusOK, Err: err}
	}
	head.Raw = rawSTH(buf.b, head, signature)
	buf.free()
	if err := l.verifier.verify(head, signature); err != nil {
		return TreeHead{}, &Error{Kind: BadSignature, Op: op, Status: http.StatusOK, Err: err}
	}
	return head, nil
}

// parseSTH reads a get-sth answer (RFC 6962 §4.3).
func parseSTH(body []byte) (TreeHead, []byte, error) {
	var sth struct {
		Size      *uint64 `json:"tree_size"`
		Timestamp *uint64 `json:"timestamp"`
		Root      []byte  `json:"sha256_root_hash"`
		Signature []byte  `json:"tree_head_signature"`
	}
	if err := json.Unmarshal(body, &sth); err != nil {
		return TreeHead{}, nil, fmt.Errorf("%w: %s: %s", errJSON, shortText(err), quote(body))
	}
	if sth.Size == nil || sth.Timestamp == nil || len(sth.Root) != len(Hash{}) || len(sth.Signature) == 0 {
		return TreeHead{}, nil, fmt.Errorf("%w: a member is missing: %s", errJSON, quote(body))
	}
	return TreeHead{Size: *sth.Size, Timestamp: *sth.Timestamp, Root: Hash(sth.Root)}, sth.Signature, nil
}

// shortText bounds an error's text that may quote what a log sent.
func shortText(err error) string {
	s := err.Error()
	return s[:min(len(s), 100)]
}

// Entries fetches entries by one get-entries.
func (l *rfc6962) Entries(ctx context.Context, head TreeHead, start, end uint64) (*Batch, error) {
	if start >= end || end > head.Size {
		return nil, badRange(start, end, head.Size)
	}
	end = l.page.end(start, end)
	op := fmt.Sprintf("get-entries %d-%d", start, end-1)
	a, err := l.get(ctx, request{
		what: whatEntries, op: op, path: fmt.Sprintf("ct/v1/get-entries?start=%d&end=%d", start, end-1), limit: l.o.MaxBody,
		missing: []int{http.StatusBadRequest, http.StatusNotFound},
	})
	if err != nil {
		l.shrinkAfter(err, end-start)
		return nil, err
	}
	m := newBatch()
	m.unhashed = l.o.Unhashed
	m.Bytes = len(a.b)
	m.body, err = a.parse(l.o.MaxBody, func(body *buffer) error { return m.decodeEntries(body.b, start, int(end-start)) })
	if err != nil {
		l.shrinkAfter(err, end-start)
		return nil, &Error{Kind: Malformed, Op: op, Status: http.StatusOK, Err: err}
	}
	l.page.learn(start, end, uint64(len(m.entries)))
	m.Entries, m.Fetched = m.entries, len(m.entries)
	return &m.Batch, nil
}

func badRange(start, end, size uint64) error {
	return &Error{Kind: Malformed, Op: "entries", Detail: fmt.Sprintf("asked for [%d, %d) of a tree of %d entries", start, end, size)}
}

// shrinkAfter makes the next page smaller when this one was too much for the log, or for us.
func (l *rfc6962) shrinkAfter(err error, n uint64) {
	switch kind := kindOf(err); {
	case errors.Is(err, errSlow) || errors.Is(err, errTooLarge):
		l.page.shrink()
	case kind == RateLimited || kind == ServerError:
		l.page.refused(n)
	}
}

var errNoEntries = errors.New("an answer without entries")

// decodeEntries reads a get-entries answer that begins at index start.
func (m *batchMemory) decodeEntries(body []byte, start uint64, most int) error {
	m.reset()
	err := scanEntries(body, most, func(leaf, extra span) {
		e := m.next(start + uint64(len(m.entries)))
		e.leaf = body[leaf.from:leaf.to:leaf.to]
		if !m.unhashed {
			e.LeafHash = hashInPlace(body, leaf.from, leaf.to, 0)
		}
		m.decodeLeaf(e, body[leaf.from:leaf.to:leaf.to], body[extra.from:extra.to:extra.to])
	})
	if err == nil && len(m.entries) == 0 {
		return errNoEntries
	}
	return err
}

// Frontier is FrontierAt of the whole tree.
func (l *rfc6962) Frontier(ctx context.Context, head TreeHead) (*Frontier, error) {
	return l.FrontierAt(ctx, head, head.Size)
}

// FrontierAt fetches the audit path of the last leaf before size: the left siblings on it are the frontier.
func (l *rfc6962) FrontierAt(ctx context.Context, head TreeHead, size uint64) (*Frontier, error) {
	if size == 0 || size > head.Size {
		return emptyFrontier(head, size)
	}
	op := fmt.Sprintf("get-entry-and-proof %d in %d", size-1, head.Size)
	leaf, path, err := l.entryAndProof(ctx, op, size-1, head.Size)
	if kind := kindOf(err); kind == NoProof || kind == NotYet {
		leaf, path, err = l.proofByHash(ctx, head, size-1)
	}
	if err != nil {
		return nil, err
	}
	f, err := frontierFromPath(leaf, size-1, head.Size, path, head.Root)
	if err != nil {
		return nil, &Error{Kind: BadProof, Op: op, Err: err}
	}
	return f, nil
}

// emptyFrontier is the frontier of no entries, which every tree has.
func emptyFrontier(head TreeHead, size uint64) (*Frontier, error) {
	f := new(Frontier)
	switch {
	case size > head.Size:
		return nil, badRange(0, size, head.Size)
	case head.Size == 0 && f.Root() != head.Root:
		return nil, &Error{Kind: BadProof, Op: "frontier of the empty tree", Err: errProofRoot}
	}
	return f, nil
}

// notOffered are the statuses of a log that lacks an endpoint.
var notOffered = []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusGone}

// kindOf is the kind of an error of a Log, empty for others.
func kindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// proof makes a request for a proof and hands the answer to parser. A 400 may come from a frontend that lags (row 16).
func (l *rfc6962) proof(ctx context.Context, op, path string, parser func(body []byte) error) error {
	a, err := l.get(ctx, request{what: whatProof, op: op, path: path, limit: l.o.MaxBody, missing: []int{http.StatusBadRequest}})
	if e := (*Error)(nil); errors.As(err, &e) && slices.Contains(notOffered, e.Status) {
		return &Error{Kind: NoProof, Op: op, Status: e.Status, Detail: e.Detail, Err: ErrNoProof}
	}
	if err != nil {
		return err
	}
	buf, err := a.parse(l.o.MaxBody, func(body *buffer) error { return parser(body.b) })
	if err != nil {
		return &Error{Kind: Malformed, Op: op, Status: http.StatusOK, Err: err}
	}
	buf.free()
	return nil
}

func (l *rfc6962) entryAndProof(ctx context.Context, op string, index, size uint64) (Hash, []Hash, error) {
	var leaf Hash
	var path []Hash
	err := l.proof(ctx, op, fmt.Sprintf("ct/v1/get-entry-and-proof?leaf_index=%d&tree_size=%d", index, size),
		func(body []byte) (err error) {
			var input []byte
			input, path, err = parseEntryAndProof(body)
			leaf = LeafHash(input)
			return err
		})
	return leaf, path, err
}

// proofByHash is the way round for logs without get-entry-and-proof.
func (l *rfc6962) proofByHash(ctx context.Context, head TreeHead, index uint64) (Hash, []Hash, error) {
	b, err := l.Entries(ctx, head, index, index+1)
	if err != nil {
		return Hash{}, nil, err
	}
	leaf := b.Entries[0].LeafHash
	b.Release()
	var path []Hash
	err = l.proof(ctx, fmt.Sprintf("get-proof-by-hash %d in %d", index, head.Size), "ct/v1/get-proof-by-hash?hash="+
		url.QueryEscape(base64.StdEncoding.EncodeToString(leaf[:]))+"&tree_size="+strconv.FormatUint(head.Size, 10),
		func(body []byte) (err error) {
			path, err = parseAuditPath(body)
			return err
		})
	return leaf, path, err
}

// parseEntryAndProof reads a get-entry-and-proof answer (RFC 6962 §4.8).
func parseEntryAndProof(body []byte) (leafInput []byte, path []Hash, err error) {
	var proof struct {
		LeafInput []byte `json:"leaf_input"`
	}
	if err := json.Unmarshal(body, &proof); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %s", errJSON, shortText(err), quote(body))
	}
	if len(proof.LeafInput) == 0 {
		return nil, nil, errMembers
	}
	path, err = parseAuditPath(body)
	return proof.LeafInput, path, err
}

// parseAuditPath reads the audit_path of get-proof-by-hash and get-entry-and-proof (RFC 6962 §4.5, §4.8).
func parseAuditPath(body []byte) ([]Hash, error) {
	return parseHashes(body, "audit_path")
}

// maxProof is the number of hashes that the longest proof of consistency can have.
const maxProof = maxNodes + 1

// parseHashes reads a list of hashes that is a member of an answer.
func parseHashes(body []byte, member string) ([]Hash, error) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: %s: %s", errJSON, shortText(err), quote(body))
	}
	var nodes [][]byte
	if raw, ok := answer[member]; ok {
		if err := json.Unmarshal(raw, &nodes); err != nil {
			return nil, fmt.Errorf("%w: %s: %s", errJSON, shortText(err), quote(body))
		}
	}
	hashes := make([]Hash, 0, min(len(nodes), maxProof))
	for _, node := range nodes {
		if len(node) != len(Hash{}) || len(hashes) == maxProof {
			return nil, fmt.Errorf("%w: %s is not a list of hashes", errJSON, member)
		}
		hashes = append(hashes, Hash(node))
	}
	return hashes, nil
}
