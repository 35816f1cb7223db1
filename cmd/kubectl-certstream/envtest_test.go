package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const crdFile = "../../config/crd/bases/certstream.io_certstreams.yaml"

// real is a plugin on a real API server, by way of a kubeconfig as users have it.
type real struct {
	kubeconfig string
	cluster    *cluster
	out, errs  bytes.Buffer
}

func newReal(t *testing.T, crds ...string) *real {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no API server")
	}
	env := &envtest.Environment{CRDDirectoryPaths: crds, ErrorIfCRDPathMissing: true}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := env.Start(); err != nil {
		t.Fatal(err)
	}
	user, err := env.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	r := &real{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(r.kubeconfig, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	p := r.plugin()
	*p.flags.KubeConfig, *p.flags.Namespace = r.kubeconfig, "default"
	if r.cluster, err = p.open(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *real) plugin() *plugin {
	return newPlugin(genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &r.out, ErrOut: &r.errs})
}

func (r *real) run(t *testing.T, args ...string) int {
	t.Helper()
	r.out.Reset()
	r.errs.Reset()
	return r.plugin().run(t.Context(), append(args, "--kubeconfig", r.kubeconfig))
}

func TestOnARealServer(t *testing.T) {
	r := newReal(t, crdFile)
	ctx := t.Context()
	if code := r.run(t, "status"); code != 1 || !strings.Contains(r.errs.String(), "namespace default has no CertStream") {
		t.Errorf("exit code %d, %s", code, &r.errs)
	}
	cs := &v1alpha1.CertStream{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main"}}
	if err := r.cluster.Create(ctx, cs, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "e"},
		InvolvedObject: corev1.ObjectReference{Kind: v1alpha1.Kind, Name: "main", Namespace: "default"}, Reason: "Testing", Type: "Normal",
	}
	if err := r.cluster.Create(ctx, event); err != nil {
		t.Fatal(err)
	}
	if code := r.run(t, "status"); code != 0 || !strings.Contains(r.out.String(), "Testing  CertStream/main") {
		t.Errorf("exit code %d, %s%s", code, &r.out, &r.errs)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"suspend"}, 0, "certstream/main suspended"},
		{[]string{"restart"}, 1, "is suspended"},
		{[]string{"resume", "main"}, 0, "certstream/main resumed"},
		{[]string{"restart", "main", "--wait", "--timeout", "1ms"}, 1, "not restarted within 1ms"},
		{[]string{"config"}, 1, "has written no configuration"},
		{[]string{"tail", "--protocol", "tcp"}, 1, "does not serve tcp"},
		{[]string{"suspend", "-n", "elsewhere"}, 1, "namespace elsewhere has no CertStream"},
		{[]string{"__complete", "status", "--kubeconfig", r.kubeconfig, ""}, 0, ""},
	} {
		if code := r.run(t, c.args...); code != c.code || !strings.Contains(r.out.String()+r.errs.String(), c.want) {
			t.Errorf("%v: exit code %d, %s%s, want %q", c.args, code, &r.out, &r.errs, c.want)
		}
	}
	r.checkWrites(ctx, t)
}

// checkWrites holds that the plugin changed what it was asked to change, and nothing else, under its own name.
func (r *real) checkWrites(ctx context.Context, t *testing.T) {
	t.Helper()
	var cs v1alpha1.CertStream
	if err := r.cluster.Get(ctx, client.ObjectKey{Namespace: "default", Name: "main"}, &cs); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339Nano, cs.Annotations[v1alpha1.AnnotationRestart]); err != nil || cs.Spec.Suspend {
		t.Errorf("annotations %v, suspended %v: %v", cs.Annotations, cs.Spec.Suspend, err)
	}
	var fields string
	for _, m := range cs.ManagedFields {
		if m.Manager == fieldManager && m.Operation == metav1.ManagedFieldsOperationUpdate {
			fields = string(m.FieldsV1.GetRawBytes())
		}
	}
	if want := `"f:certstream.io/restarted-at":{}`; !strings.Contains(fields, want) || strings.Contains(fields, "f:protocols") {
		t.Errorf("our fields are %s", fields)
	}
}

func TestWithoutTheResource(t *testing.T) {
	r := newReal(t)
	for _, args := range [][]string{{"status"}, {"status", "main"}, {"logs"}, {"tail"}, {"config", "x"}} {
		if code := r.run(t, args...); code != 1 || !strings.Contains(r.errs.String(), "is the operator installed?") {
			t.Errorf("%v: exit code %d, %s", args, code, &r.errs)
		}
	}
}

func TestUnreachableServer(t *testing.T) {
	r := &real{kubeconfig: filepath.Join(t.TempDir(), "none")}
	if code := r.run(t, "status"); code != 1 || r.errs.Len() == 0 {
		t.Errorf("exit code %d, %s", code, &r.errs)
	}
	text := "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
	if err := errors.Join(os.WriteFile(r.kubeconfig, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	if code := r.run(t, "status"); code != 1 || !strings.Contains(r.errs.String(), "connection refused") {
		t.Errorf("exit code %d, %s", code, &r.errs)
	}
}
