{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the suffixes that names below get. */}}
{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- else if contains (include "operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "operator.name" .) | trunc 45 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: manager
{{- end }}

{{/* Labels of an object, the chart's over the user's: (dict "extra" .Values.podLabels "context" $) */}}
{{- define "operator.labelsWith" -}}
{{- $context := .context }}
{{- $own := include "operator.selectorLabels" $context | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/version" $context.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/part-of" "certstream" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $context.Release.Service }}
{{- merge $own .extra $context.Values.commonLabels | toYaml }}
{{- end }}

{{- define "operator.labels" -}}
{{- include "operator.labelsWith" (dict "extra" dict "context" .) }}
{{- end }}

{{- define "operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The operator's ServiceAccount, as the subject of a binding. */}}
{{- define "operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "operator.serviceAccountName" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* A reference to an image, by digest where there is one: (dict "image" .Values.image "context" $) */}}
{{- define "operator.image" -}}
{{- if .image.digest }}
{{- printf "%s@%s" .image.repository .image.digest }}
{{- else }}
{{- printf "%s:%s" .image.repository (default .context.Chart.AppVersion .image.tag) }}
{{- end }}
{{- end }}

{{/*
The rules of the operator's role, which controller-gen writes from the controllers, for one scope:
(dict "scope" "Cluster" or "Namespaced" "context" $). A Role cannot give what belongs to no namespace.
*/}}
{{- define "operator.rules" -}}
{{- $clusterScoped := list "customresourcedefinitions" "storageclasses" "namespaces" "nodes" "persistentvolumes" "ingressclasses" }}
{{- $rules := list }}
{{- range $rule := (.context.Files.Get "files/role.yaml" | fromYaml).rules }}
{{- $resources := list }}
{{- range $resource := $rule.resources }}
{{- if eq (has (splitList "/" $resource | first) $clusterScoped) (eq $.scope "Cluster") }}
{{- $resources = append $resources $resource }}
{{- end }}
{{- end }}
{{- if $resources }}
{{- $rules = append $rules (merge (dict "resources" $resources) $rule) }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- toYaml $rules }}
{{- end }}
{{- end }}
