package build

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

func TestRetainedBytes(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		state, capacity string
		want            int64
	}{
		"60 % of the claim that is asked for":       {"{}", "", 2457 << 20},
		"60 % of the claim that is there":           {"{}", "10Gi", 6144 << 20},
		"a claim that has not grown yet":            {"{volume: {size: 100Gi}}", "10Gi", 6144 << 20},
		"a share of one's own":                      {"{retention: {percent: 25}}", "8Gi", 2 * gib},
		"bytes":                                     {"{retention: {maxBytes: 1Gi}}", "8Gi", gib},
		"more bytes than the claim has":             {"{type: ExistingClaim, claimName: a, retention: {maxBytes: 1Gi}}", "612Mi", 512 << 20},
		"a share that would leave the rest no room": {"{retention: {percent: 90}}", "200Mi", 100 << 20},
		"a claim with little room":                  {"{volume: {size: 64Mi}}", "", 0},
		"a share too small to keep anything":        {"{retention: {percent: 1}}", "1Gi", 0},
		"switched off":                              {"{retention: {enabled: false}}", "8Gi", 0},
		"no volume":                                 {"{type: None}", "", 0},
		"a claim of the user's, not seen yet":       {"{type: ExistingClaim, claimName: a}", "", 0},
		"a claim of the user's":                     {"{type: ExistingClaim, claimName: a}", "1000Mi", 600 << 20},
		"a claim without end":                       {"{}", "8Ei", 65536 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			cs := specs.Default(t, "spec: {state: "+c.state+"}")
			var capacity *resource.Quantity
			if c.capacity != "" {
				capacity = new(resource.MustParse(c.capacity))
			}
			if got := RetainedBytes(cs, capacity); got != c.want {
				t.Errorf("%d bytes (%s), want %d (%s)", got, config.Bytes(got), c.want, config.Bytes(c.want))
			}
		})
	}
}

// TestRetentionIsLive holds that a claim that grows changes the configuration, and replaces no pod.
func TestRetentionIsLive(t *testing.T) {
	cs := specs.Default(t, "spec: {}")
	b, err := NewBuilder(defaults())
	if err != nil {
		t.Fatal(err)
	}
	small, err := b.Stream(cs, new(resource.MustParse("4Gi")))
	if err != nil {
		t.Fatal(err)
	}
	large, err := b.Stream(cs, new(resource.MustParse("8Gi")))
	if err != nil {
		t.Fatal(err)
	}
	if small.ConfigHash == large.ConfigHash || small.RestartHash != large.RestartHash {
		t.Errorf("configurations %.8s and %.8s, restart hashes %.8s and %.8s", small.ConfigHash, large.ConfigHash, small.RestartHash, large.RestartHash)
	}
}

func TestCapacity(t *testing.T) {
	claim := new(corev1.PersistentVolumeClaim)
	if Capacity(nil) != nil || Capacity(claim) != nil {
		t.Error("a claim that says nothing has a size")
	}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Gi")}
	if got := Capacity(claim); got.String() != "8Gi" {
		t.Errorf("a claim that is pending: %s", got)
	}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("4Gi")}
	if got := Capacity(claim); got.String() != "4Gi" {
		t.Errorf("a claim that is growing: %s", got)
	}
}
