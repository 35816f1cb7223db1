#!/usr/bin/env bash
# Makes what a release publishes, of VERSION (without v), into DIR. The workflow release calls it; it works on any machine:
#   release.sh charts VERSION DIR      both charts, packaged under the version
#   release.sh binaries VERSION DIR    archives of the programs, and the plugin's krew manifest
#   release.sh manifests VERSION DIR   install.yaml and crds.yaml
#   release.sh checksums VERSION DIR   checksums.txt of all that is there
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# == 3 ]] || { sed -n '2,6p' "$0"; exit 2; }
what=$1 version=$2 dir=$3
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { echo "$version is not a version such as 1.2.3"; exit 2; }
mkdir -p "$dir"
registry=ghcr.io/certstream-operator
home=https://github.com/certstream-operator/certstream-operator

charts() {
  local helm work chart
  helm=$(hack/tools/install.sh helm)
  work=$(mktemp -d)
  for chart in certstream-operator certstream; do
    cp -r "charts/$chart" "$work/"
    # Artifact Hub shows the images of this version, and whether it is a release.
    sed -i "s|\($registry/[a-z]*\):[0-9].*|\1:$version|" "$work/$chart/Chart.yaml"
    [[ $version == *-* || $version == 0.* ]] || sed -i '/artifacthub.io\/prerelease/s/"true"/"false"/' "$work/$chart/Chart.yaml"
    "$helm" package --version "$version" --app-version "$version" --destination "$dir" "$work/$chart"
  done
  rm -rf "$work"
}

# archive PROGRAM OS ARCH: one program with its licence, the same bytes from the same commit
archive() {
  local name=$1-$2-$3 out work
  work=$(mktemp -d)
  cp LICENSE "$work/"
  cp "dist/$name" "$work/$1"
  chmod 644 "$work/LICENSE"
  chmod 755 "$work/$1"
  out=$(cd "$dir" && pwd)/$name.tar.gz
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$work" -cf - LICENSE "$1" | gzip -n >"$out"
  rm -rf "$work"
}

binaries() {
  local platform program
  make build VERSION="$version" PROGRAMS="streamer manager" PLATFORMS="linux/amd64 linux/arm64"
  make build VERSION="$version" PROGRAMS=kubectl-certstream PLATFORMS="${plugin_platforms[*]}"
  for program in streamer manager; do
    for platform in linux/amd64 linux/arm64; do
      archive "$program" "${platform%/*}" "${platform#*/}"
    done
  done
  for platform in "${plugin_platforms[@]}"; do
    archive kubectl-certstream "${platform%/*}" "${platform#*/}"
  done
  krew >"$dir/certstream.yaml"
}
plugin_platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64)

# The plugin's manifest for krew, kubectl's plugin manager.
krew() {
  cat <<K
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: certstream
spec:
  version: v$version
  homepage: $home
  shortDescription: Show and read streams of Certificate Transparency logs
  description: |
    Works with the CertStreams that the certstream-operator runs: status shows conditions, logs and clients of one, tail reads
    its certificates with filters, logs lists the CT logs it follows, config compares what is wanted with what runs; restart,
    suspend and resume do what they say.
  platforms:
K
  local platform name
  for platform in "${plugin_platforms[@]}"; do
    name=kubectl-certstream-${platform%/*}-${platform#*/}
    cat <<K
    - selector:
        matchLabels: {os: ${platform%/*}, arch: ${platform#*/}}
      uri: $home/releases/download/v$version/$name.tar.gz
      sha256: $(sha256sum "$dir/$name.tar.gz" | cut -d' ' -f1)
      bin: kubectl-certstream
K
  done
}

manifests() {
  OPERATOR_IMAGE=$registry/operator:$version STREAMER_IMAGE=$registry/streamer:$version hack/dist.sh "$dir/install.yaml"
  "$(hack/tools/install.sh kustomize)" build config/crd >"$dir/crds.yaml"
}

checksums() {
  (cd "$dir" && find . -maxdepth 1 -type f ! -name 'checksums.txt*' -printf '%f\n' | sort | xargs sha256sum >checksums.txt)
  echo "wrote $dir/checksums.txt"
}

case $what in
  charts | binaries | manifests | checksums) "$what" ;;
  *) echo "release.sh knows no $what"; exit 2 ;;
esac
