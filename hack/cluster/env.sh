# shellcheck shell=bash disable=SC2034
# Settings shared by the scripts here; each can be set from outside.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/certstream-operator}
KUBE_CACHE=${KUBE_CACHE:-$CACHE/cluster}              # what build.sh makes; safe to keep between runs
KUBE_STATE=${KUBE_STATE:-${TMPDIR:-/tmp}/kubecluster} # the running cluster's files; down.sh removes it
KUBE_CGROUP=/${KUBE_STATE##*/}                        # all that two clusters of one machine would share but for its name
export CACHE KUBE_CACHE KUBE_STATE
export PATH="$KUBE_CACHE/bin:$PATH"

# Addresses exist only inside the cluster's own network namespace.
NODE_IP=10.89.0.1
POD_CIDR=10.90.0.0/16
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
