package envtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers"
)

func (s *apiServer) secret(t *testing.T, namespace, name string, data map[string]string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: data}
	if err := s.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestAMissingSecretStallsAndHeals(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{auth: {tokens: [{secretName: tokens, key: alice}]}}`)
	message := s.waitStalled(t, key, v1alpha1.ReasonSecretNotFound)
	if !strings.Contains(message, "Secret tokens of spec.auth.tokens[0].secretName") || !strings.Contains(message, "create it") {
		t.Errorf("the message names not both field and fix: %s", message)
	}
	s.waitGone(t, child(key), new(appsv1.Deployment))
	secret := s.secret(t, ns, "tokens", map[string]string{"bob": "b"})
	if message := s.waitStalled(t, key, v1alpha1.ReasonSecretInvalid); !strings.Contains(message, `"alice"`) {
		t.Errorf("the message does not name the key: %s", message)
	}
	s.patch(t, client.ObjectKeyFromObject(secret), secret, `{stringData: {alice: "first line\nsecond line"}}`)
	message = s.waitStalledSaying(t, key, v1alpha1.ReasonSecretInvalid, "line")
	if strings.Contains(message, "second line") {
		t.Errorf("the message repeats the token: %s", message)
	}
	s.patch(t, client.ObjectKeyFromObject(secret), secret, `{stringData: {alice: good}}`)
	s.waitReady(t, key)
}

// waitStalledSaying waits until the message of Stalled has a text, and gives all of it.
func (s *apiServer) waitStalledSaying(t *testing.T, key client.ObjectKey, reason, text string) string {
	t.Helper()
	var message string
	waitGet(t, s, key, new(v1alpha1.CertStream), func(*v1alpha1.CertStream) error {
		if message = s.waitStalled(t, key, reason); !strings.Contains(message, text) {
			return fmt.Errorf("says %s", message)
		}
		return nil
	})
	return message
}

func TestARotatedSecretIsToldToThePodAndReplacesNone(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	secret := s.secret(t, ns, "tokens", map[string]string{"alice": "a1"})
	key := s.streamOf(t, ns, "main", `{auth: {tokens: [{secretName: tokens}]}}`)
	s.waitReady(t, key)
	// A healthy new pod has been told of nothing but what it began with.
	before := waitGet(t, s, client.ObjectKeyFromObject(s.pod(t, key)), new(corev1.Pod), func(p *corev1.Pod) error {
		if p.Annotations["certstream.io/secrets-hash"] == "" {
			return fmt.Errorf("annotations %v", p.Annotations)
		}
		return nil
	}).DeepCopy()
	s.patch(t, client.ObjectKeyFromObject(secret), secret, `{stringData: {alice: a2}}`)
	waitGet(t, s, client.ObjectKeyFromObject(before), new(corev1.Pod), func(p *corev1.Pod) error {
		if p.Annotations["certstream.io/secrets-hash"] == before.Annotations["certstream.io/secrets-hash"] {
			return fmt.Errorf("not told: %v", p.Annotations)
		}
		if p.UID != before.UID {
			return fmt.Errorf("another pod")
		}
		return nil
	})
	s.waitReady(t, key)
	if s.pod(t, key).UID != before.UID {
		t.Error("the pod was replaced")
	}
}

func TestAProxySecretReplacesThePod(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	secret := s.secret(t, ns, "proxy", map[string]string{"url": "http://user:word@proxy.example:3128"})
	key := s.streamOf(t, ns, "main", `{logs: {proxy: {secretKeyRef: {name: proxy, key: url}}}}`)
	s.waitReady(t, key)
	before := s.pod(t, key)
	s.patch(t, client.ObjectKeyFromObject(secret), secret, `{stringData: {url: "http://user:word2@proxy.example:3128"}}`)
	s.waitGone(t, client.ObjectKeyFromObject(before), new(corev1.Pod))
	s.waitReady(t, key)
}

// While a Secret is missing, what runs is left as it is.
func TestAMissingSecretHoldsWhatRuns(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	before := s.waitReady(t, key).Status.Config.WantedHash
	pod := s.pod(t, key)
	s.change(t, key, "logLevel: Debug\nauth: {tokens: [{secretName: tokens}]}")
	s.waitStalled(t, key, v1alpha1.ReasonSecretNotFound)
	if cm := waitGet(t, s, child(key), new(corev1.ConfigMap), exists); hash(cm.Data["config.yaml"]) != before {
		t.Error("the configuration was changed while a Secret is missing")
	}
	if s.pod(t, key).UID != pod.UID {
		t.Error("the pod was replaced while a Secret is missing")
	}
	s.secret(t, ns, "tokens", map[string]string{"alice": "a"})
	s.waitReady(t, key)
}

func TestACABundleThatIsMissing(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{logs: {caBundle: {configMapName: roots}}}`)
	s.waitStalled(t, key, v1alpha1.ReasonConfigMapNotFound)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "roots"}, Data: map[string]string{"other.crt": "x"}}
	if err := s.client.Create(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	ask := func(when string) {
		s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: "`+when+`"}}}`)
	}
	ask("1") // it is no object of the operator's: nothing tells of it until the next look
	s.waitStalled(t, key, v1alpha1.ReasonConfigMapInvalid)
	s.patch(t, client.ObjectKeyFromObject(cm), cm, `{data: {ca.crt: x}}`)
	ask("2")
	s.waitReady(t, key)
}

func TestTheClaimGrowsOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: ns}, Provisioner: "test.example/none", AllowVolumeExpansion: new(false),
	}
	if err := s.client.Create(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	key := s.streamOf(t, ns, "main", `{state: {volume: {storageClassName: `+ns+`}}}`)
	s.waitReady(t, key)
	s.change(t, key, "state: {volume: {size: 6Gi}}")
	message := s.waitStalled(t, key, v1alpha1.ReasonVolumeResizeRefused)
	if !strings.Contains(message, "spec.state.volume.size") {
		t.Errorf("the message does not name the field: %s", message)
	}
	s.patch(t, client.ObjectKey{Name: ns}, class, `{allowVolumeExpansion: true}`)
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: now}}}`)
	cs := s.waitReady(t, key)
	waitGet(t, s, key, cs, func(cs *v1alpha1.CertStream) error {
		if v := cs.Status.Volume; v == nil || v.Capacity == nil || v.Capacity.Cmp(resource.MustParse("6Gi")) != 0 {
			return fmt.Errorf("volume %+v", v)
		}
		return nil
	})
}

