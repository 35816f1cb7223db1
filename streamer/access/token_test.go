package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTokens(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []Token
		fails      string
	}{
		{name: "empty"},
		{name: "named", text: "alice:s3cret\nbob: t0ken \r\n", want: []Token{{"alice", "s3cret"}, {"bob", "t0ken"}}},
		{name: "alone", text: "# comment\n\nabc\ndef", want: []Token{{"line-3", "abc"}, {"line-4", "def"}}},
		{name: "colon in token", text: "a:b:c\n", want: []Token{{"a", "b:c"}}},
		{name: "no name", text: "https://x:y\n:z", want: []Token{{"https", "//x:y"}, {"line-2", ":z"}}},
		{name: "no token", text: "alice:", fails: "line 1: the token is empty"},
		{name: "space", text: "ok\na b", fails: "line 2: the token holds a space"},
		{name: "control", text: "a\x00b", fails: "not printable"},
		{name: "long", text: "x:" + strings.Repeat("y", maxTokenBytes+1), fails: "more than 4096"},
		{name: "longer than a line", text: strings.Repeat("y", 3*maxTokenBytes), fails: "too long"},
	} {
		got, err := parseTokens([]byte(test.text))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: error %v, want one that says %q", test.name, err, test.fails)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", test.name, err, diff)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mount writes files as a kubelet does: in a directory of their own that ..data points to, behind links of their names.
func mount(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, version, name), text)
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestReadTokensOfDirectory(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "..v1", map[string]string{"alice": "s3cret\n", "bob": "t0ken"})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTokens(dir)
	if diff := cmp.Diff([]Token{{"alice", "s3cret"}, {"bob", "t0ken"}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	write(t, filepath.Join(dir, "carol"), "two words")
	_, err = ReadTokens(dir)
	if err == nil || !strings.Contains(err.Error(), "carol: the token holds a space") || strings.Contains(err.Error(), "two words") {
		t.Errorf("a bad token: %v; want an error that names the file and hides the token", err)
	}
	if _, err := ReadTokens(filepath.Join(dir, "none")); err == nil {
		t.Error("what is not there can be read")
	}
}

func TestTokensAreNeverShown(t *testing.T) {
	if s := (Token{"alice", "s3cret"}).String(); s != "alice" {
		t.Errorf("a token prints as %q", s)
	}
	_, err := newTokens([]Token{{"alice", "s3 cret"}})
	if err == nil || strings.Contains(err.Error(), "cret") {
		t.Errorf("error %v; want one without the value", err)
	}
}

func FuzzParseTokens(f *testing.F) {
	for _, seed := range []string{"alice:s3cret\nbob\n#x\n", ":", "a:b:c", "\r\n", "\xff", "x:" + strings.Repeat("y", 5000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseTokens(data)
		if err != nil {
			return
		}
		set, err := newTokens(list)
		if err != nil {
			t.Fatalf("what was read is not accepted: %v", err)
		}
		for _, token := range list {
			if _, ok := set.find([]string{token.Value}); !ok || token.Name == "" {
				t.Errorf("token %q is not found", token.Name)
			}
		}
	})
}
