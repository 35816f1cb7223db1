package status

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// configurationReloaded says whether the ready pod reports the hash of exactly what was written.
func configurationReloaded(v *view) *metav1.Condition {
	kind := v1alpha1.ConditionConfigurationReloaded
	switch {
	case v.pod == nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonNoPod, "There is no pod to run the configuration")
	case v.report == nil && (len(v.ready) == 0 || v.runningHash() != v.ConfigHash):
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "The pod has not said yet which configuration it runs")
	case v.report != nil && v.report.Err != nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStatusUnreadable, v.unreadable())
	case v.rejected():
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonConfigRejected,
			"The pod keeps its last good configuration, because it refuses the new one: correct the spec: "+
				quoted(v.report.ConfigError, "it does not say why"))
	case v.runningHash() != v.ConfigHash:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonReloadPending, v.pendingMessage())
	case v.report != nil && len(v.report.RestartNeeded) > 0:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonRestartPending,
			"Changed settings wait for a new pod: "+quoted(strings.Join(v.report.RestartNeeded, ", "), ""))
	case len(v.ready) == 0:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "The pod has read the configuration and is not ready yet")
	case len(v.ready) > 1:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonRestartPending, "An older pod serves beside the new one until it is stopped")
	}
	return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonReloaded, "The pod runs exactly the configuration that was written")
}

// rejected says whether the pod refuses what was written; that it refused something earlier is no matter.
func (v *view) rejected() bool {
	r := v.report
	return r != nil && r.ConfigError != "" && r.ConfigHash != v.ConfigHash &&
		(r.RejectedHash == "" || r.RejectedHash == v.ConfigHash)
}

func (v *view) pendingMessage() string {
	switch {
	case v.suspended():
		return "The spec has changed while the CertStream is suspended: set spec.suspend to false to apply it"
	case v.ConfigHash == "":
		return "The present configuration is not written yet"
	}
	return "The pod has not taken up the present configuration yet"
}

// unreadable says why the status cannot be read.
func (v *view) unreadable() string {
	why := quoted(v.report.Err.Error(), "it fails")
	return "The operator cannot read the pod's /status on its admin port: " + why +
		"; let network policies admit the operator's namespace to it"
}