func TestAStorageClassThatIsMissing(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{unbound: true, unready: true})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{state: {volume: {storageClassName: `+ns+`}}}`)
	if message := s.waitStalled(t, key, v1alpha1.ReasonStorageClassNotFound); !strings.Contains(message, ns) {
		t.Errorf("the message does not name the class: %s", message)
	}
}

func TestAnExistingClaim(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{state: {type: ExistingClaim, claimName: mine}}`)
	s.waitStalled(t, key, v1alpha1.ReasonClaimNotFound)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "mine"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if err := s.client.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	waitGet(t, s, client.ObjectKeyFromObject(claim), claim, func(c *corev1.PersistentVolumeClaim) error {
		if c.Status.Phase != corev1.ClaimBound {
			return fmt.Errorf("phase %s", c.Status.Phase)
		}
		return nil
	})
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: now}}}`)
	s.waitReady(t, key)
	waitGet(t, s, child(key), new(corev1.ConfigMap), func(cm *corev1.ConfigMap) error {
		if got := lineAfter(cm.Data["config.yaml"], "retention:"); got != "max_bytes: 614MiB" {
			return fmt.Errorf("retention is %q, want 60 %% of the claim", got)
		}
		return nil
	})
	if slices.ContainsFunc(o.written(), func(w string) bool { return strings.Contains(w, "/persistentvolumeclaims/") }) {
		t.Errorf("the user's claim was written to: %v", o.written())
	}
}

func TestAQuotaThatIsFull(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	hard := corev1.ResourceList{"services": resource.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}
	if err := s.client.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: corev1.ResourceList{"services": resource.MustParse("0")}}
	if err := s.client.Status().Update(t.Context(), quota); err != nil { // as its controller would
		t.Fatal(err)
	}
	key := s.streamOf(t, ns, "main", `{}`)
	if message := s.waitStalled(t, key, v1alpha1.ReasonQuotaExceeded); !strings.Contains(message, "Service certstream-main") {
		t.Errorf("the message does not name what does not fit: %s", message)
	}
	if err := s.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: now}}}`)
	s.waitReady(t, key)
}

