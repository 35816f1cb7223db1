#!/usr/bin/env bash
# Prints the folder of kube-apiserver, etcd and kubectl that tests on a real API server need: the one that KUBEBUILDER_ASSETS
# names, or what an earlier run made, or a download where its network is reachable, or a build from their modules (once).
# Progress goes to standard error.
set -euo pipefail
. "$(dirname "$0")/cluster/env.sh" # sets here, CACHE, KUBE_CACHE

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
  echo "$KUBEBUILDER_ASSETS"
  exit
fi

download() {
  (cd / && GOFLAGS='' timeout 300 go run sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1 \
    use '1.37.x!' --bin-dir "$CACHE/envtest" -p path)
}
if [[ ! -e $KUBE_CACHE/kubecluster.stamp ]]; then
  echo "looking for a download of kube-apiserver and etcd" >&2
  if found=$(download 2>/dev/null) && [[ -x $found/kube-apiserver ]]; then
    echo "$found"
    exit
  fi
fi
"$here/build.sh" --envtest >&2
echo "$KUBE_CACHE/bin"
