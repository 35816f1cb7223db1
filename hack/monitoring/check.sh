#!/usr/bin/env bash
# Checks alert rules, the operator's rules and the dashboard's queries with promtool, and runs the rules' tests.
set -euo pipefail
cd "$(dirname "$0")/../.."

promtool=$(hack/tools/install.sh promtool)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go run ./hack/monitoring render "$dir"
cp hack/monitoring/*_test.yaml "$dir"
"$promtool" check rules --lint=all --lint-fatal "$dir"/rules.yaml "$dir"/operator.yaml "$dir"/dashboard.yaml
"$promtool" test rules "$dir"/*_test.yaml

# Each alert has a case in which it fires and one in which it does not.
for alert in $(grep -ho 'alert: CertStream[A-Za-z]*' "$dir"/rules.yaml "$dir"/operator.yaml | cut -d' ' -f2); do
  cases=$(grep -h -A2 "alertname: $alert\$" hack/monitoring/*_test.yaml)
  grep -q 'exp_alerts: \[\]' <<<"$cases" || { echo "$alert: no test in which it keeps quiet"; exit 1; }
  grep -q 'exp_alerts:$' <<<"$cases" || { echo "$alert: no test in which it fires"; exit 1; }
done
