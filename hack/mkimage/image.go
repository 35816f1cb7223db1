package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// layer is the tar of all files that the stage copies. Files' times are 1970, so that equal content is an equal image.
func (s *stage) layer(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, c := range s.copies {
		source, ok := files[c.from]
		if !ok {
			return nil, fmt.Errorf("the Dockerfile copies %s: say where it is with -file %s=FILE", c.from, c.from)
		}
		if err := c.write(w, source); err != nil {
			return nil, fmt.Errorf("copying %s: %w", source, err)
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// write adds a file, or all that is in a folder, in the order of names.
func (c *copyFrom) write(w *tar.Writer, source string) error {
	return filepath.WalkDir(source, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Join(c.to, filepath.ToSlash(relative)), "/")
		if name == "" {
			return nil // the root itself
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return c.add(w, file, name, info)
	})
}

func (c *copyFrom) add(w *tar.Writer, file, name string, info fs.FileInfo) error {
	header := &tar.Header{
		Name: name, Mode: int64(info.Mode().Perm()), Uid: c.uid, Gid: c.gid, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		Typeflag: tar.TypeReg, Size: info.Size(),
	}
	if info.Mode()&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	if info.IsDir() {
		header.Typeflag, header.Size, header.Name = tar.TypeDir, 0, name+"/"
		return w.WriteHeader(header)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// config is the OCI image configuration.
type config struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Created      string        `json:"created"`
	Config       runtimeConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type runtimeConfig struct {
	User         string              `json:"User"`
	Env          []string            `json:"Env"`
	Entrypoint   []string            `json:"Entrypoint"`
	WorkingDir   string              `json:"WorkingDir"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Labels       map[string]string   `json:"Labels"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

func (s *stage) image(layer []byte, platform, name string) ([]byte, error) {
	system, architecture, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("platform %q: want OS/ARCH", platform)
	}
	ports := map[string]struct{}{}
	for _, p := range s.ports {
		ports[p+"/tcp"] = struct{}{}
	}
	configuration, err := json.Marshal(config{
		Architecture: architecture, OS: system, Created: "1970-01-01T00:00:00Z",
		Config: runtimeConfig{
			User: s.user, Env: append([]string{"PATH=/"}, s.env...), Entrypoint: s.entrypoint, WorkingDir: s.workdir,
			ExposedPorts: ports, Labels: s.labels, StopSignal: s.stopSignal,
		},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{"sha256:" + sum(layer)}},
	})
	if err != nil {
		return nil, err
	}
	configName, layerName := sum(configuration)+".json", sum(layer)+".tar"
	manifest, err := json.Marshal([]map[string]any{
		{"Config": configName, "RepoTags": []string{name}, "Layers": []string{layerName}},
	})
	if err != nil {
		return nil, err
	}
	return archive([]member{{"manifest.json", manifest}, {configName, configuration}, {layerName, layer}})
}

type member struct {
	name    string
	content []byte
}

func archive(members []member) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		header := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.content)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(m.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
