package build

import (
	"context"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// apiServer is a real one with the definitions of the optional kinds. TEST_CRDS is their directory, as hack/test.sh sets it.
func apiServer(t *testing.T) client.Client {
	t.Helper()
	crds := os.Getenv("TEST_CRDS")
	if os.Getenv("KUBEBUILDER_ASSETS") == "" || crds == "" {
		t.Skip("no API server: use make test, or set KUBEBUILDER_ASSETS and TEST_CRDS")
	}
	env := &envtest.Environment{CRDDirectoryPaths: []string{crds}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	config.QPS = -1
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAPIServerTakesAllObjects holds that an API server takes every object of every spec, and that it settles: applied again
// it stays as it is, so that no default of the server's competes with ours.
func TestAPIServerTakesAllObjects(t *testing.T) {
	c, ctx := apiServer(t), t.Context()
	for name, text := range cases(t) {
		t.Run(name, func(t *testing.T) {
			s := stream(t, text)
			s.Namespace = "of-" + name
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}
			if err := c.Create(ctx, namespace); err != nil {
				t.Fatal(err)
			}
			for _, o := range Objects(s) {
				if o.Apply != nil {
					applyAgain(ctx, t, c, o)
				}
			}
		})
	}
}

func applyAgain(ctx context.Context, t *testing.T, c client.Client, o Object) {
	t.Helper()
	var versions []string
	for range 3 {
		u := decoded(t, o)
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("test"), client.ForceOwnership)
		if err != nil {
			t.Errorf("%s %s: %v", o.Kind.Kind, o.Name, err)
			return
		}
		versions = append(versions, u.GetResourceVersion())
	}
	// The server itself writes a claim once more at the second application.
	if versions[1] != versions[2] {
		t.Errorf("%s %s: applied again, it is another: %v", o.Kind.Kind, o.Name, versions)
	}
}
