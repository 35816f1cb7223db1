package ctlog

import "context"

// hybrid is an RFC 6962 log that serves its entries as tiles too, though it has no checkpoint: TrustAsia's do, and answer tiles
// many times faster than get-entries.
type hybrid struct {
	*rfc6962
	tiles *static
}

// NewHybrid makes a Log whose heads and proofs come by RFC 6962, its entries and issuers by tiles of the same prefix.
func NewHybrid(o Options) (Log, error) {
	classic, err := newRFC6962(o)
	if err != nil {
		return nil, err
	}
	tiles, err := newStatic(o)
	if err != nil {
		return nil, err
	}
	tiles.lenient = true
	return &hybrid{classic, tiles}, nil
}

// Entries gives the entries of one data tile.
func (l *hybrid) Entries(ctx context.Context, head TreeHead, start, end uint64) (*Batch, error) {
	return l.tiles.Entries(ctx, head, start, end)
}

// Page is the width of a tile.
func (l *hybrid) Page() uint64 { return l.tiles.Page() }

// Issuer fetches an issuing certificate and checks its fingerprint.
func (l *hybrid) Issuer(ctx context.Context, fingerprint Hash) ([]byte, error) {
	return l.tiles.Issuer(ctx, fingerprint)
}
