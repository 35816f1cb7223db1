// Mkimage builds an image tarball of one target of a Dockerfile without a container engine: for stages FROM scratch that only
// copy what has been built. The tarball is in the form that `docker save` writes and `docker load` and `ctr images import`
// read. The same input gives the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

// pairs is a repeated NAME=VALUE flag.
type pairs map[string]string

func (p pairs) String() string { return "" }

// Set adds a pair.
func (p pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("want NAME=VALUE")
	}
	p[name] = value
	return nil
}

func main() {
	args, files := pairs{}, pairs{}
	dockerfile := flag.String("dockerfile", "Dockerfile", "the Dockerfile")
	target := flag.String("target", "", "the stage to build")
	platform := flag.String("platform", "linux/amd64", "OS/ARCH")
	name := flag.String("name", "", "NAME:TAG of the image")
	out := flag.String("o", "", "tarball to write")
	flag.Var(args, "arg", "build argument NAME=VALUE (repeatable)")
	flag.Var(files, "file", "BUILT=FILE: where what a COPY --from names is found (repeatable)")
	flag.Parse()
	if err := run(*dockerfile, *target, *platform, *name, *out, args, files); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(dockerfile, target, platform, name, out string, args, files pairs) error {
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	s, err := parseStage(string(text), target, args)
	if err != nil {
		return fmt.Errorf("%s: %w", dockerfile, err)
	}
	layer, err := s.layer(files)
	if err != nil {
		return err
	}
	image, err := s.image(layer, platform, name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, image, 0o644); err != nil {
		return err
	}
	fmt.Printf("wrote %s: %s for %s, %.1f MiB\n", out, name, platform, float64(len(image))/(1<<20))
	return nil
}
