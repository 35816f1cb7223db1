package filter

import (
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"testing"
)

// TestDocumentedFilters compiles every filter that docs/filters.md shows.
func TestDocumentedFilters(t *testing.T) {
	page, err := os.ReadFile("../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	var queries []Query
	for _, line := range regexp.MustCompile(`(?m)^/.*\?(.*)$`).FindAllSubmatch(page, -1) {
		values, err := url.ParseQuery(string(line[1]))
		if err != nil {
			t.Errorf("%s: %v", line[1], err)
		}
		q, err := ParseValues(values)
		if err != nil {
			t.Errorf("%s: %v", line[1], err)
		}
		queries = append(queries, q)
	}
	for _, line := range regexp.MustCompile(`(?m)^\{.*\}$`).FindAll(page, -1) {
		var q Query
		if err := json.Unmarshal(line, &q); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		queries = append(queries, q)
	}
	if len(queries) < 9 {
		t.Errorf("only %d filters found", len(queries))
	}
	for _, q := range queries {
		if f, err := Compile(q, Limits{}); f == nil || err != nil {
			t.Errorf("%+q: %v, %v", q, f, err)
		}
	}
}
