#!/usr/bin/env bash
# Tests the whole on a cluster: the one of hack/cluster, which is started and stopped again (KEEP_CLUSTER=1 leaves it up; one that
# is up is used), or with KUBECONFIG any other. Arguments go to the test program: hack/e2e.sh -test.run TestReload
#   E2E_DEPTH=1  what a change must pass (default); 2: longer disturbances and Prometheus
#   LOAD_IMAGE   for another cluster: a command that takes an image tarball, such as "kind load image-archive"
# On another cluster the tests must run where names of Services resolve; those that stop components are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export KUBE_STATE=${KUBE_STATE:-${TMPDIR:-/tmp}/certstream-e2e} # a cluster beside that of make cluster-up
. hack/cluster/env.sh
E2E_DEPTH=${E2E_DEPTH:-1}
arch=$(go env GOARCH) work=dist/e2e
mkdir -p "$work"
# Other sources are another version, so that a cluster that is used again runs what is tested.
tag=e2e-$(git ls-files -co --exclude-standard '*.go' go.sum controllers/build/assets Dockerfile | sort | xargs cat | sha256sum | cut -c1-10)
say() { printf '== %4d s  %s\n' "$SECONDS" "$*"; }

# --- a cluster ----------------------------------------------------------------
if [[ -n ${KUBECONFIG:-} ]]; then
  inside=()
  load=${LOAD_IMAGE:?for a cluster of your own, set LOAD_IMAGE to a command that loads an image tarball into it}
else
  inside=(hack/cluster/enter.sh)
  load="hack/cluster/enter.sh ctr -n k8s.io images import"
  E2E_COMPONENT=$root/hack/cluster/component.sh
  if [[ ! -e $KUBE_STATE/pid ]]; then
    say "building the cluster's programs (nothing to do when they are there)"
    hack/cluster/build.sh
    say "starting a cluster"
    [[ -n ${KEEP_CLUSTER:-} ]] || trap 'KEEP_LOGS=$work/logs hack/cluster/down.sh' EXIT
    hack/cluster/up.sh
  fi
fi

# --- images -------------------------------------------------------------------
say "building images"
operator=docker.io/certstream-operator/operator streamer=docker.io/certstream-operator/streamer
make image PLATFORMS="linux/$arch" PROGRAMS="streamer manager kubectl-certstream" VERSION="$tag" \
  IMAGE="$streamer:$tag" OPERATOR_IMAGE="$operator:$tag"
cp dist/streamer-image-linux-"$arch".tar "$work/streamer.tar"
cp dist/operator-image-linux-"$arch".tar "$work/operator.tar"
# The same programs under another version: what an upgrade installs.
make image PLATFORMS="linux/$arch" PROGRAMS="streamer manager" VERSION="$tag-next" \
  IMAGE="$streamer:$tag-next" OPERATOR_IMAGE="$operator:$tag-next"
mv dist/streamer-image-linux-"$arch".tar "$work/streamer-next.tar"
mv dist/operator-image-linux-"$arch".tar "$work/operator-next.tar"
CGO_ENABLED=0 go build -trimpath -o "$work/testlog" ./e2e/testlog
hack/cluster/mkimage.sh "$work/testlog.tar" "docker.io/certstream-operator/testlog:$tag" -u 65532 "$work/testlog"
if ((E2E_DEPTH > 1)); then
  for name in prometheus prometheus-operator prometheus-config-reloader; do
    hack/cluster/mkimage.sh "$work/$name.tar" "docker.io/certstream-operator/$name:$tag" -u 65534 "$(hack/tools/install.sh $name)=/bin/$name"
  done
fi
say "loading images"
for image in "$work"/*.tar; do
  $load "$image" >/dev/null
done

# --- tests --------------------------------------------------------------------
say "preparing tools and tests"
HELM=$(hack/tools/install.sh helm)
TEST_CRDS=$(hack/tools/crds.sh "$CACHE/crds")
OPERATOR_IMAGE=$operator:$tag IMAGE=$streamer:$tag VERSION=$tag make dist
KUBECTL_CERTSTREAM=$root/dist/kubectl-certstream-linux-$arch
go test -c -tags e2e -o "$work/e2e.test" ./e2e
export E2E_DEPTH E2E_COMPONENT HELM TEST_CRDS KUBECTL_CERTSTREAM E2E_TAG=$tag
say "testing"
status=0
(cd e2e && "${inside[@]/#/../}" "../$work/e2e.test" -test.v -test.timeout 60m "$@") 2>&1 | tee "$work/tests.log" || status=$?
say "figures"
sed -n 's/^.*FIGURE //p' "$work/tests.log"
exit "$status"
