package build

import (
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// fill sets everything in a value to anything that JSON could have set it to.
func fill(r *rapid.T, v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*x = *resource.NewMilliQuantity(rapid.Int64().Draw(r, "quantity"), resource.DecimalSI)
		return
	case *metav1.Duration:
		x.Duration = time.Duration(rapid.Int64().Draw(r, "duration"))
		return
	case *metav1.Time:
		*x = metav1.Unix(rapid.Int64Range(0, 1<<32).Draw(r, "time"), 0)
		return
	case *intstr.IntOrString:
		*x = intstr.Parse(anyText().Draw(r, "number or text"))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), depth+1)
		}
	case reflect.Pointer:
		if some(r, depth) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), some(r, depth), 2))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		fillMap(r, v, depth)
	default:
		fillLeaf(r, v)
	}
}

// some is how many of something there are: fewer, the deeper it is.
func some(r *rapid.T, depth int) int {
	if depth > 6 {
		return 0
	}
	return rapid.IntRange(0, 2).Draw(r, "some")
}

func fillMap(r *rapid.T, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for range some(r, depth) {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, key, depth+1)
		fill(r, value, depth+1)
		v.SetMapIndex(key, value)
	}
}

func fillLeaf(r *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(anyText().Draw(r, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(r, "bool"))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(r, "number")))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(r, "number"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(r, "byte")))
	default:
		r.Fatalf("fill knows no %s", v.Type())
	}
}

// TestAnySpecIsBuilt holds that builders bear every spec that decodes, also one that no schema would admit: what comes before it,
// in Config, is what refuses it.
func TestAnySpecIsBuilt(t *testing.T) {
	rules, err := ParseRules()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		cs := new(v1alpha1.CertStream)
		cs.Name, cs.Namespace, cs.UID = "main", "certs", "1"
		fill(r, reflect.ValueOf(&cs.Spec).Elem(), 0)
		before := cs.DeepCopy()
		if _, err := Config(cs, nil); err != nil && err.Error() == "" {
			r.Fatal("an error without a word")
		}
		for _, o := range Objects(&Stream{CertStream: cs, Defaults: defaults(), rules: rules}) {
			if o.Apply != nil {
				decoded(t, o)
			}
		}
		_, _ = SecretRefs(cs), ConfigMapRefs(cs)
		if !reflect.DeepEqual(before, cs) {
			r.Fatal("the builders changed the spec")
		}
	})
}

// TestConfigurationOfAnySpecLoads holds that what Config does not refuse the streamer does not refuse either.
func TestConfigurationOfAnySpecLoads(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cs := new(v1alpha1.CertStream)
		fill(r, reflect.ValueOf(&cs.Spec.Logs.Select.Operators).Elem(), 0)
		fill(r, reflect.ValueOf(&cs.Spec.Limits).Elem(), 0)
		fill(r, reflect.ValueOf(&cs.Spec.Protocols.Streams).Elem(), 0)
		fill(r, reflect.ValueOf(&cs.Spec.State).Elem(), 0)
		c, err := Config(cs, nil)
		if err != nil {
			return
		}
		rendered, err := config.Render(c)
		if err != nil {
			r.Fatal(err)
		}
		if problems := config.Validate(rendered, nil); len(problems) > 0 {
			r.Fatalf("%v\n%s", problems, rendered)
		}
	})
}
