package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// metrics are the operator's own, beside controller-runtime's. Their labels are bounded by the number of CertStreams.
type metrics struct {
	condition *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{condition: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "certstream_operator_stream_condition",
		Help: "Conditions of CertStreams: always 1, with the status that holds as a label.",
	}, []string{"namespace", "name", "condition", "status"})}
	// A second controller in the process, as in tests, takes the place of the first.
	ctrlmetrics.Registry.Unregister(m.condition)
	ctrlmetrics.Registry.MustRegister(m.condition)
	return m
}

// observe shows the conditions of a CertStream.
func (m *metrics) observe(cs *v1alpha1.CertStream) {
	for _, kind := range v1alpha1.ConditionTypes() {
		is := metav1.ConditionStatus("")
		if c := meta.FindStatusCondition(cs.Status.Conditions, kind); c != nil {
			is = c.Status
		}
		for _, s := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			if s == is {
				m.condition.WithLabelValues(cs.Namespace, cs.Name, kind, string(s)).Set(1)
			} else {
				m.condition.DeleteLabelValues(cs.Namespace, cs.Name, kind, string(s))
			}
		}
	}
}

// forget drops a CertStream that is gone.
func (m *metrics) forget(key types.NamespacedName) {
	m.condition.DeletePartialMatch(prometheus.Labels{"namespace": key.Namespace, "name": key.Name})
}
