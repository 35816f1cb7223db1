#!/usr/bin/env bash
# Fuzzes every parser of outside bytes, MINUTES in total (default 30) shared evenly, one after the other at low priority, and
# prints a table. What a run found worth keeping stays in Go's cache for the next run; KEEP=1 copies up to 16 small inputs
# of each parser into its package's testdata/fuzz, where plain `go test` tries them too.
# ONLY, a regular expression over "package FuzzTarget", selects parsers. A parser gets at least 5 seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${MINUTES:-30}
[[ $minutes =~ ^[0-9]+$ ]] || { echo "MINUTES=$minutes: want a whole number"; exit 2; }
mapfile -t targets < <(
	grep -rlE '^func Fuzz' --include='*_test.go' api controllers streamer internal cmd hack 2>/dev/null | sort |
		while read -r file; do
			grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed "s|^func |$(dirname "$file") |"
		done | grep -E "${ONLY:-.}" | sort -u
)
((${#targets[@]})) || { echo "no fuzz test matches ONLY=${ONLY:-}"; exit 2; }
seconds=$((minutes * 60 / ${#targets[@]}))
((seconds >= 5)) || seconds=5
cache=$(go env GOCACHE)/fuzz/$(go list -m)

keep() { # folder target: the smallest inputs of the cache that testdata lacks
	local from=$cache/$1/$2 to=$1/testdata/fuzz/$2 have
	[[ -d $from ]] || return 0
	mkdir -p "$to"
	have=$(find "$to" -type f | wc -l)
	((have < 16)) || return 0
	find "$from" -type f -size -3 -printf '%s %p\n' | sort -n | cut -d' ' -f2- | sed -n "1,$((16 - have))p" |
		while read -r input; do cp -n "$input" "$to/"; done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
total=0
printf '%-52s %8s %12s %12s  %s\n' parser seconds executions interesting result
for one in "${targets[@]}"; do
	read -r folder target <<<"$one"
	began=$(date +%s)
	result=ok
	nice -n 19 go test "./$folder" -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x \
		${PARALLEL:+-parallel "$PARALLEL"} >"$log" 2>&1 || result=FAILED
	# Go's own fuzzer fails now and then with this, and no input, when its time ends (go.dev/issue/75804).
	grep -q 'Failing input written' "$log" || ! grep -q '^    context deadline exceeded$' "$log" || result=ok
	[[ $result == ok ]] || status=1
	took=$(($(date +%s) - began))
	total=$((total + took))
	last=$(sed -n '/^fuzz: elapsed/h; ${x;p}' "$log")
	executions=$(sed -nE 's/.*execs: ([0-9]+).*/\1/p' <<<"$last")
	interesting=$(sed -nE 's/.*total: ([0-9]+).*/\1/p' <<<"$last")
	# The inputs that there are come before new ones are made: they alone can take all the time.
	[[ $result != ok || -n $executions ]] || result="not reached: give it more MINUTES"
	printf '%-52s %8s %12s %12s  %s\n' "$folder $target" "$took" "${executions:--}" "${interesting:--}" "$result"
	[[ $result != FAILED ]] || tail -40 "$log"
	[[ -z ${KEEP:-} ]] || keep "$folder" "$target"
done
echo "${#targets[@]} parsers, $((total / 60)) min $((total % 60)) s"
exit "$status"
