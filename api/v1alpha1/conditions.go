package v1alpha1

// The conditions of a CertStream. Ready, Reconciling and Stalled have the meaning that kstatus gives them.
const (
	// ConditionReady is True when clients can connect and the pod runs the configuration of this generation.
	ConditionReady = "Ready"
	// ConditionAvailable is True when a pod is ready behind the Service.
	ConditionAvailable = "Available"
	// ConditionConfigurationReloaded is True when every ready pod reports the hash of exactly what was written.
	ConditionConfigurationReloaded = "ConfigurationReloaded"
	// ConditionIngesting is True when logs are followed and answer.
	ConditionIngesting = "Ingesting"
	// ConditionLogsConsistent is False while a log is marked as one that has lied; it is Unknown where nothing is verified.
	ConditionLogsConsistent = "LogsConsistent"
	// ConditionRetaining is True when entries are kept on the volume for clients that come back; it is absent where none are asked
	// for.
	ConditionRetaining = "Retaining"
	// ConditionReconciling is True while the operator works towards the spec; it is absent otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the operator can do no more until somebody acts; it is absent otherwise.
	ConditionStalled = "Stalled"
	// ConditionNoWarnings is False when there is advice to follow.
	ConditionNoWarnings = "NoWarnings"
	// ConditionMonitored is True when a monitor tells Prometheus to scrape the pod; it is absent where none is asked for.
	ConditionMonitored = "Monitored"
	// ConditionSuspended is True while spec.suspend holds; it is absent otherwise.
	ConditionSuspended = "Suspended"
)

// ConditionTypes are all conditions that a CertStream may have.
func ConditionTypes() []string {
	return []string{
		ConditionReady, ConditionReconciling, ConditionStalled, ConditionAvailable, ConditionConfigurationReloaded, ConditionIngesting,
		ConditionLogsConsistent, ConditionRetaining, ConditionNoWarnings, ConditionMonitored, ConditionSuspended,
	}
}

// Reasons of conditions and events. Each is explained in docs/spec/v1alpha1/certstream.md.
const (
	// Good news.
	ReasonReady           = "Ready"
	ReasonPodReady        = "PodReady"
	ReasonReloaded        = "Reloaded"
	ReasonLogsFollowed    = "LogsFollowed"
	ReasonNoWarnings      = "NoWarnings"
	ReasonMonitorCreated  = "MonitorCreated"
	ReasonSuspended       = "Suspended"
	ReasonResumed         = "Resumed"
	ReasonApplied         = "Applied"
	ReasonPruned          = "Pruned"
	ReasonProgressing     = "Progressing"
	ReasonReloadRequested = "ReloadRequested"

	// ReasonPending is that of the condition that a CertStream is born with, before an operator has seen it.
	ReasonPending = "Pending"

	// Waiting: heals by itself or with a little time.
	ReasonPodPending         = "PodPending"
	ReasonPodNotReady        = "PodNotReady"
	ReasonPodStopping        = "PodStopping"
	ReasonNoPod              = "NoPod"
	ReasonStatusUnreadable   = "StatusUnreadable"
	ReasonReloadPending      = "ReloadPending"
	ReasonRestartPending     = "RestartPending"
	ReasonStarting           = "Starting"
	ReasonVolumeResizing     = "VolumeResizing"
	ReasonVolumePending      = "VolumePending"
	ReasonCertificatePending = "CertificatePending"

	// Stalled: somebody must act.
	ReasonInvalidSpec          = "InvalidSpec"
	ReasonSecretNotFound       = "SecretNotFound"
	ReasonSecretInvalid        = "SecretInvalid"
	ReasonConfigMapNotFound    = "ConfigMapNotFound"
	ReasonConfigMapInvalid     = "ConfigMapInvalid"
	ReasonClaimNotFound        = "ClaimNotFound"
	ReasonStorageClassNotFound = "StorageClassNotFound"
	ReasonVolumeResizeRefused  = "VolumeResizeRefused"
	ReasonObjectConflict       = "ObjectConflict"
	ReasonForbidden            = "Forbidden"
	ReasonRefused              = "Refused"
	ReasonQuotaExceeded        = "QuotaExceeded"
	ReasonCRDMissing           = "CRDMissing"
	ReasonTenantRestricted     = "TenantRestricted"
	ReasonImagePullFailed      = "ImagePullFailed"
	ReasonPodCrashing          = "PodCrashing"
	ReasonPodUnschedulable     = "PodUnschedulable"
	ReasonPodRefused           = "PodRefused"
	ReasonConfigRejected       = "ConfigRejected"

	// Ingestion.
	ReasonNoLogs          = "NoLogs"
	ReasonLogListFailing  = "LogListFailing"
	ReasonAllLogsFailing  = "AllLogsFailing"
	ReasonSomeLogsFailing = "SomeLogsFailing"
	ReasonLogsLagging     = "LogsLagging"

	// Verification.
	ReasonLogsConsistent  = "LogsConsistent"
	ReasonLogMisbehaved   = "LogMisbehaved"
	ReasonVerificationOff = "VerificationOff"
	ReasonUnverified      = "Unverified"

	// Retention.
	ReasonRetaining        = "Retaining"
	ReasonVolumeTooSmall   = "VolumeTooSmall"
	ReasonDiskFull         = "DiskFull"
	ReasonRetentionFailing = "RetentionFailing"
	ReasonSegmentsCorrupt  = "SegmentsCorrupt"

	// Advice.
	ReasonSharedLogs            = "SharedLogs"
	ReasonClientAddressesHidden = "ClientAddressesHidden"
	ReasonConfigWarnings        = "ConfigWarnings"
	ReasonStateFailing          = "StateFailing"
)
