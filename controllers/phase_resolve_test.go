package controllers

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// TestTenantsAreAllowedNamedFields holds that a field that is added to the pod's template is refused to restricted tenants until
// somebody has thought about it.
func TestTenantsAreAllowedNamedFields(t *testing.T) {
	allowed := []string{"resources", "imagePullPolicy"}
	r := &Reconciler{Restricted: true}
	pod := reflect.TypeFor[v1alpha1.PodTemplateSpec]()
	for i := range pod.NumField() {
		name, _, _ := strings.Cut(pod.Field(i).Tag.Get("json"), ",")
		cs := new(v1alpha1.CertStream)
		fill(reflect.ValueOf(&cs.Spec.PodTemplate).Elem().Field(i))
		refused := r.refusedToTenants(cs)
		if isRefused := slices.Contains(refused, "spec.podTemplate."+name); isRefused == slices.Contains(allowed, name) {
			t.Errorf("spec.podTemplate.%s: refused is %v", name, isRefused)
		}
	}
	if got := r.refusedToTenants(new(v1alpha1.CertStream)); len(got) > 0 {
		t.Errorf("an empty spec is refused: %v", got)
	}
	r.Restricted = false
	if got := r.refusedToTenants(&v1alpha1.CertStream{Spec: v1alpha1.CertStreamSpec{PodTemplate: v1alpha1.PodTemplateSpec{Image: "a"}}}); got != nil {
		t.Errorf("refused without the flag: %v", got)
	}
}

// fill gives a field something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("a")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("a"), reflect.ValueOf("b"))
	}
}
