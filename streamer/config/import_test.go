package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got:\n%s\nwant:\n%s", path, got, want)
	}
}

// TestImport translates samples of each server's settings, finding out itself whose they are. What comes out loads.
func TestImport(t *testing.T) {
	for _, name := range []string{"go.yaml", "go.env", "rust-1.6.yaml", "rust-1.5.env", "elixir.env"} {
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join("testdata", "import", name))
			if err != nil {
				t.Fatal(err)
			}
			ours, notes, err := Import(bytes.NewReader(in), Auto)
			if err != nil {
				t.Fatal(err)
			}
			if problems := Validate(ours, nil); len(problems) > 0 {
				t.Errorf("what was imported does not load: %v", problems)
			}
			var out strings.Builder
			out.Write(ours)
			for _, n := range notes {
				out.WriteString("# " + n + "\n")
			}
			golden(t, filepath.Join("import", name+".golden"), []byte(out.String()))
		})
	}
}

func TestImportRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		kind Kind
		want string
	}{
		"neither":      {in: "hello world", want: "neither NAME=value lines nor a YAML mapping"},
		"broken YAML":  {in: "a: [", want: "neither NAME=value lines nor YAML"},
		"nothing":      {in: "", want: "neither NAME=value lines nor YAML"},
		"unknown kind": {in: "port: 1", kind: "perl", want: "want go, rust or elixir"},
		"giant":        {in: strings.Repeat("# a comment\n", MaxFileBytes/10), want: "larger than"},
	} {
		if _, _, err := Import(strings.NewReader(tt.in), tt.kind); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// FuzzImport holds that no input makes Import panic or give what does not load, beyond what its notes say is to do.
func FuzzImport(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("testdata", "import", "*[a-z]"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, notes, err := Import(bytes.NewReader(data), Auto)
		if err != nil {
			return
		}
		if problems := Validate(ours, nil); len(problems) > 0 && !strings.Contains(strings.Join(notes, "\n"), "to do: ") {
			t.Errorf("%v in\n%s\nof %q", problems, ours, data)
		}
	})
}
