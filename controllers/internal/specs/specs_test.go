package specs

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreTheSchemas(t *testing.T) {
	cs := Default(t, "spec: {logs: {pacing: {batchSize: 1}}}")
	if cs.Name != "main" || cs.Namespace != "certs" || cs.UID == "" || cs.Status.ObservedGeneration != -1 {
		t.Errorf("metadata %s/%s %q, observed %d", cs.Namespace, cs.Name, cs.UID, cs.Status.ObservedGeneration)
	}
	pacing := cs.Spec.Logs.Pacing
	if *pacing.BatchSize != 1 || *pacing.Concurrency != 4 || pacing.PollInterval.Duration != 2*time.Second {
		t.Errorf("pacing: %+v", pacing)
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"spec: {log: {}}":                            "unknown field spec.log",
		"spec: {logLevel: Loud}":                     "spec.logLevel: Unsupported value",
		"spec: {protocols: {port: 80}}":              "spec.protocols.port: Invalid value",
		"spec: {protocols: {port: 9090}}":            "port 9090 is the pod's admin port",
		"spec: {logs: {select: {names: [a, a]}}}":    "spec.logs.select.names[1]: Duplicate value",
		"metadata: {name: a.b}":                      "metadata.name becomes part of Service names",
		"spec: {state: {volume: {size: 1Mi}}}":       "spec.state.volume.size is at least 16Mi",
		"spec: {logs: {proxy: {url: 'http://a@b'}}}": "a proxy's password does not belong into the spec",
		"spec: [": "did not find expected",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
