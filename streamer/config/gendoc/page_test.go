package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// TestPageIsInSync holds that docs/configuration.md is what the struct says.
func TestPageIsInSync(t *testing.T) {
	want, err := Page("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/configuration.md is not up to date: go generate ./streamer/config")
	}
}

// TestEverythingIsDocumented holds that no setting is without a comment, and that its variables are on the page.
func TestEverythingIsDocumented(t *testing.T) {
	docs, err := comments("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := Page("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	var check func(fields []config.Field)
	check = func(fields []config.Field) {
		for _, f := range fields {
			if docs[f.Owner+"."+f.Name] == "" {
				t.Errorf("%s has no comment", f.Path)
			}
			for _, name := range f.Env {
				if !strings.Contains(string(page), "`"+name+"`") {
					t.Errorf("%s is not on the page", name)
				}
			}
			check(f.Elem)
		}
	}
	check(config.Fields())
}
