package ctlog

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestCheckpointForms takes a right checkpoint apart (row 13).
func TestCheckpointForms(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true}, 5)
	good := string(l.Checkpoint(l.Head()))
	text, signature, _ := strings.Cut(good, "\n\n")
	foreign := string(filled(testlog.Options{Name: "log", Static: true}, 5).Checkpoint(l.Head()))
	_, foreign, _ = strings.Cut(foreign, "\n\n")
	short := base64.StdEncoding.EncodeToString(append(idBytes(l), 1, 2))
	v, err := newVerifier(l.Key())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, checkpoint string
		ok               bool
	}{
		{"as it is", good, true},
		{"a witness's signature first", text + "\n\n— witness AAAAAAAAAAAA\n" + signature, true},
		{"the same name, another key", text + "\n\n" + foreign + signature, true},
		{"only another key's", text + "\n\n" + foreign, false},
		{"a broken one of the log's first", text + "\n\n— " + l.Origin() + " " + short + "\n" + signature, true},
		{"only a broken one of the log's", text + "\n\n— " + l.Origin() + " " + short + "\n", false},
		{"no signature", text + "\n\n", false},
		{"no last line end", strings.TrimSuffix(good, "\n"), false},
		{"no blank line", text + "\n" + signature, false},
		{"an extension", text + "\nx\n\n" + signature, false},
		{"no origin", good[strings.Index(good, "\n"):], false},
		{"another origin", "x" + good, false},
		{"a size with a sign", strings.Replace(good, "\n5\n", "\n+5\n", 1), false},
		{"a size with a zero in front", strings.Replace(good, "\n5\n", "\n05\n", 1), false},
		{"another size", strings.Replace(good, "\n5\n", "\n6\n", 1), false},
		{"a short root", strings.Replace(good, "=\n\n", "\n\n", 1), false},
		{"a hyphen for the dash", strings.Replace(good, "—", "-", 1), false},
		{"a signature that is not base64", text + "\n\n— x *\n", false},
		{"a signature too short for a key", text + "\n\n— x AAAA\n", false},
		{"not UTF-8", "\xff" + good, false},
		{"nothing", "", false},
	} {
		parsed, err := parseCheckpoint([]byte(c.checkpoint), Hash(l.ID()))
		var head TreeHead
		if err == nil {
			head, err = parsed.open(l.Origin(), v)
		}
		if (err == nil) != c.ok || c.ok && (head.Root != Hash(l.Root(5)) || head.Timestamp != l.Head().Timestamp) {
			t.Errorf("%s: head %+v, error %v", c.name, head, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: the error is %d bytes long", c.name, len(err.Error()))
		}
	}
}

// idBytes are the key id of a log's checkpoints.
func idBytes(l *testlog.Log) []byte {
	id := keyID(l.Origin(), Hash(l.ID()))
	return id[:]
}

// TestSignatureForms changes the frame of a right signature.
func TestSignatureForms(t *testing.T) {
	for name, o := range map[string]testlog.Options{"ECDSA": {}, "RSA": {Key: rsaKey(t)}} {
		l := filled(o, 3)
		h := l.Head()
		head := TreeHead{Size: h.Size, Timestamp: h.Timestamp, Root: Hash(h.Root)}
		v, err := newVerifier(l.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := v.verify(head, h.Signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, edit := range map[string]func([]byte) []byte{
			"another hash":       func(b []byte) []byte { b[0] = 5; return b },
			"another algorithm":  func(b []byte) []byte { b[1] ^= 2; return b },
			"another length":     func(b []byte) []byte { b[3]++; return b },
			"bytes left over":    func(b []byte) []byte { return append(b, 0) },
			"cut":                func(b []byte) []byte { return b[:3] },
			"a bit flipped":      func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			"an empty signature": func(b []byte) []byte { return []byte{4, b[1], 0, 0} },
		} {
			if v.verify(head, edit(append([]byte(nil), h.Signature...))) == nil {
				t.Errorf("%s: %s passes", name, what)
			}
		}
		head.Size++
		if v.verify(head, h.Signature) == nil {
			t.Errorf("%s: another size passes", name)
		}
	}
}

// TestQuestionsThatHaveNoAnswer asks beyond the tree, and a classic log for an issuer, without a request.
func TestQuestionsThatHaveNoAnswer(t *testing.T) {
	for _, static := range []bool{false, true} {
		l := filled(testlog.Options{Name: "log", Static: static}, 5)
		log := open(t, l, inMemory(l))
		head := headOf(t, log)
		ctx := context.Background()
		made := l.Stats.Total()
		for _, r := range [][2]uint64{{5, 5}, {3, 2}, {0, 6}, {6, 7}} {
			if _, err := entriesOf(log, head, r[0], r[1]); err == nil {
				t.Errorf("entries %v of 5", r)
			}
		}
		if _, err := log.FrontierAt(ctx, head, 6); err == nil {
			t.Error("a frontier beyond the tree")
		}
		if f, err := log.Frontier(ctx, TreeHead{Root: new(Frontier).Root()}); err != nil || f.Size != 0 {
			t.Errorf("the empty tree: %v", err)
		}
		if _, err := log.Frontier(ctx, TreeHead{Root: Hash{1}}); kindOf(err) != BadProof {
			t.Errorf("an empty tree of another root: %v", err)
		}
		if !static {
			if _, err := log.Issuer(ctx, Hash{}); !errors.Is(err, ErrNoProof) {
				t.Errorf("an issuer of a classic log: %v", err)
			}
		}
		if l.Stats.Total() != made {
			t.Error("a request was made")
		}
	}
}
