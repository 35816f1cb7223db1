#!/usr/bin/env bash
# Checks all that a machine can check about the tree beside its tests. Wants GOLANGCI_LINT and GOVULNCHECK: paths of programs.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n\033[1m%s\033[0m\n' "$1" | if [[ -t 1 ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

step "generated files"
go generate ./...

step "module files"
go mod tidy
go mod verify

step "gofmt"
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[[ -z $unformatted ]] || { printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted"; exit 1; }

step "go vet"
go vet ./...
go vet -tags e2e ./e2e/...

step "golangci-lint"
"$GOLANGCI_LINT" run ./...
"$GOLANGCI_LINT" run --build-tags e2e ./e2e/...

step "alert rules, dashboard"
hack/monitoring/check.sh

step "health script of Argo CD"
(cd hack/argocd && go vet ./... && go test ./...)

step "charts, manifests, workflows"
hack/charts-check.sh

step "govulncheck"
report=$(mktemp)
trap 'rm -f "$report"' EXIT
# A machine without access to the database, or to all modules of the tool, checks the rest; it says what it left out.
if ! make "$GOVULNCHECK" >"$report" 2>&1; then
  echo "NOT CHECKED: the tool cannot be built here:"
  tail -n 2 "$report"
elif "$GOVULNCHECK" ./... >"$report" 2>&1; then
  tail -n 3 "$report"
elif grep -qiE 'vuln\.go\.dev|fetching vulnerabilities|no such host' "$report"; then
  echo "NOT CHECKED: the vulnerability database cannot be reached from here:"
  head -n 3 "$report"
else
  cat "$report"
  exit 1
fi

step "clean tree"
dirty=$(git status --porcelain)
if [[ -n $dirty ]]; then
  git --no-pager diff --stat
  printf 'the tree is not clean; commit these, or what generates them is out of date:\n%s\n' "$dirty"
  exit 1
fi
echo "all checks passed"
