package ctlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rfc6962Signature is the signature type of checkpoints that carry an RFC 6962 tree head (static-ct-api, Checkpoints).
const rfc6962Signature = 0x05

// checkpoint is a parsed checkpoint of static-ct-api, before its signature has been verified.
type checkpoint struct {
	origin string
	head   TreeHead
	// signatures are the base64-decoded signatures whose name is the origin and whose key id is the log's.
	signatures [][]byte
}

var errCheckpoint = errors.New("not a checkpoint")

// keyID is the first four bytes of SHA-256(name ‖ 0A ‖ 05 ‖ log id).
func keyID(name string, logID Hash) [4]byte {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', rfc6962Signature})
	h.Write(logID[:])
	return [4]byte(h.Sum(nil)[:4])
}

// parseCheckpoint reads a checkpoint: origin, size, root, then signatures, of which it keeps those of the given origin and key. The
// signatures of others, witnesses among them, are passed over.
func parseCheckpoint(body []byte, logID Hash) (checkpoint, error) {
	var c checkpoint
	if !utf8.Valid(body) {
		return c, fmt.Errorf("%w: not UTF-8: %s", errCheckpoint, quote(body))
	}
	text, signatures, ok := strings.Cut(string(body), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 3 || lines[0] == "" {
		return c, fmt.Errorf("%w: want three lines, a blank line, and signatures: %s", errCheckpoint, quote(body))
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return c, fmt.Errorf("%w: the second line is not a size: %s", errCheckpoint, quote([]byte(lines[1])))
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(Hash{}) {
		return c, fmt.Errorf("%w: the third line is not a root hash: %s", errCheckpoint, quote([]byte(lines[2])))
	}
	c.origin, c.head = lines[0], TreeHead{Size: size, Root: Hash(root)}
	c.signatures, err = ownSignatures(signatures, c.origin, keyID(c.origin, logID))
	return c, err
}

// ownSignatures reads lines of `— name base64`.
func ownSignatures(text, name string, id [4]byte) ([][]byte, error) {
	var own [][]byte
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("%w: the signatures do not end with a line", errCheckpoint)
	}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 3 || fields[0] != "\u2014" {
			return nil, fmt.Errorf("%w: not a signature line: %s", errCheckpoint, quote([]byte(line)))
		}
		signature, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || len(signature) < 5 {
			return nil, fmt.Errorf("%w: not a signature: %s", errCheckpoint, quote([]byte(line)))
		}
		if fields[1] == name && bytes.Equal(signature[:4], id[:]) {
			own = append(own, signature[4:])
		}
	}
	return own, nil
}

// open verifies that the log of this origin and key signed the checkpoint, and gives its head.
func (c checkpoint) open(origin string, v verifier) (TreeHead, error) {
	if c.origin != origin {
		return TreeHead{}, fmt.Errorf("the checkpoint is of another log: origin %s, not %s", quote([]byte(c.origin)), quote([]byte(origin)))
	}
	err := errors.New("the checkpoint has no signature of the log's key")
	for _, s := range c.signatures {
		if len(s) < 8 {
			err = errSignatureForm
			continue
		}
		head := c.head
		head.Timestamp = binary.BigEndian.Uint64(s)
		if err = v.verify(head, s[8:]); err == nil {
			return head, nil
		}
	}
	return TreeHead{}, err
}
