#!/usr/bin/env bash
# Brings the Helm charts in step with what they are made from: the CertStream's definition, the operator's role and alerts (copied
# as they are), values.yaml (the table in README.md, the texts in values.schema.json). `go generate` runs it, after
# controller-gen.
set -euo pipefail
cd "$(dirname "$0")/.."

files=charts/certstream-operator/files
cp config/crd/bases/certstream.io_certstreams.yaml "$files/crd.yaml"
cp config/prometheus/operator-rules.yaml "$files/operator-rules.yaml"
cp config/rbac/role.yaml "$files/role.yaml"
go run ./hack/charts values charts/certstream-operator charts/certstream
