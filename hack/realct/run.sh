#!/usr/bin/env bash
# Builds two real CT log servers from their modules, fills them, and has our log clients and follower read and verify every entry.
# Arguments go to the program (-help shows them). Needs the Go module proxy, and nothing else.
set -euo pipefail
cd "$(dirname "$0")"
data=${CERTSTREAM_TEST_DATA:-../../../shared/data}
args=()
if [[ -d $data/tiles ]]; then
  args+=(-data "$data")
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# -mod=mod: what the main module requires may have moved on since this go.sum was written.
go build -mod=mod -o "$out/realct" .
"$out/realct" "${args[@]}" "$@"
