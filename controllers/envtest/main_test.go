// Package envtest tests the operator on a real API server: kube-apiserver and etcd, no kubelet and no controllers of
// Kubernetes. `make test` builds or finds the binaries; a bare `go test` without KUBEBUILDER_ASSETS skips.
package envtest

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/go-logr/logr"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const (
	crdFile = "../../config/crd/bases/certstream.io_certstreams.yaml"
	patient = 2 * time.Minute
)

// server is the one API server of this package's run; nil where KUBEBUILDER_ASSETS names no binaries.
var server *apiServer

type apiServer struct {
	config *rest.Config
	// user is the operator under test, with the rights of config/rbac and no others.
	user   *envtest.AuthenticatedUser
	scheme *runtime.Scheme
	client client.Client
	// kubelet stands for all that runs pods.
	kubelet   *kubelet
	settingUp sync.Mutex
	env       *envtest.Environment
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	flag.Parse()
	// Tests wait more than they work.
	_ = flag.Set("test.parallel", "8")
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return m.Run()
	}
	env := &envtest.Environment{CRDDirectoryPaths: []string{crdFile}, ErrorIfCRDPathMissing: true}
	// Tests make hundreds of objects at once; priority and fairness would only queue them.
	env.ControlPlane.GetAPIServer().Configure().Set("enable-priority-and-fairness", "false").
		Set("service-cluster-ip-range", "10.0.0.0/16")
	s, err := start(env)
	if err != nil {
		log.Printf("no API server: %v", err)
		_ = env.Stop()
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.kubelet, err = startKubelet(ctx, s); err != nil {
		log.Printf("no kubelet: %v", err)
		return 1
	}
	server = s
	code := m.Run()
	cancel()
	<-s.kubelet.done
	if err := env.Stop(); err != nil {
		log.Printf("stop the API server: %v", err)
		return 1
	}
	return code
}

func start(env *envtest.Environment) (*apiServer, error) {
	cfg, err := env.Start()
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	s := &apiServer{config: cfg, scheme: runtime.NewScheme(), env: env}
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, v1alpha1.AddToScheme, apiextensionsv1.AddToScheme,
	} {
		if err := add(s.scheme); err != nil {
			return nil, err
		}
	}
	if s.client, err = client.New(cfg, client.Options{Scheme: s.scheme}); err != nil {
		return nil, err
	}
	return s, s.grant()
}

// operatorUser is who the operator under test is.
const operatorUser = "operator"

// grant makes the operator's user, and gives it the role of config/rbac.
func (s *apiServer) grant() error {
	var err error
	if s.user, err = s.env.AddUser(envtest.User{Name: operatorUser}, s.config); err != nil {
		return err
	}
	text, err := os.ReadFile("../../config/rbac/role.yaml")
	if err != nil {
		return err
	}
	s.user.Config() // it completes itself at the first call, which is not for several at a time
	role := new(rbacv1.ClusterRole)
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}},
	}
	return errors.Join(s.client.Create(context.Background(), role), s.client.Create(context.Background(), binding))
}

// need is the API server, or the end of the test.
func need(t *testing.T) *apiServer {
	t.Helper()
	if server == nil {
		t.Skip("KUBEBUILDER_ASSETS is not set: run `make test`, or point it at a folder with kube-apiserver and etcd")
	}
	return server
}

// namespace makes a namespace of the test's own. Nothing deletes it: the API server goes with the run.
func (s *apiServer) namespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := s.client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// eventually asks until there is no error, and fails the test with the last one.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// othersCRDs is the folder with the CRDs of optional kinds.
func othersCRDs(t *testing.T, names ...string) []string {
	t.Helper()
	dir := os.Getenv("TEST_CRDS")
	if dir == "" {
		t.Fatal("TEST_CRDS is not set: run `make test`, or `hack/tools/crds.sh DIR` and set it to DIR")
	}
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join(dir, name+".yaml"))
	}
	return files
}
