package main

import (
	"strings"
	"testing"
)

// A file that a setting names may be missing where validate runs and be there where serve does: a warning, no error.
func TestValidateWarnsOfMissingFiles(t *testing.T) {
	there := write(t, "tokens", "soc: secret\n")
	file := write(t, "config.yaml", "tls_cert: /none/cert.pem\ntls_key: "+there+"\nauth: {enabled: true, tokens_file: "+there+"}\n")
	got := runProgram(t, program(t, nil, "validate", file))
	if got.code != 0 || !strings.Contains(got.out, "warning: tls_cert: stat /none/cert.pem: ") || strings.Count(got.out, "warning:") != 1 {
		t.Errorf("%+v", got)
	}
}
