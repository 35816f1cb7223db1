#!/usr/bin/env bash
# Stops and starts single components of a running cluster, for tests of what
# happens without them; the node goes on.
#   component.sh stop|kill|start|restart NAME     kill: at once, with SIGKILL
# NAME: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet,
# kube-proxy, containerd, cluster-dns, storage-provisioner.
set -euo pipefail
. "$(dirname "$0")/env.sh"
verb=${1:?usage: component.sh stop|kill|start|restart NAME} name=${2:?which component?}
# Process numbers count inside the node.
[[ -n ${KUBE_INSIDE:-} ]] || exec "$here/enter.sh" "$here/component.sh" "$@"

stop() { # SIGNAL
  [[ -e $KUBE_STATE/pids/$name ]] || { echo "$name does not run" >&2; exit 1; }
  touch "$KUBE_STATE/stopped/$name"
  kill "-$1" "$(cat "$KUBE_STATE/pids/$name")"
  while [[ -e $KUBE_STATE/pids/$name ]]; do sleep 0.1; done # its supervisor has seen it end
}
start() {
  rm -f "$KUBE_STATE/stopped/$name"
  while [[ ! -e $KUBE_STATE/pids/$name ]]; do sleep 0.1; done
}
case $verb in
  stop) stop TERM ;;
  kill) stop KILL ;;
  start) start ;;
  restart) stop TERM; start ;;
  *) echo "stop, kill, start or restart; not $verb" >&2; exit 1 ;;
esac
