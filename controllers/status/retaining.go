package status

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// retaining says whether entries are kept on the volume for clients that come back. It is absent where the spec asks for none.
func retaining(v *view) *metav1.Condition {
	kind, size := v1alpha1.ConditionRetaining, build.Capacity(v.Claim)
	switch {
	case !build.Retains(v.Stream):
		return nil
	case size != nil && build.RetainedBytes(v.Stream, size) == 0:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonVolumeTooSmall, fmt.Sprintf(
			"The volume of %s leaves no room for entries: 100Mi are for the rest of the state, and less than 16Mi is not worth while. "+
				"Make spec.state.volume.size larger, or set spec.state.retention.enabled: false", size))
	}
	if c := v.unasked(kind, "keeps entries"); c != nil {
		return c
	}
	kept := v.kept()
	if kept == nil {
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "The pod does not say yet that it keeps entries")
	}
	status, reason, message := judgeRetention(kept)
	return condition(kind, status, reason, message)
}

// kept are the figures to judge: those published, or what the pod says before it is time to publish any.
func (v *view) kept() *v1alpha1.RetentionFigures {
	switch {
	case v.readable() && (v.figures == nil || v.report.Settling()):
		return FiguresOf(*v.report).Retention
	case v.figures != nil:
		return v.figures.Retention
	}
	return nil
}

func judgeRetention(r *v1alpha1.RetentionFigures) (status metav1.ConditionStatus, reason, message string) {
	switch {
	case r.Problem == v1alpha1.ReasonDiskFull:
		return metav1.ConditionFalse, v1alpha1.ReasonDiskFull, "The volume is full but for what checkpoints need, so that no entries are kept. " +
			"The stream goes on; clients can resume from what was kept before. Make the volume larger, or spec.state.retention smaller"
	case r.Problem != "":
		return metav1.ConditionFalse, v1alpha1.ReasonRetentionFailing, "Entries cannot be written to the volume. " +
			"The stream goes on, and writing is tried again; the pod's log says why it fails"
	case r.CorruptSegments > 0:
		return metav1.ConditionFalse, v1alpha1.ReasonSegmentsCorrupt, fmt.Sprintf("%d %s of kept entries could not be read and %s set aside. "+
			"Clients that resume from there are told what they miss; all else is kept. Check the volume", r.CorruptSegments,
			of(r.CorruptSegments, "segment", "segments"), of(r.CorruptSegments, "was", "were"))
	}
	return metav1.ConditionTrue, v1alpha1.ReasonRetaining,
		fmt.Sprintf("Entries of the last %s are kept for clients that come back: %s of %s", r.Span, bytes(r.Bytes), bytes(r.MaxBytes))
}

// bytes is a size to be read by people.
func bytes(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
