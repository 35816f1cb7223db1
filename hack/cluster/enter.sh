#!/usr/bin/env bash
# Runs a command inside the cluster's node, with KUBECONFIG set and service
# names resolving:   enter.sh kubectl get pods      enter.sh go test ./e2e/...
# The file system is the host's; the network is the cluster's alone.
set -euo pipefail
. "$(dirname "$0")/env.sh"
export KUBECONFIG=$KUBE_STATE/admin.conf KUBE_INSIDE=1
exec nsenter --target "$(cat "$KUBE_STATE/pid")" --mount --uts --ipc --net --pid --wdns="$PWD" -- "$@"
