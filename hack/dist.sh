#!/usr/bin/env bash
# Renders config/default with its images into one file:
#   OPERATOR_IMAGE=… STREAMER_IMAGE=… dist.sh FILE
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: dist.sh FILE}
: "${OPERATOR_IMAGE:?the operator\'s image}" "${STREAMER_IMAGE:?the streamer\'s image}"
kustomize=$(hack/tools/install.sh kustomize)

# An overlay in a folder that git ignores: no file of config/ is changed.
mkdir -p dist
overlay=$(mktemp -d -p dist)
trap 'rm -rf "$overlay"' EXIT
cat >"$overlay/kustomization.yaml" <<Y
resources: [../../config/default]
patches:
  - target: {kind: Deployment, name: certstream-operator}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: certstream-operator
      spec:
        template:
          spec:
            containers:
              - name: manager
                image: $OPERATOR_IMAGE
                env:
                  - name: STREAMER_IMAGE
                    value: $STREAMER_IMAGE
Y
mkdir -p "$(dirname "$out")"
"$kustomize" build "$overlay" >"$out"
echo "wrote $out"
