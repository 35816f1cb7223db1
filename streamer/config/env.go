package config

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const envPrefix = "CERTSTREAM_"

// listenVariable is go-certstream's, for host and port.
const listenVariable = "WEBSOCKET_LISTEN"

// reserved are variables with our prefix that are not settings.
var reserved = []string{ConfigVariable}

// testPrefix begins variables of this project's tests.
const testPrefix = envPrefix + "TEST_"

// serviceLink matches the names that Kubernetes gives every pod for each Service of its namespace: one named `certstream`
// makes CERTSTREAM_SERVICE_HOST, CERTSTREAM_PORT=tcp://…, CERTSTREAM_PORT_8080_TCP_ADDR.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

var serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// environment applies variables, given as `NAME=value`, to a configuration. An empty value is as if not set.
type environment struct {
	values   map[string]string
	problems []Problem
	warnings []string
	// origin names the variable that set a path.
	origin map[string]string
}

func newEnvironment(env []string) *environment {
	e := &environment{values: make(map[string]string), origin: make(map[string]string)}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || isServiceLink(name, value) {
			continue
		}
		e.values[name] = value
	}
	return e
}

func isServiceLink(name, value string) bool {
	if !strings.HasPrefix(name, envPrefix) {
		return false
	}
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
}

// apply sets what the variables say.
func (e *environment) apply(c *Config) {
	e.listen(c)
	known := slices.Clone(reserved)
	for _, f := range Fields() {
		known = append(known, f.Env...)
		if len(f.Env) > 0 {
			e.field(c, f)
		}
	}
	for name := range e.values {
		if strings.HasPrefix(name, envPrefix) && !strings.HasPrefix(name, testPrefix) && !slices.Contains(known, name) {
			e.problems = append(e.problems, Problem{Key: name, Message: "is not a known variable", Fix: suggestVariable(name, known)})
		}
	}
}

func suggestVariable(name string, known []string) string {
	if near := nearest(strings.TrimPrefix(name, envPrefix), trimAll(known, envPrefix)); near != "" {
		return fmt.Sprintf("did you mean %s?", envPrefix+near)
	}
	if hint := foreignHint(strings.TrimPrefix(name, envPrefix)); hint != "" {
		return hint
	}
	return "unset it, or see docs/configuration.md"
}

func trimAll(names []string, prefix string) []string {
	var out []string
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

// listen takes go-certstream's variable, which our own beat.
func (e *environment) listen(c *Config) {
	address, ok := e.values[listenVariable]
	if !ok {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		err = setText(reflect.ValueOf(&c.Port).Elem(), port)
	}
	if err != nil {
		e.problems = append(e.problems, Problem{
			Key: listenVariable, Message: quote(address) + " cannot be read", Fix: "want host:port, such as :8080 or 127.0.0.1:8080",
		})
		return
	}
	e.origin["host"], e.origin["port"] = listenVariable, listenVariable
	c.Host = "0.0.0.0"
	if host != "" {
		c.Host = host
	}
}

// field sets one setting from the first of its variables that is set.
func (e *environment) field(c *Config, f Field) {
	for _, name := range f.Env {
		text, ok := e.values[name]
		if !ok {
			continue
		}
		if first, set := e.origin[f.Path]; set && first != listenVariable {
			if e.values[first] != text {
				e.warnings = append(e.warnings, fmt.Sprintf("%s is ignored, because %s says otherwise", name, first))
			}
			continue
		}
		e.origin[f.Path] = name
		v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
		if err := setText(v, text); err != nil {
			e.problems = append(e.problems, Problem{Key: name, Message: badValue(v, text), Fix: err.Error()})
		}
	}
}
