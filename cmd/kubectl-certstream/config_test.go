package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const writtenConfig = "log_format: json\nwindow:\n  size: 16MiB\nadmin:\n  enabled: true\n  address: :9090\n"

// configured is a cluster whose operator has written a configuration, and whose pod reports on it.
func configured(t *testing.T, text string, report *serve.Status) *world {
	cs := load[v1alpha1.CertStream](t, "certstream.yaml")
	w := newWorld(t, cs, podOf("main", "certstream-main-7c9f-x2x", true, time.Hour), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ct", Name: "certstream-main"}, Data: map[string]string{"config.yaml": text},
	})
	if report != nil {
		w.reports(t, report)
	}
	return w
}

func TestConfig(t *testing.T) {
	inForce := healthyReport()
	sum := sha256.Sum256([]byte(writtenConfig))
	inForce.Config.Hash = hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		report *serve.Status
		args   []string
	}{
		"config":         {inForce, nil},
		"config-refused": {troubledReport(), nil},
		"config-unread":  {nil, nil},
		"config-diff":    {inForce, []string{"--diff"}},
		"config-pending": {inForce, []string{"--pending"}},
		"config-all":     {inForce, []string{"--all"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := configured(t, writtenConfig, c.report)
			if c.report == nil {
				w.reach = refuse
			}
			if code := w.run(t, append([]string{"config", "main"}, c.args...)...); code != 0 {
				t.Fatal(w.errs.String())
			}
			golden(t, name, w.out.String())
		})
	}
}

// What --all prints is a configuration of the same meaning, and has no setting without effect.
func TestWholeConfigurationLoads(t *testing.T) {
	c := config.Default()
	c.Window.Size *= 2
	text, err := whole(c)
	if err != nil {
		t.Fatal(err)
	}
	loaded, _, problems := config.Parse([]byte(text), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	live, restart := config.Diff(c, loaded)
	if len(live)+len(restart) > 0 {
		t.Errorf("differs in %v %v", live, restart)
	}
	for _, field := range config.Fields() {
		last := field.Path[strings.LastIndexByte(field.Path, '.')+1:]
		if field.Gone != "" && strings.Contains(text, last+":") {
			t.Errorf("%s has no effect, and is there", field.Path)
		}
	}
}

func TestConfigThatIsNone(t *testing.T) {
	w := configured(t, "port: 99999\n", nil)
	if code := w.run(t, "config"); code != 1 || !strings.Contains(w.errs.String(), "ConfigMap certstream-main: ") {
		t.Errorf("exit code %d, %s", code, &w.errs)
	}
}
