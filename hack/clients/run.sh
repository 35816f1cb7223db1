#!/usr/bin/env bash
# Runs clients that nobody here wrote, unmodified, against `streamer demo`, and prints the names they got. Any that gets none
# fails. Then it runs the programs of docs/resume.md against a streamer that is killed with kill -9, twice, and is killed once
# itself but for the browser: any that misses an entry fails. Wants STREAMER (the binary), CORPUS (real entries) and CACHE (a folder for what is installed).
set -euo pipefail
cd "$(dirname "$0")"

CERTSTREAM_PYTHON=1.12
CERTSTREAM_NPM=1.1.1

names=5                       # how many a client must get
limit=90                      # seconds that a client may take
work=$(mktemp -d)
demo=
failures=0

cleanup() {
  if [[ -n $demo ]]; then
    kill -INT "$demo" 2>/dev/null || true
    wait "$demo" || echo "the demo ended with $?"
  fi
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n-- %s\n' "$*"; }

# attempt NAME COMMAND...: a client, which must print names and succeed.
attempt() {
  local name=$1 out=$work/out
  shift
  say "$name"
  if timeout "$limit" "$@" >"$out" 2>&1 && [[ -s $out ]]; then
    head -n 12 "$out"
  else
    echo "FAILED with $?"
    head -c 4000 "$out"
    failures=$((failures + 1))
  fi
}

# crash NAME [-client] -- COMMAND...: a client that goes on after a crash.
crash() {
  local name=$1
  shift
  attempt "$name, over crashes" "$work/crash" -streamer "$STREAMER" -limit 80s "$@"
}

start_demo() {
  "$STREAMER" demo --port 0 --tcp-port 0 --corpus "$CORPUS" --no-view >"$work/demo" 2>&1 &
  demo=$!
  for _ in $(seq 300); do
    if address=$(grep -oE 'ws://[0-9.]+:[0-9]+' "$work/demo" | head -n 1) && [[ -n $address ]]; then
      address=${address#ws://}
      return
    fi
    kill -0 "$demo" 2>/dev/null || break
    sleep 0.1
  done
  echo "the demo did not start:"
  cat "$work/demo"
  exit 1
}

python_clients() {
  local venv=$CACHE/certstream-python-$CERTSTREAM_PYTHON
  if [[ ! -x $venv/bin/certstream ]]; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "certstream==$CERTSTREAM_PYTHON"; } \
      >"$work/pip" 2>&1; then
      say "certstream for Python: NOT RUN, it could not be installed"
      tail -n 5 "$work/pip"
      rm -rf "$venv"
      return
    fi
  fi
  attempt "certstream for Python $CERTSTREAM_PYTHON, library" "$venv/bin/python" python_library.py "ws://$address/" "$names"
  attempt "certstream for Python $CERTSTREAM_PYTHON, library, full stream" \
    "$venv/bin/python" python_library.py "ws://$address/full-stream" "$names"
  attempt "certstream for Python $CERTSTREAM_PYTHON, command line" ./lines.sh "$names" \
    "$venv/bin/certstream" --full --disable-colors --url "ws://$address/"
  attempt "certstream for Python $CERTSTREAM_PYTHON, command line, domains-only" ./lines.sh "$names" \
    "$venv/bin/certstream" --json --url "ws://$address/domains-only"
  crash "certstream for Python $CERTSTREAM_PYTHON" -client -- "$venv/bin/python" resume/python.py ws://ADDRESS/ FILE
}

npm_client() {
  local dir=$CACHE/certstream-npm-$CERTSTREAM_NPM
  if [[ ! -d $dir/node_modules/certstream ]]; then
    mkdir -p "$dir"
    npm install --silent --no-audit --no-fund --prefix "$dir" "certstream@$CERTSTREAM_NPM" >"$work/npm" 2>&1 || cat "$work/npm"
  fi
  attempt "certstream for npm $CERTSTREAM_NPM" env NODE_PATH="$dir/node_modules" node npm_library.js "ws://$address/" "$names"
  crash "certstream for npm $CERTSTREAM_NPM" -client -- env NODE_PATH="$dir/node_modules" node resume/node.js ws://ADDRESS/ FILE
}

browser() {
  if ! command -v chromium >/dev/null; then
    { apt-get update && apt-get install -y --no-install-recommends chromium; } >"$work/apt" 2>&1 || tail -n 5 "$work/apt"
  fi
  attempt "Chromium: WebSocket and EventSource" "$work/browser" -address "$address" -n "$names"
  crash "Chromium: EventSource" -- "$work/browser" -address ADDRESS -page resume/page.html
}

for program in crash browser; do
  go build -o "$work/$program" "./$program"
done
go build -o "$work/resume" ./resume/go
start_demo
echo "demo at $address"
python_clients
npm_client
browser
attempt "a client that behaves as CaliDog's for Go" go run ./caligo -url "ws://$address/" -n "$names"
crash "curl" -client -- ./resume/curl.sh http://ADDRESS/sse FILE
crash "streamer/client" -client -- "$work/resume" ws://ADDRESS FILE

if ((failures)); then
  printf '\n%d clients failed\n' "$failures"
  exit 1
fi
printf '\nall clients that were run got real names, and over crashes everything\n'
