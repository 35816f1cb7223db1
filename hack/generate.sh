#!/usr/bin/env bash
# Generates what follows from the API's types and the controllers' markers: deep copies, apply configurations, the custom
# resource definition, whose descriptions get defaults and bounds, the operator's role. `go generate` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

controller_gen=$(hack/tools/install.sh controller-gen)
"$controller_gen" object applyconfiguration crd paths=./api/... output:crd:dir=config/crd/bases
go run ./hack/explain config/crd/bases/*.yaml
if [[ -d controllers ]]; then
  "$controller_gen" rbac:roleName=certstream-operator paths=./controllers/... output:rbac:dir=config/rbac
fi
