package ctlog

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// MaxRaw bounds TreeHead.Raw: a signed head has some 400 bytes, with the signatures of witnesses some thousand. What is kept of
// heads is not the log's to fill.
const MaxRaw = 4 << 10

// rawSTH is what is kept of a get-sth answer: all of it, or, where it is padded, the members that are signed and the signature.
func rawSTH(body []byte, h TreeHead, signature []byte) []byte {
	if len(body) <= MaxRaw {
		return slices.Clone(body)
	}
	b, err := json.Marshal(map[string]any{
		"tree_size": h.Size, "timestamp": h.Timestamp, "sha256_root_hash": h.Root[:], "tree_head_signature": signature,
	})
	if err != nil || len(b) > MaxRaw {
		return nil // no signature that was verified is so large
	}
	return b
}

// rawCheckpoint is what is kept of a checkpoint: all of it, or, where it is padded, what is signed and the log's own signature.
func (c checkpoint) rawCheckpoint(body []byte, logID Hash, h TreeHead, v verifier) []byte {
	if len(body) <= MaxRaw {
		return slices.Clone(body)
	}
	id := keyID(c.origin, logID)
	for _, s := range c.signatures {
		if len(s) < 8 || binary.BigEndian.Uint64(s) != h.Timestamp || v.verify(h, s[8:]) != nil {
			continue
		}
		b := fmt.Appendf(nil, "%s\n%d\n%s\n\n\u2014 %s %s\n", c.origin, h.Size, base64.StdEncoding.EncodeToString(h.Root[:]), c.origin,
			base64.StdEncoding.EncodeToString(append(id[:], s...)))
		if len(b) <= MaxRaw {
			return b
		}
	}
	return nil
}
