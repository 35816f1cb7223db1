package envtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// kubeconfig is a file by which a program is a user.
func kubeconfig(t *testing.T, user *envtest.AuthenticatedUser) string {
	t.Helper()
	text, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is applied a second time is unchanged: a default inside a list would be a difference for ever.
func TestFieldsOfSamplesAppliedTwice(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	admin, err := s.env.AddUser(envtest.User{Name: "gitops", Groups: []string{"system:masters"}}, s.config)
	if err != nil {
		t.Fatal(err)
	}
	file := kubeconfig(t, admin)
	apply := func() string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"),
			"apply", "--namespace", ns, "-f", "../../config/samples/certstream_v1alpha1_custom-logs.yaml")
		cmd.Env = append(os.Environ(), "KUBECONFIG="+file, "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	apply()
	for line := range strings.Lines(apply()) {
		if strings.HasPrefix(line, "certstream.certstream.io/") && !strings.HasSuffix(line, " unchanged\n") {
			t.Error(line)
		}
	}
}

// What people see of a CertStream with kubectl.
func TestKubectl(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	admin, err := s.env.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, s.config)
	if err != nil {
		t.Fatal(err)
	}
	file := kubeconfig(t, admin)
	kubectl := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+file, "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// Applied from the client's side the whole definition goes into an annotation.
	kubectl("apply", "--dry-run=server", "-f", crdFile)
	s.operator(t, ns)
	s.streamOf(t, ns, "main", `{}`)
	s.streamOf(t, ns, "stuck", `{auth: {tokens: [{secretName: tokens}]}, logs: {select: {operators: [A]}}}`)
	kubectl("wait", "--namespace", ns, "--for=condition=Ready", "--timeout=30s", "cstream/main")
	table := strings.Split(kubectl("get", "cstream", "--namespace", ns, "main"), "\n")
	if got, want := strings.Join(strings.Fields(table[0]), " "), "NAME READY LOGS CONSISTENT LAG RATE CLIENTS URL AGE"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	if got, want := strings.Join(strings.Fields(table[1])[:8], " "), "main True 2/2 True 2s 100/s 3 ws://certstream-main."+ns+".svc:8080/"; got != want {
		t.Errorf("row %s, want %s", got, want)
	}
	kubectl("wait", "--namespace", ns, "--for=condition=Stalled", "--timeout=30s", "cstream/stuck")
	if wide := kubectl("get", "cstream", "--namespace", ns, "-o", "wide", "stuck"); !strings.Contains(wide, "SecretNotFound") || !strings.Contains(wide, "create it") {
		t.Errorf("the wide table does not say what is wrong:\n%s", wide)
	}
	if all := kubectl("get", "certstream", "--namespace", ns, "-o", "name"); !strings.Contains(all, "certstream.certstream.io/main") {
		t.Errorf("names:\n%s", all)
	}
	if explained := kubectl("explain", "cstream.spec.logs.start"); !strings.Contains(explained, "Where to begin in a log that has no checkpoint") {
		t.Errorf("kubectl explain says\n%s", explained)
	}
	if limits := strings.Join(strings.Fields(kubectl("explain", "cstream.spec.limits")), " "); !strings.Contains(limits, "Default: 10000. From 0 to 10000000. Live.") {
		t.Errorf("kubectl explain says neither default nor bounds:\n%s", limits)
	}
	if whole := kubectl("explain", "cstream.spec", "--recursive"); !strings.Contains(whole, "connectionsPerIP") {
		t.Errorf("kubectl explain --recursive says\n%s", whole)
	}
}
