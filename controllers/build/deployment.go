package build

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// progressSeconds is how long a new pod may take, pulling its image and attaching its volume included, until the Deployment
// says that it does not get on.
const progressSeconds = 300

// deployment runs the one pod.
func deployment(s *Stream) runtime.ApplyConfiguration {
	spec := appsv1ac.DeploymentSpec().WithReplicas(1).WithRevisionHistoryLimit(3).WithProgressDeadlineSeconds(progressSeconds).
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s.CertStream))).
		WithStrategy(strategy(s)).WithTemplate(podTemplate(s))
	return owned(s, appsv1ac.Deployment(Name(s.CertStream), s.Namespace)).WithSpec(spec)
}

// strategy stops the old pod first where both would write to one volume; else the new one is ready before the old one goes.
func strategy(s *Stream) *appsv1ac.DeploymentStrategyApplyConfiguration {
	if ClaimName(s.CertStream) != "" {
		return appsv1ac.DeploymentStrategy().WithType(appsv1.RecreateDeploymentStrategyType)
	}
	return appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
		WithRollingUpdate(appsv1ac.RollingUpdateDeployment().WithMaxSurge(intstr.FromInt32(1)).WithMaxUnavailable(intstr.FromInt32(0)))
}
