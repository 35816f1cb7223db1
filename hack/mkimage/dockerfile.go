package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// stage is a stage of a Dockerfile: files to copy, and the image's configuration.
type stage struct {
	copies     []copyFrom
	labels     map[string]string
	env        []string
	user       string
	workdir    string
	stopSignal string
	ports      []string
	entrypoint []string
}

// copyFrom is a COPY --from.
type copyFrom struct {
	from, to string
	uid, gid int
}

// parseStage reads one stage. What it does not know is an error: an image that lacks something must not be built in silence.
func parseStage(text, target string, args map[string]string) (*stage, error) {
	s := &stage{labels: map[string]string{}}
	found := false
	for _, line := range logicalLines(text) {
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if word == "FROM" {
			inside := strings.HasSuffix(rest, " AS "+target)
			if inside && !strings.HasPrefix(rest, "scratch ") {
				return nil, fmt.Errorf("target %s is not FROM scratch", target)
			}
			if found && !inside {
				return s, nil
			}
			found = inside
			continue
		}
		if !found {
			continue
		}
		if err := s.instruction(word, rest, args); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
	}
	if !found {
		return nil, fmt.Errorf("there is no target %q", target)
	}
	return s, nil
}

// logicalLines joins continued lines and leaves out comments and empty ones.
func logicalLines(text string) []string {
	var lines []string
	var line strings.Builder
	for raw := range strings.Lines(text) {
		raw = strings.TrimSpace(raw)
		if raw == "" || strings.HasPrefix(raw, "#") {
			continue
		}
		part, more := strings.CutSuffix(raw, `\`)
		line.WriteString(strings.TrimSpace(part) + " ")
		if !more {
			lines = append(lines, strings.TrimSpace(line.String()))
			line.Reset()
		}
	}
	return lines
}

func (s *stage) instruction(word, rest string, args map[string]string) error {
	expand := func(v string) string {
		return os.Expand(v, func(name string) string { return args[name] })
	}
	switch word {
	case "ARG":
		if name, value, ok := strings.Cut(rest, "="); ok && args[name] == "" {
			args[name] = value
		}
	case "LABEL":
		return s.label(expand(rest))
	case "ENV":
		s.env = append(s.env, expand(rest))
	case "COPY":
		return s.copy(strings.Fields(rest))
	case "WORKDIR":
		s.workdir = rest
	case "USER":
		s.user = rest
	case "STOPSIGNAL":
		s.stopSignal = rest
	case "EXPOSE":
		s.ports = append(s.ports, strings.Fields(rest)...)
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &s.entrypoint)
	default:
		return fmt.Errorf("mkimage does not know %s", word)
	}
	return nil
}

// label reads name="value" pairs.
func (s *stage) label(rest string) error {
	for rest != "" {
		name, after, ok := strings.Cut(rest, `="`)
		value, more, closed := strings.Cut(after, `"`)
		if !ok || !closed {
			return fmt.Errorf(`want name="value", not %q`, rest)
		}
		s.labels[name] = value
		rest = strings.TrimSpace(more)
	}
	return nil
}

func (s *stage) copy(words []string) error {
	var c copyFrom
	var paths []string
	for _, w := range words {
		owner, ok := strings.CutPrefix(w, "--chown=")
		switch {
		case ok:
			if _, err := fmt.Sscanf(owner, "%d:%d", &c.uid, &c.gid); err != nil {
				return fmt.Errorf("--chown wants UID:GID: %w", err)
			}
		case strings.HasPrefix(w, "--from="):
		case strings.HasPrefix(w, "--"):
			return fmt.Errorf("mkimage does not know %s", w)
		default:
			paths = append(paths, w)
		}
	}
	if len(paths) != 2 {
		return fmt.Errorf("want one source and one destination")
	}
	c.from, c.to = strings.TrimSuffix(paths[0], "/"), paths[1]
	s.copies = append(s.copies, c)
	return nil
}
