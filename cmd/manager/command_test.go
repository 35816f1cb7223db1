package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestFlags(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string // part of the error; empty: none
	}{
		"defaults":        {nil, ""},
		"two namespaces":  {[]string{"--namespaces", "team-a,team-b"}, ""},
		"no namespace":    {[]string{"--namespaces", "Team_A"}, `--namespaces: "Team_A" is no namespace's name`},
		"no image":        {[]string{"--streamer-image", ""}, "--streamer-image is empty: name the image"},
		"nobody works":    {[]string{"--max-concurrent-reconciles", "0"}, "--max-concurrent-reconciles is 0: use 1 or more"},
		"unknown level":   {[]string{"--log-level", "loud"}, `--log-level is "loud": use debug, info, warn or error`},
		"unknown format":  {[]string{"--log-format", "xml"}, `--log-format is "xml": use json or text`},
		"several at once": {[]string{"--log-format", "xml", "--streamer-image", ""}, "--streamer-image is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			o := new(options)
			cmd := new(cobra.Command)
			o.register(cmd)
			if err := cmd.ParseFlags(test.args); err != nil {
				t.Fatal(err)
			}
			err := o.check()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("WATCH_NAMESPACE", "team-a, team-b,")
	t.Setenv("STREAMER_IMAGE", "registry.example.org/streamer:1")
	t.Setenv("POD_NAMESPACE", "certstream-system")
	o := new(options)
	o.register(new(cobra.Command))
	got := []any{o.namespaces, o.streamerImage, o.operatorNamespace}
	want := []any{[]string{"team-a", "team-b"}, "registry.example.org/streamer:1", "certstream-system"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMetricsAreSecured(t *testing.T) {
	if m := (&options{metricsSecure: true}).metrics(); !m.SecureServing || m.FilterProvider == nil {
		t.Error("metrics are served without authentication")
	}
	if m := (&options{}).metrics(); m.SecureServing || m.FilterProvider != nil {
		t.Error("metrics are secured though the flag says not to")
	}
}
