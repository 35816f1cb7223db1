#!/usr/bin/env bash
# Prints its argument now and how long it has been going every 15 seconds, until it is killed or its parent is gone.
set -euo pipefail
parent=$PPID
trap 'kill "${pause:-}" 2>/dev/null; exit' TERM
echo "$1"
while kill -0 "$parent" 2>/dev/null; do
  sleep 15 & pause=$!
  wait "$pause"
  echo "  still $1: ${SECONDS} s"
done
