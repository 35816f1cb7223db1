#!/usr/bin/env bash
# Builds a pinned development tool from its Go module, once, into the cache, and prints the path of the program:
#   "$(hack/tools/install.sh helm)" lint charts/*
# Without an argument it prints the names it knows. Progress goes to standard error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/certstream-operator}

# NAME  VERSION  PACKAGE  FLAGS. A package whose module has replace lines is built by the go.mod in the folder of its module's
# name here, because `go install PACKAGE@VERSION` refuses it.
tools() {
  cat <<'T'
controller-gen              v0.23.0  sigs.k8s.io/controller-tools/cmd/controller-gen
helm                        v4.3.1   helm.sh/helm/v4/cmd/helm
kubeconform                 v0.8.0   github.com/yannh/kubeconform/cmd/kubeconform
kube-score                  v1.20.0  github.com/zegl/kube-score/cmd/kube-score
kustomize                   v5.7.1   sigs.k8s.io/kustomize/kustomize/v5
helm-unittest               v1.1.2   helm-unittest:github.com/helm-unittest/helm-unittest/cmd/helm-unittest
actionlint                  v1.7.12  github.com/rhysd/actionlint/cmd/actionlint
promtool                    v0.315.0 prometheus:github.com/prometheus/prometheus/cmd/promtool remove_all_sd,enable_kubernetes_sd
prometheus                  v0.315.0 prometheus:github.com/prometheus/prometheus/cmd/prometheus remove_all_sd,enable_kubernetes_sd
prometheus-operator         v0.85.0  prometheus-operator:github.com/prometheus-operator/prometheus-operator/cmd/operator
prometheus-config-reloader  v0.85.0  prometheus-operator:github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader
T
}

if (($# != 1)); then
  tools | cut -d' ' -f1
  exit
fi
name=$1
read -r _ version package tags < <(tools | grep "^$name ") || { echo "$name is not one of: $(tools | cut -d' ' -f1 | xargs)" >&2; exit 1; }
dir=$CACHE/$name-$version program=$CACHE/$name-$version/$name
echo "$program"
[[ ! -x $program ]] || exit 0

mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9 # another make may be building it
[[ ! -x $program ]] || exit 0

module=$here
if [[ $package == *:* ]]; then
  module=$here/${package%%:*} package=${package#*:}
else
  module=$(mktemp -d)
  trap 'rm -rf "$module"' EXIT
fi

# GOFLAGS and GOBIN of the caller must not change what is built or where it goes; cgo is off so that it runs in an empty image.
build() {
  local flags=(-trimpath -tags "${tags:-}" -ldflags '-s -w')
  if [[ $module == "$here"/* ]]; then
    cd "$module" && GOFLAGS='' GOWORK=off CGO_ENABLED=0 nice go build "${flags[@]}" -o "$dir/building" "$package"
    mv "$dir/building" "$program"
  else
    cd / && GOFLAGS='' GOBIN=$module CGO_ENABLED=0 nice go install "${flags[@]}" "$package@$version"
    mv "$module"/* "$program"
  fi
}
"$here/progress.sh" "building $name $version from its module (once)" >&2 9>&- &
progress=$!
status=0
(build) >&2 || status=$?
kill "$progress" 2>/dev/null || true
exit "$status"
