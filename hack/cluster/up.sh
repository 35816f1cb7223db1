#!/usr/bin/env bash
# Starts a one-node Kubernetes cluster and returns when it is ready.
#
# The node lives in mount, PID, network, IPC and UTS namespaces of its own, so
# that it needs no virtual machine and no container engine, its addresses reach
# nothing outside, and ending its first process ends every process in it.
# enter.sh runs a command inside. Needs root, and build.sh to have run.
set -euo pipefail
. "$(dirname "$0")/env.sh"

[[ -x $KUBE_CACHE/bin/kube-apiserver ]] || { echo "run build.sh first" >&2; exit 1; }
[[ ! -e $KUBE_STATE/pid ]] || { echo "a cluster is already up in $KUBE_STATE (see down.sh)" >&2; exit 1; }
mkdir -p "$KUBE_STATE/log"

setsid unshare --mount --uts --ipc --net --pid --fork --kill-child --mount-proc \
  bash "$here/node.sh" >"$KUBE_STATE/log/node.log" 2>&1 </dev/null &
outer=$!
pid=
for _ in $(seq 100); do
  read -r pid _ <"/proc/$outer/task/$outer/children" 2>/dev/null && [[ -n $pid ]] && break
  sleep 0.1
done
echo "$pid" >"$KUBE_STATE/pid"

for i in $(seq 1200); do
  ((i % 100)) || echo "waiting for the cluster: $((i / 10)) s"
  [[ -e $KUBE_STATE/ready ]] && { echo "cluster ready: $here/enter.sh kubectl get nodes"; exit 0; }
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
echo "the cluster did not become ready; logs are in $KUBE_STATE/log" >&2
tail -n 20 "$KUBE_STATE"/log/*.log >&2
exit 1
