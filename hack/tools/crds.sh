#!/usr/bin/env bash
# Writes the CRDs of others that the operator can use into a folder, one kind per file, out of their pinned Go modules:
#   crds.sh DIR
# For tests on a real API server. Nothing is built; the modules are downloaded once by go.
set -euo pipefail
out=${1:?usage: crds.sh DIR}
mkdir -p "$out"

# copy MODULE@VERSION FILE...: the files, by their paths inside the module
copy() {
  local module=$1 dir file
  shift
  dir=$(cd / && GOFLAGS='' go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  for file; do
    install -m 644 "$dir/$file" "$out/$(basename "$file")"
  done
}

prefix=example/prometheus-operator-crd/monitoring.coreos.com
copy github.com/prometheus-operator/prometheus-operator@v0.85.0 \
  ${prefix}_{alertmanagerconfigs,alertmanagers,podmonitors,probes,prometheusagents,prometheuses}.yaml \
  ${prefix}_{prometheusrules,scrapeconfigs,servicemonitors,thanosrulers}.yaml
copy sigs.k8s.io/gateway-api@v1.6.0 config/crd/standard/gateway.networking.k8s.io_{gatewayclasses,gateways,httproutes}.yaml
copy github.com/cert-manager/cert-manager@v1.21.0 deploy/crds/cert-manager.io_{certificates,issuers,clusterissuers}.yaml
echo "$out"
