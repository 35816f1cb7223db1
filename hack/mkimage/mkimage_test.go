package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// image builds the repository's own Dockerfile with stand-ins for what its build stage makes.
func image(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	for _, d := range []string{"system/etc", "user/app/state", "user/data"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "image.tar")
	err := run("../../Dockerfile", "streamer", "linux/arm64", "x/streamer:1", out,
		pairs{"VERSION": "v1.2.3"}, pairs{
			"/out/rootfs/system": filepath.Join(root, "system"), "/out/rootfs/user": filepath.Join(root, "user"), "/out/streamer": program,
		})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// members reads a tar: content by name.
func members(t *testing.T, b []byte) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	content, headers := map[string][]byte{}, map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return content, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		if content[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		headers[h.Name] = h
	}
}

func TestImageOfTheDockerfile(t *testing.T) {
	outer, _ := members(t, image(t))
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(outer["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	var c config
	if err := json.Unmarshal(outer[manifest[0].Config], &c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x/streamer:1"}, manifest[0].RepoTags); diff != "" {
		t.Error(diff)
	}
	layer := outer[manifest[0].Layers[0]]
	if want := "sha256:" + sum(layer); c.RootFS.DiffIDs[0] != want {
		t.Errorf("diff id %s, want %s", c.RootFS.DiffIDs[0], want)
	}
	got := []string{c.Architecture, c.OS, c.Config.User, c.Config.WorkingDir, strings.Join(c.Config.Entrypoint, " "),
		c.Config.StopSignal, c.Config.Labels["org.opencontainers.image.version"],
		c.Config.Labels["org.opencontainers.image.revision"], c.Config.Labels["org.opencontainers.image.licenses"]}
	want := []string{"arm64", "linux", "65532:65532", "/app", "/streamer", "SIGTERM", "v1.2.3", "unknown", "Apache-2.0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	content, headers := members(t, layer)
	if string(content["streamer"]) != "binary" || headers["streamer"].Uid != 0 || headers["streamer"].Mode != 0o755 {
		t.Errorf("streamer: %q %+v", content["streamer"], headers["streamer"])
	}
	for dir, owner := range map[string]int{"app/": 65532, "app/state/": 65532, "data/": 65532, "etc/": 0} {
		if h := headers[dir]; h == nil || h.Uid != owner || h.Typeflag != tar.TypeDir {
			t.Errorf("%s: %+v, want a folder of user %d", dir, h, owner)
		}
	}
}

func TestImageIsReproducible(t *testing.T) {
	if !bytes.Equal(image(t), image(t)) {
		t.Error("two builds of the same input differ")
	}
}

func TestStagesThatCannotBeBuilt(t *testing.T) {
	for text, want := range map[string]string{
		"FROM scratch AS other":                          `no target "streamer"`,
		"FROM debian AS streamer":                        "not FROM scratch",
		"FROM scratch AS streamer\nRUN true":             "does not know RUN",
		"FROM scratch AS streamer\nCOPY --link a b":      "does not know --link",
		"FROM scratch AS streamer\nCOPY a b c":           "one source",
		"FROM scratch AS streamer\nCOPY --chown=me a b":  "UID:GID",
		"FROM scratch AS streamer\nLABEL a=b":            `want name="value"`,
		"FROM scratch AS streamer\nENTRYPOINT /streamer": "invalid character",
	} {
		_, err := parseStage(text, "streamer", map[string]string{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMissingFile(t *testing.T) {
	s := &stage{copies: []copyFrom{{from: "/out/x", to: "/x"}}}
	if _, err := s.layer(nil); err == nil || !strings.Contains(err.Error(), "-file /out/x=FILE") {
		t.Errorf("got %v", err)
	}
}