func TestWhatTheAPIServerRefusesStalls(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{podTemplate: {volumeMounts: [{name: nowhere, mountPath: /data}]}}`)
	if message := s.waitStalled(t, key, v1alpha1.ReasonRefused); !strings.Contains(message, "nowhere") && !strings.Contains(message, "volumeMounts") {
		t.Errorf("the message does not say what is refused: %s", message)
	}
	s.change(t, key, "podTemplate: {volumeMounts: null}")
	s.waitReady(t, key)
}

func TestRestrictedTenants(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns, func(_ *ctrl.Options, r *controllers.Reconciler) { r.Restricted = true })
	key := s.streamOf(t, ns, "main", `{podTemplate: {image: evil.example/x}, service: {type: NodePort}, logs: {allowPrivateAddresses: true}}`)
	message := s.waitStalled(t, key, v1alpha1.ReasonTenantRestricted)
	for _, field := range []string{"spec.podTemplate.image", "spec.service.type", "spec.logs.allowPrivateAddresses"} {
		if !strings.Contains(message, field) {
			t.Errorf("the message does not name %s: %s", field, message)
		}
	}
	for _, w := range o.written() {
		if !strings.HasSuffix(w, "/status") {
			t.Errorf("wrote %s for a refused spec", w)
		}
	}
	s.change(t, key, "podTemplate: {image: null}\nservice: {type: ClusterIP}\nlogs: {allowPrivateAddresses: null}")
	s.waitReady(t, key)
}

// One CertStream that cannot be done delays no other.
func TestABadNeighbourDelaysNobody(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	for i := range 8 {
		s.streamOf(t, ns, fmt.Sprintf("bad-%d", i), `{auth: {tokens: [{secretName: none}]}, podTemplate: {volumeMounts: [{name: nowhere, mountPath: /data}]}}`)
	}
	s.waitReady(t, s.streamOf(t, ns, "good", `{}`))
}

// Two tokens of one name would be one file in the pod.
func TestTwoSecretsWithATokenOfOneName(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	s.secret(t, ns, "a", map[string]string{"alice": "1"})
	s.secret(t, ns, "b", map[string]string{"alice": "2", "bob": "3"})
	key := s.streamOf(t, ns, "main", `{auth: {tokens: [{secretName: a}, {secretName: b}]}}`)
	s.waitStalledSaying(t, key, v1alpha1.ReasonSecretInvalid, "alice")
	s.change(t, key, "auth: {tokens: [{secretName: a}, {secretName: b, key: bob}]}")
	s.waitReady(t, key)
}

// Neither status nor events nor objects repeat what is in a Secret.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	const word = "s3cr3t-w0rd"
	s.secret(t, ns, "tokens", map[string]string{"alice": word, "bob": word + "\n" + word})
	s.secret(t, ns, "proxy", map[string]string{"url": "ftp://user:" + word + "@proxy.example"})
	key := s.streamOf(t, ns, "main", `{auth: {tokens: [{secretName: tokens}]}, logs: {proxy: {secretKeyRef: {name: proxy, key: url}}}}`)
	s.waitStalled(t, key, v1alpha1.ReasonSecretInvalid)
	s.waitEvent(t, key, corev1.EventTypeWarning, v1alpha1.ReasonSecretInvalid)
	for _, list := range []client.ObjectList{new(v1alpha1.CertStreamList), new(corev1.EventList), new(corev1.ConfigMapList), new(appsv1.DeploymentList)} {
		if err := s.client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprintf("%+v", list), word) {
			t.Errorf("%T tells a secret", list)
		}
	}
}
