package access

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxTokenBytes is the length of the longest token, maxTokens their number.
	maxTokenBytes = 4096
	maxTokens     = 10000
	// maxTokenFile is the size of the largest file of tokens.
	maxTokenFile = 8 << 20
)

// Token is a secret with a name. Only the name is ever shown.
type Token struct {
	Name, Value string
}

// String hides the value.
func (t Token) String() string { return t.Name }

// digest is what is kept of a token: its SHA-256.
type digest [sha256.Size]byte

type namedDigest struct {
	name string
	sum  digest
}

// tokens are those accepted, in the form they are compared in.
type tokens []namedDigest

// newTokens checks tokens and digests them.
func newTokens(list []Token) (tokens, error) {
	if len(list) > maxTokens {
		return nil, fmt.Errorf("%d tokens, more than %d", len(list), maxTokens)
	}
	set := make(tokens, 0, len(list))
	for _, t := range list {
		if err := checkToken(t.Value); err != nil {
			return nil, fmt.Errorf("token %q: %w", t.Name, err)
		}
		set = append(set, namedDigest{t.Name, sha256.Sum256([]byte(t.Value))})
	}
	return set, nil
}

// checkToken says what is wrong with a token, without showing it.
func checkToken(value string) error {
	switch {
	case value == "":
		return errors.New("is empty")
	case len(value) > maxTokenBytes:
		return fmt.Errorf("has %d bytes, more than %d", len(value), maxTokenBytes)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errors.New("holds a space or a character that is not printable ASCII, which no header can carry")
	}
	return nil
}

// find looks for any of the values presented. The time it takes depends on their number and on how many tokens there are, not
// on which are right.
func (set tokens) find(presented []string) (found namedDigest, ok bool) {
	for _, value := range presented {
		sum := sha256.Sum256([]byte(value))
		for i := range set {
			if subtle.ConstantTimeCompare(sum[:], set[i].sum[:]) == 1 {
				found, ok = set[i], true
			}
		}
	}
	return found, ok
}

// has says whether a token is still accepted.
func (set tokens) has(sum digest) bool {
	for i := range set {
		if set[i].sum == sum {
			return true
		}
	}
	return false
}

// ReadTokens reads tokens from a directory, where each file holds one and gives it its name, or from a file of lines. Names
// that begin with a dot are left out: a mounted Secret has such.
func ReadTokens(path string) ([]Token, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if !info.IsDir() {
		return readTokenFile(path)
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	var list []Token
	for _, file := range files {
		if strings.HasPrefix(file.Name(), ".") {
			continue
		}
		token, err := readToken(filepath.Join(path, file.Name()))
		if err != nil {
			return nil, err
		}
		if token.Value != "" {
			list = append(list, token)
		}
	}
	return list, nil
}

// readToken reads a file of one token; sub-directories and the like give none.
func readToken(path string) (Token, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Token{}, fmt.Errorf("read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Token{}, nil
	}
	data, err := readAtMost(path, maxTokenBytes+2)
	if err != nil {
		return Token{}, err
	}
	value := string(bytes.TrimSpace(data))
	if err := checkToken(value); err != nil {
		return Token{}, fmt.Errorf("read tokens: %s: the token %w", path, err)
	}
	return Token{Name: filepath.Base(path), Value: value}, nil
}

func readTokenFile(path string) ([]Token, error) {
	data, err := readAtMost(path, maxTokenFile)
	if err != nil {
		return nil, err
	}
	list, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %s: %w", path, err)
	}
	return list, nil
}

func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read: %s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// parseTokens reads lines of `name:token` or of a token alone, which gets the name line-N. Empty lines and those that begin
// with # are left out.
func parseTokens(data []byte) ([]Token, error) {
	var list []Token
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 2*maxTokenBytes)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !ok || !isName(name) {
			name, value = fmt.Sprintf("line-%d", n), line
		}
		if err := checkToken(value); err != nil {
			return nil, fmt.Errorf("line %d: the token %w", n, err)
		}
		if list = append(list, Token{name, value}); len(list) > maxTokens {
			return nil, fmt.Errorf("more than %d tokens", maxTokens)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("a line is too long: %w", err)
	}
	return list, nil
}

// isName says whether text can be the name of a token.
func isName(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return text != "" && len(text) <= 64 && strings.Trim(text, letters) == ""
}
