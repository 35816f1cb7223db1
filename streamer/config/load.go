package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// ConfigVariable names the file to load.
const ConfigVariable = envPrefix + "CONFIG"

// SearchPaths is where a file is looked for when none is named.
func SearchPaths() []string {
	return []string{"config.yaml", "config.yml", "/etc/certstream/config.yaml"}
}

// Options say what to load. The zero value looks for a file as the documentation says and uses the process's environment.
type Options struct {
	// Path names the file; empty means CERTSTREAM_CONFIG, then the first of Search that exists, then no file at all.
	Path string
	// Search replaces SearchPaths when not nil.
	Search []string
	// Env replaces os.Environ() when not nil.
	Env []string
}

// Loaded is a configuration that is free of errors, and where it came from.
type Loaded struct {
	*Config
	// Path is the file's, empty without one; Hash is SHA-256 in hex of its bytes as read.
	Path, Hash string
	// Warnings are for people: what is allowed but probably not meant.
	Warnings []string
}

// Load finds, reads and checks the configuration. Its error is an *InvalidError when the content is at fault.
func Load(o Options) (*Loaded, error) {
	if o.Env == nil {
		o.Env = os.Environ()
	}
	path, data, err := o.read()
	if err != nil {
		return nil, err
	}
	return load(path, data, o.Env)
}

func load(path string, data []byte, env []string) (*Loaded, error) {
	c, warnings, problems := Parse(data, env)
	if len(problems) > 0 {
		return nil, &InvalidError{Path: path, Problems: problems}
	}
	return &Loaded{Config: c, Path: path, Hash: hashOf(data), Warnings: warnings}, nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Validate says all that is wrong with a file's content under an environment; nothing, if nothing is.
func Validate(data []byte, env []string) []Problem {
	_, _, problems := Parse(data, env)
	return problems
}

// Parse turns a file's content and an environment into a configuration, which is to be used only if there are no problems.
// Problems are sorted by line, those of variables last.
func Parse(data []byte, env []string) (*Config, []string, []Problem) {
	c := Default()
	d := newDecoder()
	d.file(data, c)
	e := newEnvironment(env)
	e.apply(c)
	problems := append(d.problems, e.problems...)
	for _, p := range c.Check() {
		if !d.unread[p.Key] {
			problems = append(problems, locate(p, d.lines, e.origin))
		}
	}
	sortProblems(problems)
	warnings := append(e.warnings, c.warnings()...)
	for _, f := range Fields() {
		if f.Gone != "" && (d.lines[f.Path] > 0 || e.origin[f.Path] != "") {
			warnings = append(warnings, fmt.Sprintf("%s has no effect: %s", f.Path, f.Gone))
		}
	}
	return c, warnings, capProblems(problems)
}

// locate says where a setting at fault was set.
func locate(p Problem, lines map[string]int, origin map[string]string) Problem {
	if name, ok := origin[p.Key]; ok {
		p.Key = name
		return p
	}
	for key := p.Key; key != ""; key = parent(key) {
		if line := lines[key]; line > 0 {
			p.Line = line
			break
		}
	}
	return p
}

// parent is the section or list that a key is in.
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// read finds and reads the file. Having none is fine, a named one that is missing is not.
func (o Options) read() (path string, data []byte, err error) {
	if path = o.Path; path == "" {
		path = newEnvironment(o.Env).values[ConfigVariable]
	}
	if path != "" {
		data, err = readFile(path)
		return path, data, err
	}
	search := o.Search
	if search == nil {
		search = SearchPaths()
	}
	for _, path := range search {
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return path, data, err
	}
	return "", nil, nil
}

// readFile reads no more than is needed to see that a file is too large. It does not wait for somebody to open the other end of
// a pipe: that could last for ever, and hold up the shutdown.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if info, err := f.Stat(); len(data) == 0 && err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, fmt.Errorf("reading the configuration: %s is a pipe that nobody writes to", path)
	}
	return data, nil
}
