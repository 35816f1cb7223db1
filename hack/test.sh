#!/usr/bin/env bash
# Runs all unit tests with the race detector. The last lines are go test's own, one per package; SUMMARY names a file that
# gets a copy of them.
set -euo pipefail
cd "$(dirname "$0")/.."

summary=${SUMMARY:-/dev/null}
echo "downloading modules"
go mod download
echo "running tests with the race detector"
go test -race -timeout 10m "$@" ./... 2>&1 | grep -v 'no test files' | tee >(grep -E '^(ok|FAIL|---|panic)' >"$summary")
