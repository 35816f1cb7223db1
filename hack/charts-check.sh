#!/usr/bin/env bash
# Checks charts, plain manifests and workflows with tools of others, each built once into the cache (hack/tools/install.sh):
# helm lint, helm-unittest, kubeconform against the schemas of Kubernetes and of all custom resources, kube-score, actionlint.
set -euo pipefail
cd "$(dirname "$0")/.."
KUBERNETES_VERSION=${KUBERNETES_VERSION:-v1.37.0}
tool() { hack/tools/install.sh "$1"; }
charts=(charts/certstream-operator charts/certstream)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "helm lint --strict"
helm=$(tool helm)
for chart in "${charts[@]}"; do
  for values in "" "$chart"/ci/*-values.yaml; do
    "$helm" lint --strict --quiet "$chart" ${values:+--values "$values"} || { echo "with the values: ${values:-none}"; exit 1; }
  done
done

echo "helm-unittest"
"$(tool helm-unittest)" --strict "${charts[@]}" >"$work/unittest" || { cat "$work/unittest"; exit 1; }
tail -n 6 "$work/unittest"

echo "rendering"
for chart in "${charts[@]}"; do
  name=${chart#charts/}
  for values in "" "$chart"/ci/*-values.yaml; do
    variant=$(basename "${values:-default}" -values.yaml)
    "$helm" template "$name" "$chart" --namespace certstream-system ${values:+--values "$values"} >"$work/$name-$variant.yaml"
  done
done
kustomize=$(tool kustomize)
for dir in default prometheus network-policy samples; do
  "$kustomize" build "config/$dir" >"$work/config-$dir.yaml"
done
OPERATOR_IMAGE=example.com/operator:1.2.3 STREAMER_IMAGE=example.com/streamer:1.2.3 hack/dist.sh "$work/install.yaml" >/dev/null
# What the operator makes of CertStreams, as its golden files have it: each holds all objects of one.
golden=()
while IFS= read -r file; do golden+=("$file"); done < <(git ls-files 'controllers/build/testdata/golden/*.yaml')

echo "kubeconform -strict"
module=$(cd / && GOFLAGS='' go mod download -json "k8s.io/kubernetes@$KUBERNETES_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
crds=$(hack/tools/crds.sh "$work/crds")
go run ./hack/charts -swagger "$module/api/openapi-spec/swagger.json" schemas "$work/schemas" "$crds"/*.yaml config/crd/bases/*.yaml
kubeconform=("$(tool kubeconform)" -strict -summary -schema-location "$work/schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json")
"${kubeconform[@]}" "$work"/*.yaml
# The golden files name the embedded alert rules instead of repeating them; promtool checks those.
"${kubeconform[@]}" -skip PrometheusRule "${golden[@]}"

# Left out, with reasons: limits of processor time throttle a stream or an operator for nothing; the image's tag or digest says
# which one is wanted, so that pulling it again at each start gains nothing; neither program writes to ephemeral storage; there is
# one pod per stream, and of two operators either will do, so that a disruption budget could only block a drain.
echo "kube-score"
kube_score=$(tool kube-score)
score() {
  "$kube_score" score --kubernetes-version v1.34 --ignore-container-cpu-limit --exit-one-on-warning --output-format ci \
    --ignore-test container-image-pull-policy --ignore-test container-ephemeral-storage-request-and-limit \
    --ignore-test deployment-has-poddisruptionbudget "$@" >"$work/score" || { grep -v '^\[\(OK\|SKIPPED\)\]' "$work/score"; exit 1; }
  echo "$(grep -c '^\[OK\]' "$work/score") checks passed: $(basename "${*: -1}")"
}
score "$work/certstream-operator-all.yaml"
score "$work/config-network-policy.yaml" "$work/install.yaml"
# Of a stream: one pod, so no second replica, and no rolling update where a volume admits one pod only. The network policy is off
# unless asked for.
stream=(--ignore-test deployment-replicas --ignore-test deployment-strategy)
score "${stream[@]}" controllers/build/testdata/golden/network-policy.yaml
score "${stream[@]}" controllers/build/testdata/golden/everything.yaml
score "${stream[@]}" --ignore-test pod-networkpolicy controllers/build/testdata/golden/default.yaml

echo "actionlint"
"$(tool actionlint)" -shellcheck= -pyflakes=
