// Command gendoc writes docs/configuration.md from the configuration's struct: its tags, and its fields' comments.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	source := flag.String("source", "config.go", "the struct's source file")
	out := flag.String("o", "", "file to write; empty writes to standard output")
	flag.Parse()
	if err := run(*source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}

func run(source, out string) error {
	page, err := Page(source)
	if err != nil {
		return err
	}
	if out == "" {
		_, err = os.Stdout.Write(page)
		return err
	}
	return os.WriteFile(out, page, 0o644)
}
