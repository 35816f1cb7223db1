#!/usr/bin/env bash
# Builds all that the cluster needs into $KUBE_CACHE (see env.sh): the programs
# into bin/, the images that every cluster has into images/. A second run with
# the same sources does nothing; keep $KUBE_CACHE between runs to skip the build.
#   build.sh             everything for a cluster with a node
#   build.sh --envtest   only what envtest needs: no Debian packages, no images
set -euo pipefail
. "$(dirname "$0")/env.sh"

packages=(containerd runc containernetworking-plugins iptables nftables iproute2 openssl busybox-static)
if [[ ${1:-} != --envtest ]] && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  echo "installing ${packages[*]}"
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"
fi

cd "$here/tools/kubecluster"
# The lock: two of these builds at once would each take twice as long.
mkdir -p "$KUBE_CACHE"
exec 9>"$KUBE_CACHE/.lock"
flock 9
stamp=$(cat go.mod go.sum ./*.go "$here"/tools/pause/*.go <(go version) | sha256sum)
if [[ $stamp != "$(cat "$KUBE_CACHE/kubecluster.stamp" 2>/dev/null)" ]]; then
  mkdir -p "$KUBE_CACHE/bin"
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r major minor _ <<<"${version#v}"
  v=k8s.io/component-base/version
  "$here/../tools/progress.sh" "building Kubernetes $version and etcd from their modules (once; 17 minutes on two cores)" 9>&- &
  progress=$!
  trap 'kill "$progress" 2>/dev/null || true' EXIT
  CGO_ENABLED=0 GOFLAGS='' nice go build -trimpath -o "$KUBE_CACHE/bin/building" -ldflags \
    "-s -w -X $v.gitVersion=$version -X $v.gitMajor=$major -X $v.gitMinor=$minor -X $v.gitTreeState=clean" . 2>&1 |
    { grep -v '^go: downloading' || true; }
  mv "$KUBE_CACHE/bin/building" "$KUBE_CACHE/bin/kubecluster" # a running cluster keeps the old file
  for name in etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy cluster-dns storage-provisioner; do
    ln -sfn kubecluster "$KUBE_CACHE/bin/$name"
  done
  (cd ../pause && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$KUBE_CACHE/bin/pause" main.go)
  echo "$stamp" >"$KUBE_CACHE/kubecluster.stamp"
fi

[[ ${1:-} == --envtest ]] && exit
"$here/mkimage.sh" "$KUBE_CACHE/images/pause.tar" registry.k8s.io/pause:3.10 "$KUBE_CACHE/bin/pause"
applets=() # a shell and its tools, for tests and init containers
for a in $(busybox --list | grep -vx busybox); do applets+=(-l "/bin/$a=busybox"); done
"$here/mkimage.sh" "$KUBE_CACHE/images/busybox.tar" docker.io/library/busybox:local /bin/busybox=/bin/busybox "${applets[@]}" -- /bin/sh
