#!/usr/bin/env bash
# Runs all tests that need no cluster, with the race detector; those of the controllers on a real API server.
# SUMMARY names a file that gets go test's own lines, one per package. Arguments go to go test.
set -euo pipefail
cd "$(dirname "$0")/.."
. hack/cluster/env.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "downloading modules"
go mod download
KUBEBUILDER_ASSETS=$(hack/envtest.sh)
TEST_CRDS=${TEST_CRDS:-$(hack/tools/crds.sh "$CACHE/crds")}
export KUBEBUILDER_ASSETS TEST_CRDS
[[ -x $KUBEBUILDER_ASSETS/kube-apiserver ]] || { echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no kube-apiserver"; exit 1; }

echo "running tests with the race detector"
status=0
go test -race -timeout 15m "$@" ./... 2>&1 | grep --line-buffered -v 'no test files' | tee "$log" || status=$?
grep -E '^(ok|FAIL|---|panic)' "$log" >"${SUMMARY:-/dev/null}" || true
exit "$status"
