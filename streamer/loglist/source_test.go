package loglist

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSources holds which list each setting means, and who must have signed it.
func TestSources(t *testing.T) {
	key, spki := newKey(t)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const google, own = "+Google", "+the configured key"
	for _, tt := range []struct{ kind, location, key, want string }{
		{"google", "", "", "google=" + GoogleURL + google},
		{"google_all", "", "", "google_all=" + GoogleAllURL + google},
		{"apple", "", "", "apple=" + AppleURL},
		{"google+apple", "", "", "google=" + GoogleURL + google + " apple=" + AppleURL},
		{"none", "", "", ""},
		{"google", "https://mine.example/l.json", "", "custom=https://mine.example/l.json"},
		{"none", "/etc/ct/l.json", text, "custom=/etc/ct/l.json" + own},
		{"google", "/etc/ct/l.json", file, "custom=/etc/ct/l.json" + own},
		{"google", GoogleAllURL, "", "google_all=" + GoogleAllURL + google},
		{"apple", GoogleURL, text, "google=" + GoogleURL + own},
	} {
		sources, err := Sources(tt.kind, tt.location, tt.key)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		var got []string
		for _, s := range sources {
			text := s.Name + "=" + s.URL
			if s.Key != nil {
				text += "+" + s.KeyName
			}
			if s.KeyName == "the configured key" && !key.PublicKey.Equal(s.Key) {
				t.Errorf("%+v: another key", tt)
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	for _, bad := range [][3]string{{"bing", "", ""}, {"google", "", "/no/such/file"}, {"google", "", "-----BEGIN x"}} {
		if s, err := Sources(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v: %v", bad, s)
		}
	}
}

// TestSignatureURL holds where signatures are looked for.
func TestSignatureURL(t *testing.T) {
	for url, want := range map[string]string{
		GoogleURL: "https://www.gstatic.com/ct/log_list/v3/log_list.sig", "/etc/logs": "/etc/logs.sig", "file:///l.json": "file:///l.sig",
		"https://a.example/l.json?v=3": "https://a.example/l.sig?v=3", "/etc/what?.json": "/etc/what?.sig",
	} {
		if got := (Source{URL: url}).SignatureURL(); got != want {
			t.Errorf("%s: got %s", url, got)
		}
	}
}

// TestPasswordsAreNotShown holds that a password in a list's URL is neither in the status nor in errors.
func TestPasswordsAreNotShown(t *testing.T) {
	const word = "correct-horse"
	b := newBench(t)
	b.opts.Sources = []Source{{Name: "custom", URL: "https://me:" + word + "@lists.example/l.json"}}
	m := New(b.opts, b.deps)
	for _, change := range []func(w *web){
		func(w *web) { w.status = 500 },
		func(w *web) { w.status, w.err = 0, errors.New("no route") },
		func(w *web) {
			w.err, w.pages = nil, map[string][]byte{b.opts.Sources[0].URL: make([]byte, maxListBytes+1)}
		},
	} {
		b.web.change(change)
		m.feeds[0].due = time.Time{}
		m.Refresh(t.Context())
		s := m.Status()[0]
		if shown := fmt.Sprint(s, b.log); s.Error == "" || strings.Contains(shown, word) {
			t.Errorf("shown: %s", shown)
		}
	}
}

// TestVerify holds that RSA and ECDSA signatures are checked over the exact bytes, and that other keys are refused.
func TestVerify(t *testing.T) {
	list := []byte(`{"operators":[]}`)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, _ := newKey(t)
	for _, signer := range []crypto.Signer{private, ec} {
		signature, err := signer.Sign(rand.Reader, sha(list), crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(signer.Public(), list, signature); err != nil {
			t.Errorf("%T: %v", signer, err)
		}
		for what, err := range map[string]error{
			"list":      verify(signer.Public(), append([]byte(" "), list...), signature),
			"signature": verify(signer.Public(), list, signature[:len(signature)-1]),
			"none":      verify(signer.Public(), list, nil),
		} {
			if !errors.Is(err, ErrSignature) {
				t.Errorf("%T with another %s: %v", signer, what, err)
			}
		}
	}
	if _, err := ParseKey(base64Of(ed25519Key)); err == nil || !strings.Contains(err.Error(), "want RSA or ECDSA") {
		t.Errorf("an Ed25519 key: %v", err)
	}
	for _, bad := range []string{"", "!", base64Of([]byte("x"))} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q: %v", bad, k)
		}
	}
	if _, err := x509.ParsePKIXPublicKey(ed25519Key); err != nil {
		t.Fatal(fmt.Errorf("the test's key: %w", err))
	}
}

// ed25519Key is the SubjectPublicKeyInfo of RFC 8410 §10.1.
var ed25519Key = []byte{
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41,
	0xba, 0xc1, 0x67, 0xdc, 0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6, 0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1,
}
