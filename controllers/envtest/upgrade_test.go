package envtest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

var release = flag.Bool("release", false, "write testdata/before.yaml anew: the objects that the next release finds")

const (
	beforeFile = "testdata/before.yaml"
	// beforeSpec is that of the CertStream whose objects the file holds.
	beforeSpec = `{limits: {connections: 500}, networkPolicy: {}, ingress: {hosts: [a.example]}, monitoring: {dashboard: {}},
  protocols: {tcp: {enabled: true}}, state: {volume: {reclaimPolicy: Delete}}}`
)

// What the last release's operator made is taken over as it is: no object is deleted or made anew, and the stream becomes
// ready. With `-release` the file becomes what this operator makes.
func TestObjectsOfTheLastReleaseAreTakenOver(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	key := s.streamOf(t, ns, "main", beforeSpec)
	cs := waitGet(t, s, key, new(v1alpha1.CertStream), exists)
	if *release {
		writeBefore(t, cs)
	}
	uids := map[string]types.UID{}
	for _, o := range readBefore(t, cs) {
		if err := s.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("certstream-operator")); err != nil {
			t.Fatal(err)
		}
		uids[o.GetKind()+"/"+o.GetName()] = o.GetUID()
	}
	o := s.operator(t, ns)
	s.waitReady(t, key)
	for _, before := range readBefore(t, cs) {
		name := before.GetKind() + "/" + before.GetName()
		if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(before), before); err != nil || before.GetUID() != uids[name] {
			t.Errorf("%s is %s (%v), was %s", name, before.GetUID(), err, uids[name])
		}
		if !metav1.IsControlledBy(before, cs) {
			t.Errorf("%s is owned by %v", name, before.GetOwnerReferences())
		}
	}
	if slices.ContainsFunc(o.written(), func(w string) bool { return strings.HasPrefix(w, "DELETE") }) {
		t.Errorf("something was deleted: %v", o.written())
	}
}

func writeBefore(t *testing.T, cs *v1alpha1.CertStream) {
	t.Helper()
	builder, err := build.NewBuilder(build.Defaults{Image: testImage, OperatorNamespace: "operators"})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := builder.Stream(cs, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, o := range build.Objects(stream) {
		if o.Apply == nil || strings.Contains(o.Kind.Group, "coreos") {
			continue
		}
		text, err := yaml.Marshal(o.Apply)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(cs.Namespace), []byte("NAMESPACE")), []byte(cs.UID), []byte("UID"))
		all.WriteString("---\n")
		all.Write(text)
	}
	if err := os.WriteFile(beforeFile, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readBefore(t *testing.T, cs *v1alpha1.CertStream) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(beforeFile)
	if err != nil {
		t.Fatal(err)
	}
	filled := strings.ReplaceAll(strings.ReplaceAll(string(text), "NAMESPACE", cs.Namespace), "UID", string(cs.UID))
	var all []*unstructured.Unstructured
	for _, document := range strings.Split(filled, "---\n")[1:] {
		asJSON, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		u := new(unstructured.Unstructured)
		if err := json.Unmarshal(asJSON, &u.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}
