// Package samples holds CertStreams to copy from.
package samples

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// A field that a sample misspells, or that the API no longer has, fails here; rules between fields are checked by the tests on a
// real API server.
func TestSamplesLoadStrictly(t *testing.T) {
	files, err := filepath.Glob("certstream_*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 8 {
		t.Fatalf("found %d samples, want at least 8", len(files))
	}
	names := map[string]string{}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			streams := load(t, file)
			if len(streams) != 1 {
				t.Fatalf("holds %d CertStreams, want 1", len(streams))
			}
			name := streams[0].Name
			if other, ok := names[name]; ok {
				t.Errorf("the name %q is that of %s too: both applied, one overwrites the other", name, other)
			}
			names[name] = file
		})
	}
}

func TestEachSampleIsInTheKustomizationAndBeginsWithAComment(t *testing.T) {
	files, err := filepath.Glob("certstream_*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(read(t, "kustomization.yaml"), &kustomization); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(kustomization.Resources, file) {
			t.Errorf("kustomization.yaml lacks %s", file)
		}
		if !bytes.HasPrefix(read(t, file), []byte("# ")) {
			t.Errorf("%s does not begin with a comment that says what it shows", file)
		}
	}
}

// load reads the CertStreams of a file, and refuses fields that they do not have.
func load(t *testing.T, file string) []v1alpha1.CertStream {
	t.Helper()
	var streams []v1alpha1.CertStream
	for _, document := range bytes.Split(read(t, file), []byte("\n---\n")) {
		var kind struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		if kind.Kind != v1alpha1.Kind {
			continue
		}
		var stream v1alpha1.CertStream
		if err := yaml.UnmarshalStrict(document, &stream); err != nil {
			t.Error(err)
		}
		streams = append(streams, stream)
	}
	return streams
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
