#!/usr/bin/env bash
# Measures the operator with many CertStreams on a real API server, with pods that only say their status:
#   scale.sh [STREAMS]
# It takes about eight minutes and prints API writes, memory and reconciles.
set -euo pipefail
cd "$(dirname "$0")/.."
. hack/cluster/env.sh

KUBEBUILDER_ASSETS=$(hack/envtest.sh)
manager=$(mktemp -d)
trap 'rm -rf "$manager"' EXIT
CGO_ENABLED=0 go build -o "$manager/manager" ./cmd/manager
export KUBEBUILDER_ASSETS SCALE_STREAMS=${1:-500} SCALE_MANAGER=$manager/manager
go test -count=1 -timeout 30m -run '^TestScale$' ./controllers/envtest -v
