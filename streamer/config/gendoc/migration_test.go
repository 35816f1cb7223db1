package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

var quoted = regexp.MustCompile("`([a-z_]+(?:\\.[a-z_]+)*)(?::[^`]*)?`")

// TestMigrationPages holds that settings of ours that the migration pages name exist: what stands in a table's column "here" and
// begins with a section of ours.
func TestMigrationPages(t *testing.T) {
	known, sections := map[string]bool{}, map[string]bool{}
	for _, f := range config.Fields() {
		known[f.Path] = true
		for path := f.Path; strings.Contains(path, "."); path = path[:strings.LastIndexByte(path, '.')] {
			sections[path[:strings.IndexByte(path, '.')]] = true
		}
	}
	pages, err := filepath.Glob("../../../docs/migration/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("pages: %v, %v", pages, err)
	}
	named := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, "|")
			if len(cells) < 4 {
				continue
			}
			for _, m := range quoted.FindAllStringSubmatch(cells[len(cells)-2], -1) {
				section, _, dotted := strings.Cut(m[1], ".")
				if dotted && sections[section] && !known[m[1]] {
					t.Errorf("%s names %s, which is no setting: %s", page, m[1], line)
				}
				named++
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d settings are named: are the pages read as they are written?", named)
	}
}
