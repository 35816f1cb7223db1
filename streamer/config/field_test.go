package config

import (
	"reflect"
	"slices"
	"testing"
)

// TestTags holds that every setting's tags make sense: a key, a class, a default within readable bounds, variables of its own.
func TestTags(t *testing.T) {
	paths, variables := map[string]bool{}, map[string]string{}
	var check func(f Field)
	check = func(f Field) {
		if f.Class != Live && f.Class != Restart {
			t.Errorf("%s: class %q", f.Path, f.Class)
		}
		for _, text := range []string{f.Default, f.Min, f.Max} {
			if text != "" && setText(reflect.New(f.Type).Elem(), text) != nil {
				t.Errorf("%s: %q is no value of it", f.Path, text)
			}
		}
		for _, e := range f.Elem {
			check(e)
		}
	}
	for _, f := range Fields() {
		check(f)
		if paths[f.Path] || f.Path == "" {
			t.Errorf("%q is there twice, or has no key", f.Path)
		}
		paths[f.Path] = true
		for _, name := range f.Env {
			if variables[name] != "" {
				t.Errorf("%s sets both %s and %s", name, variables[name], f.Path)
			}
			variables[name] = f.Path
		}
	}
}

// TestDefaults holds the defaults that are promised, and that they have no fault.
func TestDefaults(t *testing.T) {
	c := Default()
	if p, w := c.Check(), c.warnings(); len(p)+len(w) > 0 {
		t.Errorf("problems %v, warnings %v", p, w)
	}
	p := c.Protocols
	if c.Host != "0.0.0.0" || c.Port != 8080 || p.TCPPort != 8081 || !p.WebSocket || !p.SSE || p.TCP || c.Window.Size != 32<<20 ||
		c.LogList.Source != "google" || !slices.Equal(c.Logs.States, []string{"usable", "qualified", "readonly"}) {
		t.Errorf("defaults: %+v", c)
	}
}

// TestDiff sorts what a reload changes by class, element by element.
func TestDiff(t *testing.T) {
	before, after := Default(), Default()
	if live, restart := Diff(before, after); len(live)+len(restart) > 0 {
		t.Errorf("equal ones differ in %v %v", live, restart)
	}
	after.Port, after.Window.Size = 9000, 64<<20
	after.RateLimit.BurstSize = 30
	after.Auth.Tokens = []Token{{Name: "a", Token: "b"}}
	after.CTLog.Operators = map[string]Operator{"DigiCert": {HTTP1: true}}
	live, restart := Diff(before, after)
	if want := []string{"ct_log.operators", "rate_limit.burst_size", "auth.tokens"}; !slices.Equal(live, want) {
		t.Errorf("live: %v, want %v", live, want)
	}
	if want := []string{"port", "window.size"}; !slices.Equal(restart, want) {
		t.Errorf("restart: %v, want %v", restart, want)
	}
	merged := merge(before, after)
	if merged.Port != 8080 || merged.Window.Size != 32<<20 || merged.RateLimit.BurstSize != 30 || after.Port != 9000 {
		t.Errorf("merged: %+v", merged)
	}
}

// TestSuggestions finds what was meant, and nothing where nothing is near.
func TestSuggestions(t *testing.T) {
	words := []string{"port", "host", "protocols", "rate_limit", "log_level"}
	for word, want := range map[string]string{
		"prot": "port", "protocol": "protocols", "rate-limit": "rate_limit", "loglevel": "log_level", "HOST": "host",
		"hots": "host", "completely_different": "", "x": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestRestartHash(t *testing.T) {
	hash := func(change func(*Config)) string {
		c := Default()
		change(c)
		h, err := RestartHash(c)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	same := hash(func(*Config) {})
	if live := hash(func(c *Config) { c.LogLevel, c.Streams.Full = "debug", false }); live != same {
		t.Error("a change of live settings changed the hash")
	}
	if port := hash(func(c *Config) { c.Port = 9000 }); port == same {
		t.Error("a change of the port did not change the hash")
	}
}
