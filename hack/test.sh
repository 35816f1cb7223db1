#!/usr/bin/env bash
# Runs all unit tests with the race detector. SUMMARY names a file that gets go test's own lines, one per package.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "downloading modules"
go mod download
echo "running tests with the race detector"
status=0
go test -race -timeout 10m "$@" ./... 2>&1 | grep -v 'no test files' | tee "$log" || status=$?
grep -E '^(ok|FAIL|---|panic)' "$log" >"${SUMMARY:-/dev/null}" || true
exit "$status"
