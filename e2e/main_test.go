//go:build e2e

// Package e2e tests operator and streamer together on a cluster with a real kubelet. hack/e2e.sh prepares the cluster, the
// images and the environment; the tests run where names of Services resolve. They print what they measure after "FIGURE".
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// testbed is the cluster under test and the tools to work on it.
type testbed struct {
	client.Client
	kube *kubernetes.Clientset
	// helm, plugin and component are programs, crds a folder; component is empty where components cannot be stopped.
	helm, plugin, component, crds string
	// tag is the version of our images.
	tag string
	// depth is how much is tested: 1 what a change must pass, 2 all.
	depth int
	// logs are the CT logs that streams of the tests follow.
	logs []v1alpha1.CustomLog
}

// bed is made once by TestMain and not changed after that.
var bed *testbed

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	b, err := newTestbed(context.Background())
	if err != nil {
		log.New(os.Stderr, "", 0).Fatalf("preparing the cluster: %v", err)
	}
	bed = b
	os.Exit(m.Run())
}

func newTestbed(ctx context.Context) (*testbed, error) {
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	b := &testbed{
		helm: os.Getenv("HELM"), plugin: os.Getenv("KUBECTL_CERTSTREAM"), component: os.Getenv("E2E_COMPONENT"),
		crds: os.Getenv("TEST_CRDS"), tag: os.Getenv("E2E_TAG"),
	}
	if b.helm == "" || b.tag == "" {
		return nil, fmt.Errorf("HELM and E2E_TAG are not set: run hack/e2e.sh (make e2e)")
	}
	if b.depth, err = strconv.Atoi(os.Getenv("E2E_DEPTH")); err != nil {
		return nil, fmt.Errorf("E2E_DEPTH: %w", err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	if b.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if b.kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	b.logs, err = startLogs(ctx, b.tag)
	return b, err
}

// needs skips the test where less is to be tested.
func (b *testbed) needs(t *testing.T, depth int) {
	t.Helper()
	if b.depth < depth {
		t.Skipf("needs E2E_DEPTH=%d", depth)
	}
}

// needsComponents skips the test where components of the cluster cannot be stopped.
func (b *testbed) needsComponents(t *testing.T) {
	t.Helper()
	if b.component == "" {
		t.Skip("components of this cluster cannot be stopped (E2E_COMPONENT)")
	}
}

// figure prints what was measured.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("FIGURE %s: %s", t.Name(), fmt.Sprintf(format, args...))
}

// command runs a program and returns what it printed.
func command(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// run is command for a program that must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), "", name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, "kubectl", args...)
}

// apply is kubectl apply of a manifest.
func apply(t *testing.T, manifest string) {
	t.Helper()
	if _, err := command(t.Context(), manifest, "kubectl", "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// eventually asks until there is no error, and fails the test with the last one after a time.
func eventually(t *testing.T, within time.Duration, what string, ask func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		err := ask()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > within {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		pause(t, 50*time.Millisecond)
	}
}

// pause waits, but not longer than the test.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}
