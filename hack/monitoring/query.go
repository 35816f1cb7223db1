package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// query asks a Prometheus every expression, and says which it refuses and which find nothing. Alerts that keep quiet find nothing.
func query(out io.Writer, address string, files map[string][]any) error {
	client := &http.Client{Timeout: 30 * time.Second}
	var failed []error
	for _, file := range slices.Sorted(maps.Keys(files)) {
		asked, found := 0, 0
		for name, expression := range expressions(files[file]) {
			n, err := ask(client, address, expression)
			asked++
			switch {
			case err != nil:
				failed = append(failed, fmt.Errorf("%s: %w", name, err))
			case n > 0:
				found++
			default:
				fmt.Fprintf(out, "%s: nothing for %s\n", file, name)
			}
		}
		fmt.Fprintf(out, "%s: %d of %d queries find something\n", file, found, asked)
	}
	return errors.Join(failed...)
}

// expressions are the rules' by name.
func expressions(groups []any) map[string]string {
	all := map[string]string{}
	for _, g := range groups {
		group, _ := g.(map[string]any)
		rules, _ := group["rules"].([]any)
		for _, r := range rules {
			rule, _ := r.(map[string]any)
			alert, _ := rule["alert"].(string)
			record, _ := rule["record"].(string)
			all[alert+record], _ = rule["expr"].(string)
		}
	}
	return all
}

// ask returns how many series an expression finds.
func ask(client *http.Client, address, expression string) (int, error) {
	response, err := client.PostForm(strings.TrimSuffix(address, "/")+"/api/v1/query", url.Values{"query": {expression}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%s: %w", response.Status, err)
	}
	if answer.Status != "success" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}
