#!/usr/bin/env bash
# lines.sh N COMMAND...: runs a command that never ends until it has printed N lines.
set -uo pipefail
n=$1
shift
mapfile -t -n "$n" lines < <(exec "$@" 2>&1 | grep --line-buffered -v '^\[INFO')
printf '%s\n' "${lines[@]}" | cut -c 1-160
[[ ${#lines[@]} -eq $n ]] && ! grep -qE 'Traceback|Error' <<<"${lines[*]}"
